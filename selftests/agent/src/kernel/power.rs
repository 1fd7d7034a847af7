//! Powers off the machine.

use std::thread;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};

/// Powers off immediately; there is nothing to sync.
///
/// A microvm has no ACPI power-off, so the machine is restarted: the kernel resets it through the
/// keyboard controller or a triple fault, and `-no-reboot` makes QEMU exit.
pub(crate) fn off() -> ! {
    let Err(error) = reboot(RebootMode::RB_AUTOBOOT);
    eprintln!("bpf-indirect: agent: failed to restart the machine: {error}");
    // Returning would make the kernel panic and hide the last output.
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}
