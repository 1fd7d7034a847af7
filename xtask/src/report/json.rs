//! The machine-readable report.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use serde::Serialize;

/// Writes a report as JSON, whole or not at all.
///
/// # Errors
///
/// When the file's directory cannot be written to.
pub(crate) fn write(report: &impl Serialize, path: &Path) -> Result<()> {
    write_with(path, |writer| {
        serde_json::to_writer_pretty(&mut *writer, report)?;
        Ok(writeln!(writer)?)
    })
}

/// Writes a report's file, whole or not at all.
pub(super) fn write_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = || format!("failed to write the report {}", path.display());
    let temporary = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
    let mut writer = BufWriter::new(temporary.as_file());
    content(&mut writer).and_then(|()| Ok(writer.flush()?)).with_context(failed)?;
    drop(writer);
    let file: File = temporary.persist(path).with_context(failed)?;
    drop(file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use bpf_wire::Mode;

    use super::*;
    use crate::report::record::{
        Counts, FailureClass, KernelFacts, Record, Report, SCHEMA, TooStrict, TooStrictCase,
        Verdict, traces,
    };

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
        Report {
            schema: SCHEMA,
            kernel: KernelFacts {
                base: "7.3.4".into(),
                patches: 8,
                key: "k".into(),
                release: "7.3.4".into(),
            },
            accel: "tcg".into(),
            counts: Counts::of(std::slice::from_ref(&record)),
            too_strict: TooStrictCase::of(std::slice::from_ref(&record)),
            traces: traces(std::slice::from_ref(&record)),
            cases: vec![record],
        }
    }

    #[test]
    fn the_report_has_the_documented_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        write(&report(), &path).unwrap();
        let read: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read["schema"], 1);
        assert_eq!(read["kernel"]["patches"], 8);
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

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = write(&report(), Path::new("/nonexistent/report.json")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/report.json"), "{error}");
    }
}
