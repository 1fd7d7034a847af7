//! The kernel threads that print the log on the console.
#![expect(unsafe_code, reason = "sched_setscheduler(2) has no safe wrapper")]

use std::fs;
use std::io;

use super::mounts;

/// Gives the console printer threads priority over everything else.
///
/// A serial console may be printed by a thread (`kernel/printk/nbcon.c`, `nbcon_kthread_func()`)
/// that shares the only CPU with the agent, so a splat could be printed while the next case runs,
/// and be attributed to it. [`super::Kernel::let_print`] is the other half. Kernels without such a
/// thread print synchronously.
pub(crate) fn hurry() -> Result<(), String> {
    mounts::proc()?;
    let failed = |e| format!("failed to list /proc: {e}");
    for entry in fs::read_dir("/proc").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has just exited is not a printer.
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if comm.starts_with("pr/") {
            put_first(pid).map_err(|e| format!("failed to put {} first: {e}", comm.trim_end()))?;
        }
    }
    Ok(())
}

/// Gives a process real-time priority.
fn put_first(pid: libc::pid_t) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 1 };
    // SAFETY: the kernel only reads the structure, which outlives the call.
    match unsafe { libc::sched_setscheduler(pid, libc::SCHED_FIFO, &raw const param) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
