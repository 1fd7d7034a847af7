//! The machine-readable report.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::record::Report;

/// Writes the report as JSON, whole or not at all.
///
/// # Errors
///
/// When the file's directory cannot be written to.
pub(crate) fn write(report: &Report, path: &Path) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = || format!("failed to write the report {}", path.display());
    let temporary = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
    let mut writer = BufWriter::new(temporary.as_file());
    serde_json::to_writer_pretty(&mut writer, report).with_context(failed)?;
    writeln!(writer).and_then(|()| writer.flush()).with_context(failed)?;
    drop(writer);
    let file: File = temporary.persist(path).with_context(failed)?;
    drop(file);
    Ok(())
}
