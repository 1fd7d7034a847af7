//! The kernel's own file systems, mounted on first use.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

/// Mounts devtmpfs on `/dev`.
pub(crate) fn dev() -> Result<(), String> {
    static DONE: AtomicBool = AtomicBool::new(false);
    once(&DONE, "devtmpfs", "/dev")
}

/// Mounts proc on `/proc`.
pub(crate) fn proc() -> Result<(), String> {
    static DONE: AtomicBool = AtomicBool::new(false);
    once(&DONE, "proc", "/proc")
}

/// Mounts sysfs on `/sys`.
pub(crate) fn sys() -> Result<(), String> {
    static DONE: AtomicBool = AtomicBool::new(false);
    once(&DONE, "sysfs", "/sys")
}

/// Mounts debugfs on `/debug`. Fails if the kernel has none.
pub(crate) fn debug() -> Result<(), String> {
    static DONE: AtomicBool = AtomicBool::new(false);
    once(&DONE, "debugfs", "/debug")
}

fn once(done: &AtomicBool, fstype: &str, target: &str) -> Result<(), String> {
    if done.load(Ordering::Relaxed) {
        return Ok(());
    }
    // The initramfs contains only /init.
    if !Path::new(target).is_dir() {
        fs::create_dir(target).map_err(|e| format!("failed to create {target}: {e}"))?;
    }
    match mount(Some(fstype), target, Some(fstype), MsFlags::empty(), None::<&str>) {
        // EBUSY: the kernel mounted it itself (CONFIG_DEVTMPFS_MOUNT).
        Ok(()) | Err(Errno::EBUSY) => {}
        Err(e) => return Err(format!("failed to mount {fstype} on {target}: {e}")),
    }
    done.store(true, Ordering::Relaxed);
    Ok(())
}
