//! `cargo xtask bench`: measurements. They print numbers; `verifier` alone judges them.

mod boot;
mod build;
mod guest;
mod model;
mod verifier;

use anyhow::Result;
use clap::{Args, Subcommand};

use harness_host::exit::Status;

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
    /// Throughput of cases beside a bare loop of loads and runs in the same guest.
    Guest(guest::Guest),
    /// The reference model beside other interpreters.
    Model(model::Model),
    /// What the verifier takes for programs on the base and with the series, side by side.
    ///
    /// The status is 1 if a program that the base accepts takes more instructions with the series.
    Verifier(verifier::Verifier),
}

impl Bench {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        match self.what {
            What::Boot(command) => command.run(),
            What::Build(command) => command.run(),
            What::Guest(command) => command.run(),
            What::Model(command) => command.run(),
            What::Verifier(command) => command.run(),
        }
    }
}

/// What `/proc/cpuinfo` calls the processor.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("unknown processor", |(_, name)| name.trim()).to_owned()
}
