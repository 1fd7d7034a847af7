//! Suite `isa`: arithmetic, jumps, calls, loads, stores, atomics and packet loads, with edge values in
//! both operands, with operands of which the verifier knows something, and in every pairing of registers
//! that a JIT may encode in a way of its own.
//!
//! The cases are generated. What has to come out is computed twice: by the model, and in plain Rust
//! where the case is made (`Act::Holds`), so that an error which model and kernel share shows.
//! The suite needs nothing of the series and runs on the base as well, but for `may_goto` (there
//! the interpreter gets it wrong).

mod arithmetic;
mod atomics;
mod bounded;
mod bounds;
mod calls;
mod far;
mod flow;
mod frame;
mod jumps;
mod memory;
mod operations;
mod packets;
mod pairing;
mod sheet;
mod values;

use crate::Case;

/// The cases of the suite.
pub(crate) fn cases() -> Vec<Case> {
    [
        arithmetic::cases(),
        bounded::cases(),
        jumps::cases(),
        memory::cases(),
        far::cases(),
        atomics::cases(),
        pairing::cases(),
        flow::cases(),
        calls::cases(),
        packets::cases(),
    ]
    .concat()
}
