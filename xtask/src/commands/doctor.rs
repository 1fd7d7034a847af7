//! `cargo xtask doctor`: what the host has and lacks.

use anyhow::{Result, bail};
use clap::Args;

use crate::exit::Status;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

impl Doctor {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        bail!("not written yet")
    }
}
