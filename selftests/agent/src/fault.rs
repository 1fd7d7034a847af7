//! Misbehaviour on demand, for tests of the harness.

use std::fs;
use std::path::Path;
use std::process::exit;
use std::thread;
use std::time::Duration;

use bpf_wire::{Fault, Response};

use crate::channel::Sender;
use crate::kernel::mounts;

/// Writing `c` makes the kernel panic (`CONFIG_MAGIC_SYSRQ`).
const SYSRQ: &str = "/proc/sysrq-trigger";

/// Writing the name of a crash type provokes it (`CONFIG_LKDTM`).
const LKDTM: &str = "/debug/provoke-crash/DIRECT";

/// Does what was asked for. Comes back from [`Fault::Warn`], or with an error if the kernel has no
/// means to fail that way.
pub(crate) fn commit(fault: Fault, sender: &Sender) -> Result<(), String> {
    match fault {
        Fault::Panic => panic_kernel(),
        Fault::Warn => provoke("WARNING"),
        Fault::AgentExits => exit(1),
        Fault::Silence => {
            sender.send_last_bytes(&[])?;
            wait_for_ever()
        }
        Fault::Garbage => {
            sender.send_last_bytes(b"this is no record\n")?;
            wait_for_ever()
        }
        Fault::Truncated => {
            sender.send_half(&Response::Trouble("cut off in the middle".to_owned()))?;
            wait_for_ever()
        }
    }
}

fn panic_kernel() -> Result<(), String> {
    mounts::proc()?;
    if Path::new(SYSRQ).exists() {
        fs::write(SYSRQ, "c").map_err(|e| format!("failed to write c to {SYSRQ}: {e}"))?;
    }
    provoke("PANIC")
}

/// Nothing but lkdtm gives a real WARN on request: sysrq has no key for it, and a line written to
/// `/dev/kmsg` carries no register dump.
fn provoke(crash: &str) -> Result<(), String> {
    let hint = "build the kernel with CONFIG_DEBUG_FS and CONFIG_LKDTM";
    mounts::debug().map_err(|e| format!("cannot provoke {crash}: {e}; {hint}"))?;
    fs::write(LKDTM, crash).map_err(|e| format!("failed to write {crash} to {LKDTM}: {e}; {hint}"))
}

fn wait_for_ever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}
