//! Programs that go wrong if a static analysis misinterprets an indirect call.
//!
//! For each analysis: what it must still allow, and what it must reject. `about` says how a naive
//! analysis would fail.

mod blinding;
mod call_graph;
mod discovery;
mod effects;
mod folding;
mod liveness;
mod precision;
mod pruning;
mod removal;

use crate::Case;

/// In the order in which the verifier runs them.
pub(super) fn cases() -> Vec<Case> {
    [
        discovery::cases(),
        call_graph::cases(),
        liveness::cases(),
        folding::cases(),
        pruning::cases(),
        precision::cases(),
        effects::cases(),
        removal::cases(),
        blinding::cases(),
    ]
    .concat()
}
