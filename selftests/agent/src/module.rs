//! Kernel modules whose `init` is a test, such as `test_bpf`.

use std::ffi::CString;
use std::fs;

use bpf_wire::Mode;
use nix::kmod::{DeleteModuleFlags, delete_module, init_module};

use crate::channel::Sender;
use crate::kernel::caps::Dropped;
use crate::kernel::{Kernel, mounts};
use crate::log;

/// A module to load.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    /// The module file.
    pub(crate) image: &'a [u8],
    /// Parameters, as for `insmod`.
    pub(crate) params: &'a str,
    /// Capabilities to drop.
    pub(crate) without_caps: &'a [u8],
}

/// Loads a module in a mode and unloads it again, so that it can be loaded in the next mode. Sends
/// what the kernel logs meanwhile to the host.
///
/// Returns the `errno` of `init_module(2)`.
pub(crate) fn load(
    kernel: &mut Kernel,
    sender: &Sender,
    name: &str,
    module: &Module<'_>,
    mode: Mode,
) -> Result<i32, String> {
    let params = CString::new(module.params)
        .map_err(|_| format!("the module's parameters {:?} hold a NUL", module.params))?;
    let dropped = Dropped::new(module.without_caps)?;
    kernel.set_mode(mode)?;
    let errno = log::sent_during(sender, || {
        kernel.mark(name, mode)?;
        if let Err(errno) = dropped.during(|| init_module(module.image, &params))? {
            return Ok(errno as i32);
        }
        unload_last()?;
        Ok(0)
    })?;
    kernel.let_print()?;
    errno
}

fn unload_last() -> Result<(), String> {
    mounts::proc()?;
    let modules = fs::read_to_string("/proc/modules")
        .map_err(|e| format!("failed to read /proc/modules: {e}"))?;
    let name = newest(&modules)
        .and_then(|name| CString::new(name).ok())
        .ok_or("a module was loaded, but /proc/modules names none")?;
    delete_module(&name, DeleteModuleFlags::O_NONBLOCK)
        .map_err(|e| format!("failed to unload the module {}: {e}", name.to_string_lossy()))
}

/// The most recently loaded module is the first in `/proc/modules` (`kernel/module/main.c`:
/// `add_unformed_module()`).
fn newest(modules: &str) -> Option<&str> {
    modules.lines().next()?.split(' ').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_newest_module() {
        let modules = "test_bpf 1458176 0 - Live 0x0000000000000000\nold 4096 0 - Live 0x0\n";
        assert_eq!(newest(modules), Some("test_bpf"));
        assert_eq!(newest(""), None);
    }
}
