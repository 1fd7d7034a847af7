//! The reports that a command line asks for, each in a file of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::record::Report;
use super::{html, json, junit, ktap};
use crate::exit::{Status, Stop};
use crate::files::directory;

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

    /// Sees to it that each report that was asked for can be written, so that no session is lost to a
    /// name that was misspelt.
    ///
    /// # Errors
    ///
    /// [`Stop::Usage`] with the file that cannot, and why.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        let asked = [&self.json, &self.junit, &self.ktap, &self.html];
        for path in asked.into_iter().flatten() {
            if path.is_dir() {
                return Err(Stop::Usage(format!("{} is a directory", path.display())));
            }
            tempfile::NamedTempFile::new_in(directory(path)).map_err(|error| {
                let text = format!("the report {} cannot be written: {error}", path.display());
                match Status::of_io(&error) {
                    Status::HostLacks => Stop::HostLacks(text),
                    _ => Stop::Usage(text),
                }
            })?;
        }
        Ok(())
    }

    /// Writes each report that was asked for, whole or not at all. One that cannot be written does
    /// not keep the others from being.
    ///
    /// # Errors
    ///
    /// That of the first one that cannot be written.
    pub(crate) fn write(&self, report: &Report) -> Result<()> {
        let to = |path: &Option<PathBuf>, write: &dyn Fn(&Path) -> Result<()>| {
            path.as_deref().map_or(Ok(()), write)
        };
        let written = [
            to(&self.json, &|path| json::write(report, path)),
            to(&self.junit, &|path| write_text(path, &junit::render(report)?)),
            to(&self.ktap, &|path| write_text(path, &ktap::render(report))),
            to(&self.html, &|path| write_text(path, &html::render(std::slice::from_ref(report))?)),
        ];
        written.into_iter().collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn a_place_that_cannot_be_written_to_is_said_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        let said =
            |path: &Path| ReportArgs::json(path.to_owned()).check().map_err(|e| e.to_string());
        assert_eq!(said(&dir.path().join("report.json")), Ok(()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
        let error = said(&dir.path().join("none/report.json")).unwrap_err();
        assert!(error.contains("none/report.json cannot be written: "), "{error}");
        assert!(said(dir.path()).unwrap_err().ends_with("is a directory"));
    }

    #[test]
    fn a_report_that_cannot_be_written_does_not_cost_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let ktap = dir.path().join("ktap");
        let json = Some(dir.path().join("none/report.json"));
        let args = ReportArgs { json, ktap: Some(ktap.clone()), ..ReportArgs::default() };
        let error = args.write(&testing::report()).unwrap_err();
        assert!(error.to_string().contains("none/report.json"), "{error}");
        assert!(std::fs::read_to_string(ktap).unwrap().starts_with("KTAP version 1"));
    }
}
