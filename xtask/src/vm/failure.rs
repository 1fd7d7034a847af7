//! What can go wrong with a guest, and what it says about the kernel under test.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exit::{Status, Stop};

/// Sorts of failure of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureKind {
    /// The kernel panicked, for no other reason that the console shows.
    Panic,
    /// An exception in the kernel: bad access, general protection fault, invalid opcode.
    Oops,
    /// `BUG()`, or a line that starts with `BUG:`.
    Bug,
    /// `WARN()` or its like.
    Warn,
    /// KASAN, KFENCE, KCSAN or KMSAN.
    Sanitizer,
    /// UBSAN.
    Undefined,
    /// Lockdep.
    Lockdep,
    /// Soft or hard lock-up: reported by the kernel, or found in one that had to be stopped as
    /// there was no heartbeat.
    Lockup,
    /// RCU stall.
    Stall,
    /// A task that sleeps without end, or a request that did not end in time though the agent is
    /// alive.
    Hung,
    /// The guest's memory was exhausted.
    OutOfMemory,
    /// No heartbeat, though the processor idles or nothing is known of it.
    Silent,
    /// The agent ended, for no reason that the console shows.
    AgentDied,
    /// The agent could not do what it was asked for, by no fault of the kernel.
    Trouble,
    /// QEMU ended, for no reason that the console shows.
    QemuDied,
    /// What came is no record of the protocol.
    Protocol,
    /// Ctrl-C.
    Interrupted,
}

impl FailureKind {
    /// Name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Oops => "oops",
            Self::Bug => "bug",
            Self::Warn => "warn",
            Self::Sanitizer => "sanitizer",
            Self::Undefined => "undefined",
            Self::Lockdep => "lockdep",
            Self::Lockup => "lockup",
            Self::Stall => "stall",
            Self::Hung => "hung",
            Self::OutOfMemory => "out-of-memory",
            Self::Silent => "silent",
            Self::AgentDied => "agent-died",
            Self::Trouble => "trouble",
            Self::QemuDied => "qemu-died",
            Self::Protocol => "protocol",
            Self::Interrupted => "interrupted",
        }
    }

    /// Exit status that it stands for: the kernel's splats, crashes and hangs are the failure of a
    /// case, whereas an agent, a QEMU or a channel that breaks is the harness's own.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Panic
            | Self::Oops
            | Self::Bug
            | Self::Warn
            | Self::Sanitizer
            | Self::Undefined
            | Self::Lockdep
            | Self::Lockup
            | Self::Stall
            | Self::Hung
            | Self::OutOfMemory
            | Self::Silent => Status::CaseFailed,
            Self::AgentDied | Self::Trouble | Self::QemuDied | Self::Protocol => Status::Harness,
            Self::Interrupted => Status::Interrupted,
        }
    }

    /// Whether it was noticed by something taking too long, which a busy host can bring about too.
    pub(crate) fn is_by_time(self) -> bool {
        matches!(self, Self::Silent | Self::Hung | Self::Lockup | Self::Stall)
    }

    /// Whether a splat of this sort ends the guest or leaves it of no use.
    pub(super) fn is_fatal(self) -> bool {
        !matches!(self, Self::Warn | Self::Undefined | Self::Lockdep)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A guest that is no more, or of no more use. The machine has to go.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) struct GuestFailure {
    /// Sort.
    pub(crate) kind: FailureKind,
    /// One line, such as `BUG: kernel NULL pointer dereference in bpf_prog_run`.
    pub(crate) title: String,
    /// `<name> <mode>` of the case that was running, if any.
    pub(crate) case: Option<String>,
    /// Last lines of the console.
    pub(crate) console_tail: Vec<String>,
    /// The whole console.
    pub(crate) console_log: PathBuf,
}

impl GuestFailure {
    /// Exit status that it stands for.
    pub(crate) fn status(&self) -> Status {
        self.kind.status()
    }

    /// As an error that carries its exit status.
    pub(crate) fn into_error(self) -> anyhow::Error {
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
pub(crate) enum StartFailure {
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
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::NoQemu { .. } => Stop::HostLacks(self.to_string()).into(),
            Self::Guest(failure) => failure.into_error(),
            Self::Host { .. } => self.into(),
        }
    }
}
