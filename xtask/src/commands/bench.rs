//! `cargo xtask bench`: measurements. They print numbers and judge nothing.

mod build;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::exit::Status;

/// Options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the cache and the incremental build cost beside plain make.
    Build(build::Build),
}

impl Bench {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        match self.what {
            What::Build(command) => command.run(),
        }
    }
}
