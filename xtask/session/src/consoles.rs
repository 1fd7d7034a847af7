//! Where the guests' consoles go: `target/consoles/<process id>/`, a folder for each process, so that
//! sessions at the same time do not take each other's away.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use harness_host::files::Lock;
use harness_host::paths;

/// A file of the folder that is locked for as long as the process lives.
const LOCK: &str = "lock";

/// The lock of this process's folder.
static HELD: Mutex<Option<File>> = Mutex::new(None);

/// This process's folder, empty. The folders of processes that have ended are removed, so that what
/// is there belongs to the last session or to one that still runs.
///
/// # Errors
///
/// When they cannot be removed or made.
pub fn folder() -> Result<PathBuf> {
    let all = paths::repository().join("target/consoles");
    let (dir, lock) = make(&all, &std::process::id().to_string())
        .with_context(|| format!("failed to make room for consoles in {}", all.display()))?;
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
    Ok(dir)
}

fn make(all: &Path, name: &str) -> Result<(PathBuf, File)> {
    fs::create_dir_all(all)?;
    // Whoever makes a folder has to lock it before others look at it.
    let _lock = Lock::take(&all.with_extension("lock"), "the folder of the consoles")?;
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        if path.ends_with(name) || !in_use(&path) {
            remove(&path)?;
        }
    }
    let dir = all.join(name);
    fs::create_dir(&dir)?;
    let file = File::create(dir.join(LOCK))?;
    file.lock()?;
    Ok((dir, file))
}

fn in_use(dir: &Path) -> bool {
    File::open(dir.join(LOCK)).is_ok_and(|file| file.try_lock().is_err())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_leaves_those_that_run_alone_and_removes_those_that_are_over() {
        let dir = tempfile::tempdir().unwrap();
        let all = dir.path().join("consoles");
        let (first, lock) = make(&all, "1").unwrap();
        fs::write(first.join("console.log"), "first").unwrap();
        fs::write(all.join("stray"), "").unwrap();
        let (second, _second) = make(&all, "2").unwrap();
        assert!(first.join("console.log").exists() && !all.join("stray").exists());
        drop(lock);
        let (third, _third) = make(&all, "3").unwrap();
        assert!(!first.exists() && second.exists() && third.exists());
    }

    #[test]
    fn a_process_that_begins_anew_has_an_empty_folder() {
        let dir = tempfile::tempdir().unwrap();
        let all = dir.path().join("consoles");
        let (folder, lock) = make(&all, "1").unwrap();
        fs::write(folder.join("console.log"), "old").unwrap();
        let (again, _lock) = make(&all, "1").unwrap();
        assert_eq!(again, folder);
        assert!(!folder.join("console.log").exists());
        drop(lock);
    }
}
