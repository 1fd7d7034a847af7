//! Programs that the kernel must load and run correctly.

mod arguments;
mod basics;
mod calls;
mod data;
mod frames;
mod mixed;
mod program_types;
mod strides;
mod surroundings;
mod typed;

use crate::Case;

/// Accepted cases, from simple to hard.
pub(super) fn cases() -> Vec<Case> {
    [
        basics::cases(),
        arguments::cases(),
        calls::cases(),
        frames::cases(),
        data::cases(),
        typed::cases(),
        strides::cases(),
        mixed::cases(),
        surroundings::cases(),
        program_types::cases(),
    ]
    .concat()
}
