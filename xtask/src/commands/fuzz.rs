//! `cargo xtask fuzz`: builds the fuzz targets and runs each for a bounded time; `fuzz kernel` fuzzes
//! the kernel.

mod kernel;
mod mutants;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::fuzz::{self, Campaign};
use harness_host::exit::{Status, Stop};
use harness_host::interrupt;
use harness_host::needs;
use harness_host::ui::outln;

/// Options of `fuzz`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Fuzz {
    #[command(subcommand)]
    what: Option<What>,
    /// Targets, all without any: the files of fuzz/fuzz_targets.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    time: u32,
    /// Run the one target on this file alone, as after a finding.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["time", "list"])]
    input: Option<PathBuf>,
    /// List the targets.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Generate programs and run them on the kernel.
    Kernel(Box<kernel::Kernel>),
}

impl Fuzz {
    /// Runs the command. [`Status::CaseFailed`] when something was found.
    pub(crate) fn run(self) -> Result<Status> {
        if let Some(What::Kernel(command)) = self.what {
            return command.run();
        }
        let all = fuzz::targets()?;
        if self.list {
            all.iter().for_each(|name| outln!("{name}"));
            return Ok(Status::Passed);
        }
        let targets = select(all, &self.targets)?;
        needs::require("c++")?;
        let campaign = Campaign::build(&targets)?;
        if let Some(input) = self.input {
            let [target] = &targets[..] else {
                return Err(Stop::Usage("--input takes one target".into()).into());
            };
            return campaign.reproduce(target, &input);
        }
        campaign.make_seeds()?;
        let mut status = Status::Passed;
        for target in &targets {
            interrupt::check()?;
            match campaign.run(target, self.time)? {
                Ok(done) => outln!("passed    {target:<12} {done}"),
                Err(finding) => {
                    outln!("{finding}");
                    status = Status::CaseFailed;
                }
            }
        }
        Ok(status)
    }
}

/// The named targets, all where none is named.
fn select(all: Vec<String>, named: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        let known = all.join(", ");
        let message = format!("there is no fuzz target `{unknown}`; there are {known}");
        return Err(Stop::Usage(message).into());
    }
    Ok(if named.is_empty() { all } else { named.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_chosen_by_name() {
        let all = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(select(all(), &[]).unwrap(), all());
        assert_eq!(select(all(), &["b".to_owned()]).unwrap(), ["b"]);
        let error = select(all(), &["c".to_owned()]).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
        assert!(error.to_string().contains("`c`; there are a, b"), "{error}");
    }
}
