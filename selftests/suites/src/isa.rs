//! Suite `isa`: arithmetic, jumps, calls, loads, stores, atomics and packet loads, with edge values
//! in both operands, with operands that the verifier knows something about, and in every pairing of
//! registers that a JIT may encode differently.
//!
//! The cases are generated. Expected results are computed twice: by the model, and in plain Rust
//! where the case is generated (`Act::Holds`), so that an error shared by model and kernel shows.
//! The suite needs nothing from the series and also runs on the base, except for `may_goto` (which
//! the base's interpreter gets wrong).

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
