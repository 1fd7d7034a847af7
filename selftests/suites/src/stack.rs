//! Suite `stack`: a program's use of the kernel stack, including the frames around its BPF stack.

mod attacks;
mod deep;
mod limits;

pub use deep::{Deep, deepest};

use crate::Case;

/// The cases of the suite: at the limit and past it, then generated ones.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = limits::cases();
    cases.extend(deep::cases());
    cases.extend(attacks::cases());
    cases
}
