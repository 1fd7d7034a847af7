//! Exit statuses, all in one place, and the errors that choose between them.

use std::process::ExitCode;

use thiserror::Error;

/// What the process tells its caller.
///
/// The numbers are part of the interface: `git bisect run`, CI and scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Every selected case held.
    Held = 0,
    /// A case failed: wrong result, wrong verdict, kernel splat, crash or hang.
    CaseFailed = 1,
    /// Wrong usage. clap exits with the same number by itself.
    Usage = 2,
    /// The host lacks something (`EX_UNAVAILABLE`).
    HostLacks = 69,
    /// The harness itself failed (`EX_SOFTWARE`).
    Harness = 70,
    /// What was to be judged cannot be: `git bisect run` skips it.
    CannotJudge = 125,
    /// The host is at fault: `git bisect run` stops.
    StopBisection = 128,
    /// Interrupted from the terminal: 128 + SIGINT.
    Interrupted = 130,
}

impl Status {
    /// The status that an error stands for. An error that says nothing about itself is the
    /// harness's own.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(stop) = cause.downcast_ref::<Stop>() {
                return match stop {
                    Stop::Usage(_) => Self::Usage,
                    Stop::HostLacks(_) => Self::HostLacks,
                    Stop::CaseFailed(_) => Self::CaseFailed,
                    Stop::Interrupted => Self::Interrupted,
                };
            }
        }
        Self::Harness
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// An error whose cause lies outside the harness. Anywhere in an error's chain, it decides the
/// exit status.
#[derive(Debug, Error)]
pub(crate) enum Stop {
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
    fn any_other_error_is_the_harness() {
        assert_eq!(Status::of(&anyhow::anyhow!("odd")), Status::Harness);
    }
}
