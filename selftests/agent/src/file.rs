//! Reads guest files for the host.

use std::fs;
use std::io;

use crate::kernel::mounts;

/// Reads a file: its content, or the errno.
pub(crate) fn read(path: &str) -> Result<Result<Vec<u8>, i32>, String> {
    if path.starts_with("/sys/") {
        mounts::sys()?;
    } else if path.starts_with("/proc/") {
        mounts::proc()?;
    }
    match fs::read(path) {
        Ok(content) => Ok(Ok(content)),
        Err(error) => errno(path, &error).map(Err),
    }
}

fn errno(path: &str, error: &io::Error) -> Result<i32, String> {
    error.raw_os_error().ok_or_else(|| format!("failed to read {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_an_answer() {
        assert_eq!(read("/nonexistent/file"), Ok(Err(nix::errno::Errno::ENOENT as i32)));
    }

    #[test]
    fn a_file_comes_whole() {
        let content = read(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap().unwrap();
        assert!(content.starts_with(b"[package]"));
    }
}
