//! The command line of bpf-indirect: parses it, runs the command, turns errors into exit statuses.

mod annotated;
mod bisect;
mod cli;
mod commands;
mod exit;
mod fuzz;
mod host;
mod image;
mod interrupt;
mod kernel;
mod mutants;
mod paths;
mod report;
mod run;
mod ui;
mod vm;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = cli::Cli::parse();
    match args.command.run() {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::Status::of(&error).into()
        }
    }
}
