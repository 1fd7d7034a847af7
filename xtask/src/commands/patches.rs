//! `cargo xtask patches`: check the series out, write it back, prove it.

use anyhow::{Result, bail};
use clap::Args;

use crate::exit::Status;

/// Options of `patches`.
#[derive(Debug, Args)]
pub(crate) struct Patches {}

impl Patches {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        bail!("not written yet")
    }
}
