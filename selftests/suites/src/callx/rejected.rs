//! What the kernel must refuse, with the errno and the words that it says.

mod calls;
mod encoding;
mod pointers;
mod privileges;
mod registers;
mod strides;
mod table_access;
mod tables;
mod typed;

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
        typed::cases(),
        strides::cases(),
        table_access::cases(),
    ]
    .concat()
}
