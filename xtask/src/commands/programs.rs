//! `cargo xtask programs`: the BPF programs in Rust.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use harness_host::exit::Status;
use harness_host::ui::outln;

/// Options of `programs`.
#[derive(Debug, Args)]
pub(crate) struct Programs {
    #[command(subcommand)]
    command: ProgramsCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramsCommand {
    /// Compile the programs that have changed, and say where the objects are; `test` does so too.
    Build,
}

impl Programs {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let ProgramsCommand::Build = self.command;
        let built = bpf_programs::build().context("failed to build the programs")?;
        for built in &built {
            let state = if built.compiled { "compiled" } else { "current" };
            outln!("{state:9} {}", built.object.display());
        }
        Ok(Status::Passed)
    }
}
