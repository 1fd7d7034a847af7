//! What the kernel must refuse, with the errno and the words that it says.

mod control_flow;
mod encoding;
mod maps;
mod privileges;
mod registers;
mod table_access;

use crate::Case;

/// Rejected cases, in the order in which the kernel would notice.
pub(super) fn cases() -> Vec<Case> {
    [
        maps::cases(),
        privileges::cases(),
        encoding::cases(),
        control_flow::cases(),
        registers::cases(),
        table_access::cases(),
    ]
    .concat()
}
