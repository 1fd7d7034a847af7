//! Ctrl-C: children run in process groups of their own, and none of them outlives a request to
//! stop.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::exit::{Status, Stop};
use crate::ui::errln;

/// How long a group gets to end by itself after SIGTERM. make needs it to remove the targets that
/// are half made.
const GRACE: Duration = Duration::from_secs(3);

/// Signals within this time count as one request to stop.
const AT_ONCE: Duration = Duration::from_millis(500);

/// When the user first asked to stop.
static ASKED: OnceLock<Instant> = OnceLock::new();
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
pub fn install() {
    HANDLER.call_once(|| {
        let handler = || {
            let first = *ASKED.get_or_init(Instant::now);
            if PENDING.swap(true, Ordering::SeqCst) {
                // Who signals the process and then its group means it once.
                if first.elapsed() < AT_ONCE {
                    return;
                }
                signal_all(Signal::SIGKILL);
                std::process::exit(Status::Interrupted.number().into());
            }
            signal_all(Signal::SIGTERM);
            thread::spawn(|| {
                thread::sleep(2 * GRACE);
                signal_all(Signal::SIGKILL);
                std::process::exit(Status::Interrupted.number().into());
            });
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            errln!("warning: Ctrl-C may leave processes behind: {error}");
        }
    });
}

/// Fails with [`Stop::Interrupted`] once the user wants to stop.
pub fn check() -> Result<()> {
    if PENDING.load(Ordering::SeqCst) {
        return Err(Stop::Interrupted.into());
    }
    Ok(())
}

/// Runs a command to its end in a group of its own, with `input` as its standard input, and gives its
/// status and all that it wrote.
///
/// # Errors
///
/// When it cannot be started: the [`io::Error`] as it is. [`Stop::Interrupted`] when the user stopped
/// it.
pub fn output(command: &mut Command, input: &[u8]) -> Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut group = Group::spawn(command, stdin)?;
    let (stdin, stdout) = group.pipes();
    let stderr = group.child.stderr.take();
    // All three at once: whoever waits for one of them to move on may be waited for on another.
    let (stdout, stderr) = thread::scope(|scope| {
        scope.spawn(|| {
            if let Some(mut stdin) = stdin {
                // A command that does not want its input says so by its status.
                let _ = stdin.write_all(input);
            }
        });
        let stderr = scope.spawn(|| read(stderr));
        (read(stdout), stderr.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    });
    let status = group.wait()?;
    Ok(Output { status, stdout: stdout?, stderr: stderr? })
}

fn read(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// A child and all its descendants. Dropping it ends them.
#[derive(Debug)]
pub struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    /// Starts `command` in a process group of its own, with `stdin` as its standard input.
    pub fn spawn(command: &mut Command, stdin: impl Into<Stdio>) -> io::Result<Self> {
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

    /// The process group.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.id())
    }

    /// The pipes that it was started with, once: its standard input and its standard output.
    pub fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.child.stdin.take(), self.child.stdout.take())
    }

    /// How the child has ended, if it has.
    ///
    /// # Errors
    ///
    /// [`Stop::Interrupted`] when the user wants to stop, whether or not it has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        check()?;
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.ended = true;
            groups().remove(&self.id());
        }
        Ok(status)
    }

    /// Waits until the child itself has ended.
    ///
    /// # Errors
    ///
    /// [`Stop::Interrupted`] when the user stopped it.
    pub fn wait(&mut self) -> Result<ExitStatus> {
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
    fn large_input_and_output_cross_without_waiting_for_each_other() {
        let input = vec![b'x'; 1 << 20];
        let output = output(Command::new("sh").args(["-c", "tee /dev/stderr"]), &input).unwrap();
        assert!(output.status.success());
        assert!(output.stdout == input && output.stderr == input);
    }

    #[test]
    fn a_program_that_is_not_there_keeps_its_reason() {
        let error = output(&mut Command::new("no-such-program-anywhere"), &[]).unwrap_err();
        let error: &io::Error = error.downcast_ref().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

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
