//! The terminal, lent to a program that is run in it, and restored afterwards in every case.

use std::io::stdin;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

use crate::interrupt::Group;

/// How often to look whether the program has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs a program in this terminal to its end; what is typed, Ctrl-C included, is the program's
/// meanwhile.
///
/// # Errors
///
/// When it cannot be started, or this process is to end, which ends the program first.
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    let saved = Saved::now();
    let mut group = Group::spawn(command, Stdio::inherit())?;
    lend(group.pid());
    let ended = loop {
        match group.try_wait() {
            Ok(None) => sleep(PAUSE),
            Ok(Some(status)) => break Ok(status),
            Err(interrupted) => break Err(interrupted),
        }
    };
    // The program first: it may still change the terminal.
    drop(group);
    drop(saved);
    ended
}

fn lend(to: Pid) {
    // No terminal: nothing to lend.
    if tcsetpgrp(stdin(), to).is_ok() {
        // It may have been stopped for touching the terminal before it had it.
        let _ = killpg(to, Signal::SIGCONT);
    }
}

/// What a terminal is like; dropping it makes the terminal like that again, and this process's.
struct Saved(Option<Termios>);

impl Saved {
    fn now() -> Self {
        // Else taking it back would stop this process, which is one in the background then.
        let mut stops = SigSet::empty();
        stops.add(Signal::SIGTTOU);
        let _ = stops.thread_block();
        Self(tcgetattr(stdin()).ok())
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        if let Some(saved) = &self.0 {
            let _ = tcsetpgrp(stdin(), getpgrp());
            let _ = tcsetattr(stdin(), SetArg::TCSANOW, saved);
        }
    }
}
