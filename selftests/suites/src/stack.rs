//! Suite `stack`: what a program takes of the kernel's stack, with the frames around its BPF stack.

mod attacks;
mod deep;
mod limits;

pub use deep::{Deep, deepest};

use crate::Case;

/// The cases of the suite: what is at the limit and past it, then what a generator makes.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = limits::cases();
    cases.extend(deep::cases());
    cases.extend(attacks::cases());
    cases
}
