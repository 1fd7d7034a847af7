//! Kernel modules whose `init` is a test, such as `test_bpf`.

use std::ffi::CString;
use std::fs;

use bpf_wire::Mode;
use nix::kmod::{DeleteModuleFlags, delete_module, init_module};

use crate::kernel::{Kernel, mounts};

/// Loads a module in a mode and unloads it again, so that it can be loaded in the next mode.
///
/// Gives the `errno` of `init_module(2)`; what the module has to say is in the kernel's log.
pub(crate) fn load(
    kernel: &mut Kernel,
    image: &[u8],
    params: &str,
    mode: Mode,
) -> Result<i32, String> {
    let params = CString::new(params)
        .map_err(|_| format!("the module's parameters {params:?} hold a NUL"))?;
    kernel.mark("module", mode)?;
    kernel.set_mode(mode)?;
    if let Err(errno) = init_module(image, &params) {
        return Ok(errno as i32);
    }
    unload_last()?;
    Ok(0)
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

/// The module at the top of `/proc/modules` was loaded last (`kernel/module/main.c`:
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
