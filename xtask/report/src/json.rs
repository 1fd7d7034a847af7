//! The machine-readable report. Its shape is that of the types in [`harness_results::record`].

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use harness_host::exit::Stop;
use harness_host::files;
use harness_results::record::{Report, SCHEMA};

/// Writes a report as JSON, whole or not at all.
///
/// # Errors
///
/// When the file's directory cannot be written to.
pub fn write(report: &impl Serialize, path: &Path) -> Result<()> {
    write_with(path, |writer| {
        serde_json::to_writer_pretty(&mut *writer, report)?;
        Ok(writeln!(writer)?)
    })
}

/// A report as JSON.
///
/// # Errors
///
/// None that its types can bring about.
pub fn text(report: &Report) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// Reads a report.
///
/// # Errors
///
/// [`Stop::Usage`] when the file is not there, is not a report, or is one of another version.
pub fn read(path: &Path) -> Result<Report> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
        #[serde(rename = "cases")]
        _cases: IgnoredAny,
    }
    let shown = path.display();
    let usage = |text: String| anyhow::Error::from(Stop::Usage(text));
    let text =
        std::fs::read(path).map_err(|error| usage(format!("failed to read {shown}: {error}")))?;
    let Versioned { schema, .. } = serde_json::from_slice(&text).map_err(|error| {
        usage(format!("{shown} is not a report of `cargo xtask test --json`: {error}"))
    })?;
    if schema != SCHEMA {
        return Err(usage(format!(
            "{shown} has version {schema} of the report's shape, this program reads version \
             {SCHEMA}; make it again with this program"
        )));
    }
    serde_json::from_slice(&text)
        .map_err(|error| usage(format!("failed to understand the report {shown}: {error}")))
}

/// Writes a report's file, whole or not at all.
pub(super) fn write_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    files::write_with(path, content)
        .with_context(|| format!("failed to write the report {}", path.display()))
}

#[cfg(test)]
mod tests {
    use bpf_wire::Mode;

    use super::*;
    use crate::testing;
    use harness_host::exit::Status;
    use harness_results::record::{FailureClass, Record, TooStrict, Verdict};

    fn report() -> Report {
        let record = Record {
            verdict: Verdict::Failed,
            failure: Some(FailureClass::Unsound),
            problems: vec!["no gotox".into()],
            too_strict: Some(TooStrict {
                program: 1,
                errno: "EINVAL (22)".into(),
                said: "too complex".into(),
                runs: 128,
            }),
            ..Record::new("a/b", Mode::Jit)
        };
        testing::report_of(vec![record])
    }

    #[test]
    fn the_report_has_the_documented_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        write(&report(), &path).unwrap();
        let read: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read["schema"], SCHEMA);
        assert_eq!(read["kernel"]["patches"], 23);
        assert_eq!(read["cases"][0]["verdict"], "failed");
        assert_eq!(read["cases"][0]["failure"], "unsound");
        assert_eq!(read["counts"]["failed"], 1);
        assert_eq!(read["counts"]["unsound"], 1);
        let strict = serde_json::json!({
            "name": "a/b", "modes": ["jit"], "program": 1, "errno": "EINVAL (22)",
            "said": "too complex", "runs": 128,
        });
        assert_eq!(read["too_strict"], serde_json::json!([strict]));
        assert_eq!(read["traces"], serde_json::json!([]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    /// What is written says what it was made of, and can be read back.
    #[test]
    fn what_was_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        let report = testing::report();
        write(&report, &path).unwrap();
        let back = read(&path).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(&report).unwrap());
        assert_eq!((back.kernel, back.host), (report.kernel, report.host));
    }

    #[test]
    fn another_version_and_another_shape_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        std::fs::write(&path, r#"{"schema": 1, "cases": []}"#).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("version 1 of the report's shape"), "{error}");
        assert!(error.contains("report.json"), "{error}");
        std::fs::write(&path, r#"{"programs": []}"#).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("is not a report of `cargo xtask test --json`"), "{error}");
        let mut value = serde_json::to_value(testing::report()).unwrap();
        value["cases"][0]["mode"] = "quick".into();
        std::fs::write(&path, value.to_string()).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("no mode is called \"quick\""), "{error}");
        assert!(read(&dir.path().join("none.json")).is_err());
    }

    #[test]
    fn reports_are_of_the_schema_and_others_are_not() {
        let schema: serde_json::Value =
            serde_json::from_str(harness_results::record::JSON_SCHEMA).unwrap();
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("report.schema.json", schema).unwrap();
        let compiled = compiler.compile("report.schema.json", &mut schemas).unwrap();
        for report in [report(), testing::report()] {
            let value = serde_json::to_value(&report).unwrap();
            if let Err(error) = schemas.validate(&value, compiled) {
                panic!("{error:#}");
            }
            for pointer in ["/schema", "/kernel/config_digest", "/host/seed", "/cases/0/verdict"] {
                let mut other = value.clone();
                *other.pointer_mut(pointer).unwrap() = serde_json::json!([]);
                assert!(schemas.validate(&other, compiled).is_err(), "{pointer}");
            }
            let mut other = value.clone();
            other.as_object_mut().unwrap().remove("times");
            assert!(schemas.validate(&other, compiled).is_err());
        }
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_report_that_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        std::fs::write(&path, "old").unwrap();
        let error = write_with(&path, |writer| {
            writer.write_all(b"new")?;
            Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
        });
        assert_eq!(Status::of(&error.unwrap_err()), Status::HostLacks);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = write(&report(), Path::new("/nonexistent/report.json")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/report.json"), "{error}");
    }
}
