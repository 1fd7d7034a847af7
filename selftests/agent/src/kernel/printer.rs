//! The kernel's threads that print its log on the console.
#![expect(unsafe_code, reason = "sched_setscheduler(2) has no safe wrapper")]

use std::fs;
use std::io;

use super::mounts;

/// Has what the kernel logs come out before anyone else gets on, once the printing was started.
///
/// A serial console may be printed by a thread (`kernel/printk/nbcon.c`, `nbcon_kthread_func()`)
/// that shares the only processor with the agent, so that a splat could come out while the next case
/// ran, and be taken for that one's. [`super::Kernel::let_print`] is the other half. Kernels without
/// such a thread print before they go on.
pub(crate) fn hurry() -> Result<(), String> {
    mounts::proc()?;
    let failed = |e| format!("failed to list /proc: {e}");
    for entry in fs::read_dir("/proc").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has ended meanwhile is no printer.
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if comm.starts_with("pr/") {
            put_first(pid).map_err(|e| format!("failed to put {} first: {e}", comm.trim_end()))?;
        }
    }
    Ok(())
}

/// Gives a process the processor whenever it wants it.
fn put_first(pid: libc::pid_t) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 1 };
    // SAFETY: the kernel reads the structure, which outlives the call.
    match unsafe { libc::sched_setscheduler(pid, libc::SCHED_FIFO, &raw const param) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
