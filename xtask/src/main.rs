//! The command line of bpf-indirect: parses it, runs the command, turns errors into exit statuses.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod annotated;
mod bisect;
mod cli;
mod commands;
mod debug;
#[cfg(test)]
mod docs;
mod exit;
mod files;
mod fuzz;
mod host;
mod image;
mod interrupt;
mod kernel;
mod mutants;
mod paths;
mod recorded;
mod report;
mod run;
mod terminal;
mod ui;
mod vm;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

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
        if status == exit::Status::Held {
            status = exit::Status::of_io(error);
        }
    }
    status.into()
}
