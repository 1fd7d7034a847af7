//! Files that several processes share: written whole or not at all, and locks.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::interrupt;
use crate::ui::errln;

/// Writes a file that is either all there or not there, even after a power failure.
///
/// # Errors
///
/// When the file's directory does not exist or cannot be written to.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    write_with(path, |file| Ok(file.write_all(content)?))
}

/// Likewise, with what `content` writes. If that fails, nothing is left and an older file stays.
///
/// # Errors
///
/// As [`write_whole`], and the error of `content`.
pub fn write_with(path: &Path, content: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let context = || format!("writing {}", path.display());
    let temporary = tempfile::NamedTempFile::new_in(directory(path)).with_context(context)?;
    let mut writer = BufWriter::new(temporary.as_file());
    content(&mut writer).and_then(|()| Ok(writer.flush()?)).with_context(context)?;
    drop(writer);
    temporary.as_file().sync_all().with_context(context)?;
    temporary.persist(path).with_context(context)?;
    Ok(())
}

/// Longest path of a socket in bytes (`sun_path` of `struct sockaddr_un`, without the final zero).
const SOCKET_PATH: usize = 107;

/// Makes a temporary folder for sockets whose names have at most 16 bytes. If `TMPDIR` is too long for
/// them, it lies in /tmp.
///
/// # Errors
///
/// When the folder cannot be made.
pub fn socket_folder(prefix: &str) -> io::Result<TempDir> {
    socket_folder_in(&std::env::temp_dir(), prefix)
}

fn socket_folder_in(temporary: &Path, prefix: &str) -> io::Result<TempDir> {
    // Slashes, six random characters, a socket.
    let longest = temporary.as_os_str().len() + prefix.len() + 2 + 6 + 16;
    let short = Path::new("/tmp");
    let folder = if longest > SOCKET_PATH && short.is_dir() { short } else { temporary };
    tempfile::Builder::new().prefix(prefix).tempdir_in(folder)
}

/// The directory that a file is in.
pub fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// How often a process that waits for a lock says so.
const REMINDER: Duration = Duration::from_secs(60);

/// A lock that other processes respect; dropping it, or the process's end, gives it back. The file
/// says who took it last.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock file `path`, waiting for as long as it takes; `what` is in use meanwhile. A line
    /// says so at once and then every minute, with the process that has it.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or locked, or when the user stops the wait.
    pub fn take(path: &Path, what: &str) -> Result<Self> {
        interrupt::install();
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .with_context(|| format!("opening the lock {}", path.display()))?;
        let start = Instant::now();
        let mut told: u32 = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("locking {}", path.display()));
                }
            }
            if start.elapsed() >= told * REMINDER {
                let holder = fs::read_to_string(path).unwrap_or_default();
                errln!("waiting for another process that is using {what}{}", in_brackets(&holder));
                told += 1;
            }
            interrupt::check()?;
            thread::sleep(Duration::from_millis(100));
        }
        // For messages alone, so that a full disk is no reason to stop here.
        let _ = file.set_len(0).and_then(|()| file.write_all(own_name().as_bytes()));
        Ok(Self(file))
    }

    /// A handle for a child to hold: the lock is given back when the child has ended, too. A make
    /// that outlives this process, because that was killed, keeps others out of its directory.
    pub fn share(&self) -> Result<File> {
        self.0.try_clone().context("sharing a lock")
    }
}

/// What this process writes into locks: its id and its arguments.
fn own_name() -> String {
    let arguments: Vec<_> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    format!("process {}: cargo xtask {}\n", process::id(), arguments.join(" "))
}

fn in_brackets(holder: &str) -> String {
    match holder.trim_end() {
        "" => String::new(),
        holder => format!(" ({holder})"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn sockets_fit_however_long_the_temporary_folder_is() {
        let dir = tempfile::tempdir().unwrap();
        let near = socket_folder_in(dir.path(), "vm-").unwrap();
        assert!(near.path().starts_with(dir.path()));
        let long = dir.path().join("x".repeat(90));
        std::fs::create_dir(&long).unwrap();
        let short = socket_folder_in(&long, "vm-").unwrap();
        std::os::unix::net::UnixListener::bind(short.path().join("a".repeat(16))).unwrap();
    }

    #[test]
    fn a_write_that_fails_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_whole(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(b"half")?;
            anyhow::bail!("no more")
        });
        assert_eq!(
            format!("{:#}", error.unwrap_err()),
            format!("writing {}: no more", path.display())
        );
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn holders_never_overlap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let inside = Arc::new(AtomicUsize::new(0));
        let holders: Vec<_> = (0..4)
            .map(|_| {
                let (path, inside) = (path.clone(), inside.clone());
                thread::spawn(move || {
                    let _lock = Lock::take(&path, "x").unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::sleep(Duration::from_millis(20));
                    inside.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for holder in holders {
            holder.join().unwrap();
        }
    }

    #[test]
    fn a_lock_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::write(
            &path,
            "an older holder with a name that is longer than that of this one".repeat(9),
        )
        .unwrap();
        let _lock = Lock::take(&path, "x").unwrap();
        let holder = in_brackets(&fs::read_to_string(&path).unwrap());
        let id = process::id();
        assert!(holder.starts_with(&format!(" (process {id}: cargo xtask")), "{holder}");
        assert!(!holder.contains("older"), "{holder}");
        assert_eq!(in_brackets(""), "");
    }

    #[test]
    fn a_child_that_outlives_the_holder_keeps_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::take(&path, "x").unwrap();
        let mut child =
            Command::new("sleep").arg("1000").stdin(lock.share().unwrap()).spawn().unwrap();
        drop(lock);
        let file = File::open(&path).unwrap();
        assert!(matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
        child.kill().unwrap();
        child.wait().unwrap();
        file.try_lock().unwrap();
    }
}
