//! Programs that the kernel must load and run correctly.

mod basics;
mod control_flow;
mod long_programs;
mod patched_accesses;
mod patched_instructions;
mod pointers;
mod program_types;
mod registers;
mod removed_instructions;
mod subprograms;
mod surroundings;
mod table_entries;
pub(super) mod tables;

use crate::Case;

/// Accepted cases, from simple to hard.
pub(super) fn cases() -> Vec<Case> {
    [
        basics::cases(),
        tables::cases(),
        table_entries::cases(),
        registers::cases(),
        pointers::cases(),
        control_flow::cases(),
        subprograms::cases(),
        surroundings::cases(),
        removed_instructions::cases(),
        patched_instructions::cases(),
        patched_accesses::cases(),
        program_types::cases(),
        long_programs::cases(),
    ]
    .concat()
}
