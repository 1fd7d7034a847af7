//! The command line of bpf-indirect: parses it, runs the command, turns errors into exit statuses.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod bisect;
mod cli;
mod commands;
#[cfg(test)]
mod docs;
mod fuzz;
mod mutants;
mod workflow;

use std::process::ExitCode;
use std::sync::OnceLock;

use bpf_case::Suite;
use clap::Parser;
use harness_host::{exit, interrupt, ui};

static SUITES: OnceLock<&[Suite]> = OnceLock::new();

/// The suites of cases that the commands are about.
fn suites() -> &'static [Suite] {
    #[cfg(test)]
    SUITES.get_or_init(|| &bpf_suites::SUITES);
    SUITES.get().copied().unwrap_or_default()
}

/// Runs the command line of this process, on these suites of cases.
pub fn main(all: &'static [Suite]) -> ExitCode {
    SUITES.get_or_init(|| all);
    interrupt::install();
    let mut status = match cli::Cli::parse().command.run() {
        Ok(status) => status,
        Err(error) => {
            ui::errln!("error: {error:#}");
            exit::Status::of(&error)
        }
    };
    if let Some(error) = ui::lost_output() {
        ui::errln!("error: failed to write to standard output: {error}");
        if status == exit::Status::Passed {
            status = exit::Status::of_io(error);
        }
    }
    status.into()
}
