//! The system-call layer: all kernel interfaces that the agent uses besides plain files.

pub(crate) mod bpf;
pub(crate) mod buffer;
pub(crate) mod caps;
mod cpus;
pub(crate) mod describe;
pub(crate) mod heap;
pub(crate) mod ids;
pub(crate) mod map;
pub(crate) mod mounts;
pub(crate) mod power;
pub(crate) mod printer;
mod state;
mod uapi;

pub(crate) use state::Kernel;
