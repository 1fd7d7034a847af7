//! Ctrl-C: children run in process groups of their own, and none of them outlives this process's
//! wish to stop.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::exit::{Status, Stop};

/// How long a group gets to end by itself after SIGTERM. make needs it to remove the targets that
/// are half made.
const GRACE: Duration = Duration::from_secs(3);

static PENDING: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
static HANDLER: Once = Once::new();

fn groups() -> MutexGuard<'static, BTreeSet<i32>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal_all(signal: Signal) {
    for &group in groups().iter() {
        // A group that has just ended is no longer there to be signalled.
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

/// Takes over SIGINT, SIGTERM and SIGHUP: every [`Group`] is ended, [`check`] fails from then on,
/// and the process exits after a few seconds at the latest. Further calls do nothing.
pub(crate) fn install() {
    HANDLER.call_once(|| {
        let handler = || {
            if PENDING.swap(true, Ordering::SeqCst) {
                signal_all(Signal::SIGKILL);
                std::process::exit(Status::Interrupted as i32);
            }
            signal_all(Signal::SIGTERM);
            thread::spawn(|| {
                thread::sleep(2 * GRACE);
                signal_all(Signal::SIGKILL);
                std::process::exit(Status::Interrupted as i32);
            });
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            eprintln!("warning: Ctrl-C may leave processes behind: {error}");
        }
    });
}

/// Fails with [`Stop::Interrupted`] once the user wants to stop.
pub(crate) fn check() -> Result<()> {
    if PENDING.load(Ordering::SeqCst) {
        return Err(Stop::Interrupted.into());
    }
    Ok(())
}

/// A child and all its descendants. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    /// Starts `command` in a process group of its own, with `stdin` as its standard input.
    pub(crate) fn spawn(command: &mut Command, stdin: impl Into<Stdio>) -> io::Result<Self> {
        install();
        let child = command.process_group(0).stdin(stdin).spawn()?;
        let group = Self { child, ended: false };
        groups().insert(group.id());
        if PENDING.load(Ordering::SeqCst) {
            // The handler may have run before the group was known to it.
            let _ = killpg(Pid::from_raw(group.id()), Signal::SIGTERM);
        }
        Ok(group)
    }

    #[expect(clippy::cast_possible_wrap, reason = "Linux limits process ids to 2^22")]
    fn id(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits until the child itself has ended.
    ///
    /// # Errors
    ///
    /// [`Stop::Interrupted`] when the user stopped it.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait()?;
        self.ended = true;
        groups().remove(&self.id());
        check()?;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let group = Pid::from_raw(self.id());
        let _ = killpg(group, Signal::SIGTERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        // Also reaches what the child left behind.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
        groups().remove(&self.id());
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use nix::sys::signal::kill;

    use super::*;

    #[test]
    fn a_dropped_group_takes_its_descendants_along() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("pid");
        let script =
            format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", note.display());
        let group = Group::spawn(Command::new("sh").arg("-c").arg(script), Stdio::null()).unwrap();
        while !note.exists() {
            thread::sleep(Duration::from_millis(5));
        }
        let sleeper: i32 = std::fs::read_to_string(note).unwrap().trim().parse().unwrap();
        assert_eq!(kill(Pid::from_raw(sleeper), None), Ok(()));
        drop(group);
        // It was signalled; it may take a moment to die, and stay a zombie until init collects it.
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{sleeper}/stat"));
            kill(Pid::from_raw(sleeper), None) != Err(Errno::ESRCH)
                && stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        let dropped = Instant::now();
        while runs() {
            assert!(dropped.elapsed() < Duration::from_secs(60), "the descendant lives on");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
