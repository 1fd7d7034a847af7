//! How a guest fails, and what that says about the kernel under test.

use std::fmt;

use serde::{Deserialize, Serialize};

use harness_host::exit::Status;

/// Sorts of failure of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
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
    /// What came is not a record of the protocol.
    Protocol,
    /// Ctrl-C.
    Interrupted,
}

impl FailureKind {
    /// Name in reports.
    pub fn name(self) -> &'static str {
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
    pub fn status(self) -> Status {
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
    pub fn is_by_time(self) -> bool {
        matches!(self, Self::Silent | Self::Hung | Self::Lockup | Self::Stall)
    }

    /// Whether a splat of this sort ends the guest or leaves it of no use.
    pub fn is_fatal(self) -> bool {
        !matches!(self, Self::Warn | Self::Undefined | Self::Lockdep)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
