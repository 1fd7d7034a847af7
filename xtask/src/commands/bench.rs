//! `cargo xtask bench`: measurements. They print numbers and judge nothing.

mod boot;
mod build;
mod model;

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
    /// Time from starting QEMU to the agent's first record.
    Boot(boot::Boot),
    /// What the cache and the incremental build cost beside plain make.
    Build(build::Build),
    /// The reference model beside other interpreters.
    Model(model::Model),
}

impl Bench {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        match self.what {
            What::Boot(command) => command.run(),
            What::Build(command) => command.run(),
            What::Model(command) => command.run(),
        }
    }
}
