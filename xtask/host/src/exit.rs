//! Exit statuses, all in one place, and the errors that choose between them.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

/// What the process tells its caller.
///
/// The numbers are part of the interface: `git bisect run`, CI and scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every selected case passed.
    Passed,
    /// A case failed: wrong result, wrong verdict, kernel splat, crash or hang.
    CaseFailed,
    /// Wrong usage. clap exits with the same number by itself.
    Usage,
    /// The host lacks something (`EX_UNAVAILABLE`).
    HostLacks,
    /// The harness itself failed (`EX_SOFTWARE`).
    Harness,
    /// What was to be judged cannot be: `git bisect run` skips it.
    CannotJudge,
    /// The host is at fault: `git bisect run` stops.
    StopBisection,
    /// Interrupted from the terminal: 128 + SIGINT.
    Interrupted,
    /// That of a command that was run in a guest.
    OfCommand(u8),
}

impl Status {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::CaseFailed => 1,
            Self::Usage => 2,
            Self::HostLacks => 69,
            Self::Harness => 70,
            Self::CannotJudge => 125,
            Self::StopBisection => 128,
            Self::Interrupted => 130,
            Self::OfCommand(number) => number,
        }
    }

    /// The status that an error stands for. An error that says nothing about itself is the
    /// harness's own.
    pub fn of(error: &anyhow::Error) -> Self {
        let stop = error.chain().find_map(|cause| cause.downcast_ref::<Stop>());
        match stop {
            Some(Stop::Usage(_)) => Self::Usage,
            Some(Stop::HostLacks(_)) => Self::HostLacks,
            Some(Stop::CaseFailed(_)) => Self::CaseFailed,
            Some(Stop::Interrupted) => Self::Interrupted,
            None if error.chain().any(is_full) => Self::HostLacks,
            None => Self::Harness,
        }
    }

    /// The status that a failed read or write stands for.
    pub fn of_io(error: &io::Error) -> Self {
        if is_full(error) { Self::HostLacks } else { Self::Harness }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.number())
    }
}

/// Whether a disk, or what a user may have of it, is full.
fn is_full(cause: &(dyn Error + 'static)) -> bool {
    let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    let json = || cause.downcast_ref::<serde_json::Error>()?.io_error_kind();
    matches!(kind.or_else(json), Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

/// An error whose cause lies outside the harness. Anywhere in an error's chain, it decides the
/// exit status.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The command line asks for something that does not exist or cannot be combined.
    #[error("{0}")]
    Usage(String),
    /// The host lacks a tool, a device, space or a network; the message says how to get it.
    #[error("{0}")]
    HostLacks(String),
    /// What was tested does not hold.
    #[error("{0}")]
    CaseFailed(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_stop_decides_wherever_it_stands_in_the_chain() {
        let error = anyhow::Error::new(Stop::HostLacks("no flex".into())).context("building");
        assert_eq!(Status::of(&error), Status::HostLacks);
        let error = Err::<(), _>(Stop::Usage("x".into())).context("y").context("z").unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
    }

    #[test]
    fn a_full_disk_is_the_hosts_whoever_noticed() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let error = anyhow::Error::new(full()).context("writing a report");
        assert_eq!(Status::of(&error), Status::HostLacks);
        let error = serde_json::to_writer(Full, &1).unwrap_err();
        assert_eq!(Status::of(&error.into()), Status::HostLacks);
        assert_eq!(Status::of_io(&full()), Status::HostLacks);
        assert_eq!(Status::of_io(&ErrorKind::PermissionDenied.into()), Status::Harness);
    }

    struct Full;

    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn any_other_error_is_the_harness() {
        assert_eq!(Status::of(&anyhow::anyhow!("odd")), Status::Harness);
    }
}
