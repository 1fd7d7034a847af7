//! What the kernel must refuse, with the errno and the words that it says.

mod calls;
mod encoding;
mod pointers;
mod privileges;
mod registers;
mod table_access;
mod tables;

use crate::Case;

/// Rejected cases, in the order in which the kernel would notice.
pub(super) fn cases() -> Vec<Case> {
    [
        encoding::cases(),
        privileges::cases(),
        registers::cases(),
        pointers::cases(),
        calls::cases(),
        tables::cases(),
        table_access::cases(),
    ]
    .concat()
}
