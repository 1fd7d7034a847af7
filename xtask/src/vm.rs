//! The virtual machine: accelerator, QEMU command, channel to the agent, console watcher.

pub(crate) mod accel;
mod channel;
pub(crate) mod console;
mod device;
mod failure;
mod machine;
pub(crate) mod qemu;
pub(crate) mod shell;

pub(crate) use console::Splat;
pub(crate) use failure::{FailureKind, GuestFailure, StartFailure};
pub(crate) use machine::{Machine, MachineConfig};
