//! The way out of the machine.

use std::thread;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};

/// Ends the machine at once; nothing here has to be synced.
///
/// A microvm has no ACPI to switch itself off, so the machine is restarted: the kernel resets it
/// through the keyboard controller or a triple fault, and `-no-reboot` makes QEMU exit.
pub(crate) fn off() -> ! {
    let Err(error) = reboot(RebootMode::RB_AUTOBOOT);
    eprintln!("bpf-indirect: agent: failed to restart the machine: {error}");
    // Returning would make the kernel panic, and hide what was printed last.
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}
