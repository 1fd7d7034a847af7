//! Room on a disk: asked for before work begins, and named when it ran out.

use std::io;
use std::path::Path;

use anyhow::{Context, Error, Result};
use nix::sys::statvfs::statvfs;

use harness_host::exit::Stop;

/// Bytes that the file system of the existing directory `dir` has left for this user.
pub fn free(dir: &Path) -> Result<u64> {
    let stat =
        statvfs(dir).with_context(|| format!("asking for the free space of {}", dir.display()))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Makes sure that the file system of the existing directory `dir` has this many bytes free.
///
/// # Errors
///
/// A [`Stop::HostLacks`] that names the directory and the bytes.
pub fn require(dir: &Path, bytes: u64) -> Result<()> {
    let free = free(dir)?;
    if free < bytes {
        return Err(full(dir, bytes, Some(free)));
    }
    Ok(())
}

/// What a write to `dir` failed with, as an error that names the directory and the bytes that are
/// needed in all.
pub fn explain(error: io::Error, dir: &Path, bytes: Option<u64>) -> Error {
    match (error.kind(), bytes) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, Some(bytes)) => {
            full(dir, bytes, None)
        }
        _ => Error::new(error).context(format!("writing to {}", dir.display())),
    }
}

fn full(dir: &Path, bytes: u64, free: Option<u64>) -> Error {
    let free = free.map_or(String::new(), |free| format!(", {free} bytes are free"));
    Stop::HostLacks(format!(
        "no space left in {}: {bytes} bytes are needed{free}; \
         make room, or name another place with BPF_INDIRECT_CACHE",
        dir.display()
    ))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_names_directory_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        require(dir.path(), 1).unwrap();
        let error = require(dir.path(), u64::MAX).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Stop::HostLacks(_))));
        let text = error.to_string();
        assert!(text.contains(&dir.path().display().to_string()), "{text}");
        assert!(text.contains("18446744073709551615 bytes are needed"), "{text}");
    }

    #[test]
    fn only_a_full_disk_is_called_full() {
        let full = explain(io::ErrorKind::StorageFull.into(), Path::new("/d"), Some(7));
        assert!(full.to_string().contains("no space left in /d: 7 bytes are needed;"), "{full}");
        let other = explain(io::ErrorKind::PermissionDenied.into(), Path::new("/d"), Some(7));
        assert_eq!(other.to_string(), "writing to /d");
    }
}
