//! The reference model: an executable definition of BPF.
//!
//! A [`Machine`] executes a [`LoadPlan`](bpf_object::LoadPlan) in user space. Values know where
//! they come from, and whatever the kernel's verifier has to prevent is a [`Trap`].

mod arith;
mod atomic;
mod code;
mod context;
mod exec;
mod faults;
mod function;
mod functions;
mod helpers;
mod lower;
mod machine;
mod maps;
mod memory;
mod number;
mod packet;
mod shadow;
mod show;
mod state;
mod text;
mod trace;
mod trap;
mod value;
mod watch;

pub use faults::Fault;
pub use machine::{Input, Machine, Outcome};
pub use maps::{MapView, ModelError};
pub use trap::{Change, Trace, TraceEntry, Trap, TrapKind};
pub use value::{Value, ValueKind};
pub use watch::{Object, Observer, Seen, Slot, Step};
