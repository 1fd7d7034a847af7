//! What can go wrong with a guest, and what it says about the kernel under test.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use harness_host::exit::{Status, Stop};
pub use harness_results::failure::FailureKind;
use harness_results::record::{FailureClass, Record, Verdict};

/// A guest that ended or can no longer be used. Its machine is discarded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct GuestFailure {
    /// Sort.
    pub kind: FailureKind,
    /// One line, such as `BUG: kernel NULL pointer dereference in bpf_prog_run`.
    pub title: String,
    /// `<name> <mode>` of the case that was running, if any.
    pub case: Option<String>,
    /// Last lines of the console.
    pub console_tail: Vec<String>,
    /// The whole console.
    pub console_log: PathBuf,
}

impl GuestFailure {
    /// Exit status that it stands for.
    pub fn status(&self) -> Status {
        self.kind.status()
    }

    /// Judges what was running: the kernel's splats, crashes and hangs are the failure of a test; of
    /// any other trouble nothing is known about it.
    pub fn judge(&self, record: &mut Record) {
        (record.verdict, record.failure) = match self.status() {
            Status::CaseFailed => (Verdict::Failed, Some(FailureClass::Guest)),
            _ => (Verdict::Error, None),
        };
        record.guest = Some(self.kind);
        record.problems.push(self.to_string());
    }

    /// As an error that carries its exit status.
    pub fn into_error(self) -> anyhow::Error {
        match self.status() {
            Status::CaseFailed => Stop::CaseFailed(self.to_string()).into(),
            Status::Interrupted => Stop::Interrupted.into(),
            _ => self.into(),
        }
    }
}

impl fmt::Display for GuestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "guest failed ({}): {}", self.kind, self.title)?;
        if let Some(case) = &self.case {
            write!(f, ", while running {case}")?;
        }
        if !self.console_tail.is_empty() {
            write!(f, "\nend of the console:")?;
            for line in &self.console_tail {
                write!(f, "\n    {line}")?;
            }
        }
        write!(f, "\nwhole console: {}", self.console_log.display())
    }
}

/// Why there is no machine.
#[derive(Debug, Error)]
pub enum StartFailure {
    /// The host lacks QEMU.
    #[error("failed to start {program}: not found; install it: apt-get install qemu-system-x86")]
    NoQemu {
        /// The program.
        program: &'static str,
    },
    /// Something on the host's side failed.
    #[error("failed to {doing}: {source}")]
    Host {
        /// What was being done, on what.
        doing: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The guest failed before its agent was ready.
    #[error(transparent)]
    Guest(#[from] GuestFailure),
}

impl StartFailure {
    /// As an error that carries its exit status.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::NoQemu { .. } => Stop::HostLacks(self.to_string()).into(),
            Self::Guest(failure) => failure.into_error(),
            Self::Host { .. } => self.into(),
        }
    }
}
