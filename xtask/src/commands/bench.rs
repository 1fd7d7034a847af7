//! `cargo xtask bench`: measurements. They print numbers; `verifier` alone judges them.

mod boot;
mod build;
mod edit;
mod fuzz;
mod guest;
mod model;
mod verifier;

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use harness_host::exit::Status;
use harness_report::json;

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
    /// From one changed line in a case to its verdict, by parts.
    Edit(edit::Edit),
    /// Throughput of generated programs beside a bare loop of loads and runs in the same guest.
    Fuzz(fuzz::Fuzz),
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
            What::Edit(command) => command.run(),
            What::Fuzz(command) => command.run(),
            What::Guest(command) => command.run(),
            What::Model(command) => command.run(),
            What::Verifier(command) => command.run(),
        }
    }
}

/// Least, middle and greatest of some measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// The middle is the mean of the two in the middle where there is no one; of nothing, all are 0.
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self { min: at(0), median: (at(last / 2) + at(values.len() / 2)) / 2.0, max: at(last) }
    }
}

/// Writes what was measured where the command line asks for that.
fn store(report: &impl Serialize, path: Option<&Path>) -> Result<()> {
    path.map_or(Ok(()), |path| json::write(report, path))
}

/// What `/proc/cpuinfo` calls the processor.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("unknown processor", |(_, name)| name.trim()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_sorts_and_halves() {
        let of = |list: &[f64]| Spread::of(list.iter().copied());
        assert_eq!(of(&[30.0, 10.0, 20.0]), Spread { min: 10.0, median: 20.0, max: 30.0 });
        assert_eq!(of(&[40.0, 10.0, 20.0, 30.0]), Spread { min: 10.0, median: 25.0, max: 40.0 });
        assert_eq!(of(&[7.0]), Spread { min: 7.0, median: 7.0, max: 7.0 });
        assert_eq!(of(&[]), Spread { min: 0.0, median: 0.0, max: 0.0 });
    }
}
