//! The virtual machine: accelerator, QEMU command, channel to the agent, console watcher.

pub mod accel;
mod channel;
mod clock;
pub mod console;
pub mod device;
mod failure;
pub mod image;
pub mod machine;
pub mod qemu;

pub use console::Splat;
pub use failure::{FailureKind, GuestFailure, StartFailure};
pub use machine::{Machine, MachineConfig};
