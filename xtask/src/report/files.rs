//! The reports that a command line asks for, each in a file of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::record::Report;
use super::{html, json, junit, ktap};

/// Where to write what was found.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct ReportArgs {
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results to this file as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the results to this file as KTAP 1.
    #[arg(long, value_name = "FILE")]
    ktap: Option<PathBuf>,
    /// Write the results to this file as one self-contained HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl ReportArgs {
    /// JSON alone.
    pub(crate) fn json(path: PathBuf) -> Self {
        Self { json: Some(path), ..Self::default() }
    }

    /// Writes each report that was asked for, whole or not at all.
    ///
    /// # Errors
    ///
    /// When a file's directory cannot be written to.
    pub(crate) fn write(&self, report: &Report) -> Result<()> {
        if let Some(path) = &self.json {
            json::write(report, path)?;
        }
        if let Some(path) = &self.junit {
            write_text(path, &junit::render(report)?)?;
        }
        if let Some(path) = &self.ktap {
            write_text(path, &ktap::render(report))?;
        }
        if let Some(path) = &self.html {
            write_text(path, &html::render(std::slice::from_ref(report))?)?;
        }
        Ok(())
    }
}

/// Writes a file, whole or not at all.
///
/// # Errors
///
/// When its directory cannot be written to.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    json::write_with(path, |writer| Ok(writer.write_all(text.as_bytes())?))
}
