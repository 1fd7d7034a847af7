//! The reports that are files, each in a format of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{html, json, junit, ktap};
use harness_host::exit::{Status, Stop};
use harness_host::files::directory;
use harness_results::event::{Event, Reporter};
use harness_results::record::Report;

/// A format: a file of this crate and a row of [`FORMATS`].
#[derive(Debug)]
pub struct Format {
    /// Its option on the command line.
    pub name: &'static str,
    /// What the option does.
    pub about: &'static str,
    render: fn(&Report) -> Result<String>,
}

/// Every format of a session's report.
pub const FORMATS: &[Format] = &[
    Format { name: "json", about: "Write the results to this file as JSON", render: json::text },
    Format {
        name: "junit",
        about: "Write the results to this file as JUnit XML",
        render: junit::render,
    },
    Format {
        name: "ktap",
        about: "Write the results to this file as KTAP 1",
        render: |report| Ok(ktap::render(report)),
    },
    Format {
        name: "html",
        about: "Write the results to this file as one self-contained HTML page",
        render: |report| html::render(std::slice::from_ref(report)),
    },
];

/// The files to write, each in a format, once the session ended.
#[derive(Clone, Debug, Default)]
pub struct Files(Vec<(&'static Format, PathBuf)>);

impl Files {
    /// A file in the format of each of these names; one that is not a format is left out.
    pub fn new(asked: impl IntoIterator<Item = (&'static str, PathBuf)>) -> Self {
        let format = |name| FORMATS.iter().find(|format| format.name == name);
        Self(asked.into_iter().filter_map(|(name, path)| Some((format(name)?, path))).collect())
    }

    /// Checks that every file can be written, so that a misspelt name wastes no session.
    ///
    /// # Errors
    ///
    /// [`Stop::Usage`] with the file that cannot, and why.
    pub fn check(&self) -> Result<(), Stop> {
        for (_, path) in &self.0 {
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

    /// Writes each file, whole or not at all. One that cannot be written does not keep the others
    /// from being.
    ///
    /// # Errors
    ///
    /// That of the first one that cannot be written.
    pub fn write(&self, report: &Report) -> Result<()> {
        let write =
            |(format, path): &(&Format, PathBuf)| write_text(path, &(format.render)(report)?);
        let written: Vec<Result<()>> = self.0.iter().map(write).collect();
        written.into_iter().collect()
    }
}

impl Reporter for Files {
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::Ended { report, .. } => self.write(report),
            _ => Ok(()),
        }
    }
}

/// Writes a file, whole or not at all.
///
/// # Errors
///
/// When its directory cannot be written to.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    json::write_with(path, |writer| Ok(writer.write_all(text.as_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_place_that_cannot_be_written_to_is_said_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        let said =
            |path: &Path| Files::new([("json", path.into())]).check().map_err(|e| e.to_string());
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
        let json = dir.path().join("none/report.json");
        let files = Files::new([("json", json), ("ktap", ktap.clone())]);
        let error = files.write(&testing::report()).unwrap_err();
        assert!(error.to_string().contains("none/report.json"), "{error}");
        assert!(std::fs::read_to_string(ktap).unwrap().starts_with("KTAP version 1"));
    }
}
