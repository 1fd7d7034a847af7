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

use clap::Parser;
use harness_host::{exit, interrupt, ui};

fn main() -> ExitCode {
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
