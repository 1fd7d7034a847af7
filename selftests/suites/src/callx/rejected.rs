//! Programs that the kernel must reject, with errno and log.

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

/// Rejected cases, in the order of the kernel's checks.
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
