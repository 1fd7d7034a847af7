//! Suite `isa`: arithmetic, jumps, loads, stores, atomics and packet loads, with edge values in both
//! operands and in every pairing of registers that a JIT may encode in a way of its own.
//!
//! The cases are generated. What has to come out is computed twice: by the model, and in plain Rust
//! where the case is made (`Act::Holds`), so that an error which model and kernel share shows.
//! The suite needs nothing of the series and runs on any kernel of the base.

mod arithmetic;
mod atomics;
mod bounded;
mod bounds;
mod flow;
mod frame;
mod jumps;
mod memory;
mod operations;
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
        atomics::cases(),
        pairing::cases(),
        flow::cases(),
    ]
    .concat()
}
