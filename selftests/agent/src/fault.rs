//! Deliberate misbehaviour, to test the harness.

use std::fs;
use std::process::{abort, exit};
use std::thread;
use std::time::Duration;

use bpf_wire::{Fault, Response};

use crate::channel::Sender;
use crate::kernel::mounts;

/// Writing the name of a crash type triggers it (`CONFIG_LKDTM`).
const LKDTM: &str = "/debug/provoke-crash/DIRECT";

/// Bytes to allocate at once when exhausting memory: few enough that the kernel grants each.
const BITE: usize = 1 << 20;

/// Commits the fault. Returns if kernel and agent survive it, and with an error if the kernel
/// cannot fail that way.
pub(crate) fn commit(fault: &Fault, sender: &Sender) -> Result<(), String> {
    match fault {
        Fault::Lkdtm(crash) => provoke(crash),
        Fault::Log(line) => fs::write("/dev/kmsg", format!("<3>{line}\n"))
            .map_err(|e| format!("failed to write to /dev/kmsg: {e}")),
        Fault::AgentExits => exit(1),
        // The signal itself does nothing to init; the instruction that follows it in abort() does.
        Fault::AgentKilled => abort(),
        Fault::AgentStopped => {
            sender.send_last_bytes(&[])?;
            wait_for_ever()
        }
        Fault::Trouble => Err("this is trouble on request".to_owned()),
        Fault::Garbage => {
            sender.send_last_bytes(b"this is no record\n")?;
            wait_for_ever()
        }
        Fault::Truncated => {
            sender.send_half(&Response::Trouble("cut off in the middle".to_owned()))?;
            wait_for_ever()
        }
        Fault::OutOfMemory => fill_memory(),
    }
}

fn provoke(crash: &str) -> Result<(), String> {
    let hint = "build the kernel with CONFIG_DEBUG_FS and CONFIG_LKDTM";
    mounts::debug().map_err(|e| format!("cannot provoke {crash}: {e}; {hint}"))?;
    fs::write(LKDTM, crash).map_err(|e| format!("failed to write {crash} to {LKDTM}: {e}; {hint}"))
}

fn fill_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        // Not zeros: those would not be backed by memory.
        taken.push(std::hint::black_box(vec![1_u8; BITE]));
    }
}

fn wait_for_ever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}
