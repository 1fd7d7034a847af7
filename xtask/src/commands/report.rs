//! `cargo xtask report`: what can be made of the JSON reports of sessions that are over.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cli::ReportArgs;
use harness_host::exit::Status;
use harness_host::ui::{out, outln};
use harness_report::files;
use harness_report::{html, json, markdown, merge};
use harness_results::record::{Counts, Report};

/// Options of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportCommand {
    #[command(subcommand)]
    what: What,
}

/// What to make of reports.
#[derive(Debug, Subcommand)]
enum What {
    /// Make one report of the shards of a session.
    #[command(after_help = "\
The shards must be of the same kernel, accelerator, QEMU and seed, and have no case in common.

Exit status: that of the session: 0 every case passed, 1 a case failed, 70 the harness broke; 2 where
the reports cannot be merged.")]
    Merge {
        /// Reports of `cargo xtask test --json`.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        report: ReportArgs,
    },
    /// Make one page of several reports, side by side: other kernels, other runs.
    Html {
        /// Reports of `cargo xtask test --json`.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Where to write the page.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Print a table of several reports.
    Summary {
        /// Reports of `cargo xtask test --json`.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// As Markdown, the only form that there is.
        #[arg(long, required = true)]
        markdown: bool,
    },
    /// Print the JSON Schema of `cargo xtask test --json`.
    Schema,
}

impl ReportCommand {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        match self.what {
            What::Merge { files, report } => {
                report.0.check()?;
                let merged = merge::merge(read(&files)?)?;
                report.0.write(&merged)?;
                let Counts { passed, failed, skipped, error, .. } = merged.counts;
                outln!(
                    "{} of {}: {passed} passed, {failed} failed, {skipped} skipped, {error} error",
                    if files.len() == 1 {
                        "1 shard".into()
                    } else {
                        format!("{} shards", files.len())
                    },
                    merged.kernel.title()
                );
                Ok(merged.counts.status())
            }
            What::Html { files, output } => {
                let reports: Vec<Report> =
                    read(&files)?.into_iter().map(|(_, report)| report).collect();
                files::write_text(&output, &html::render(&reports)?)?;
                outln!("{}", shown(&output));
                Ok(Status::Passed)
            }
            What::Summary { files, markdown: _ } => {
                let reports: Vec<Report> =
                    read(&files)?.into_iter().map(|(_, report)| report).collect();
                out!("{}", markdown::render(&reports));
                Ok(Status::Passed)
            }
            What::Schema => {
                out!("{}", harness_results::record::JSON_SCHEMA);
                Ok(Status::Passed)
            }
        }
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<(PathBuf, Report)>> {
    files.iter().map(|path| Ok((path.clone(), json::read(path)?))).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
