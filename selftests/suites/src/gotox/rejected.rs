//! Programs that the kernel must reject, with errno and log.

mod control_flow;
mod encoding;
mod maps;
mod privileges;
mod registers;
mod table_access;

use crate::Case;

/// Rejected cases, in the order of the kernel's checks.
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
