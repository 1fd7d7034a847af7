//! The golden logs: consoles of kernels in trouble, and of sound ones that look as if, each with the
//! splats that it must give.
//!
//! A file starts with these splats, one `# kind | title | case` a line, then an empty line; the rest
//! is the console. `cargo xtask check --bless` writes the start, also of a file that is all console.
//! The logs named `lkdtm-…` are what a kernel of the config `debug` printed when its lkdtm was asked to.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Splat;
use super::scan::Scanner;
use harness_host::paths;

/// A log that gives other splats than it must.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    path: PathBuf,
    /// The start of the file, one line a splat; `None` where it has none.
    expected: Option<String>,
    given: String,
    console: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.strip_prefix(paths::repository()).unwrap_or(&self.path);
        writeln!(f, "{}", path.display())?;
        let expected = self.expected.as_deref().unwrap_or_default();
        if expected.is_empty() && self.given.is_empty() {
            writeln!(f, "  + (no splat)")?;
        }
        let changed = |lines: &str, others: &str| {
            let fresh = |line: &&str| !others.lines().any(|other| other == *line);
            lines.lines().filter(fresh).map(str::to_owned).collect::<Vec<_>>()
        };
        for line in changed(expected, &self.given) {
            writeln!(f, "  - {line}")?;
        }
        for line in changed(&self.given, expected) {
            writeln!(f, "  + {line}")?;
        }
        Ok(())
    }
}

impl Change {
    /// Writes the splats that the log gives now into its file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn accept(&self) -> Result<()> {
        fs::write(&self.path, format!("{}\n{}", self.given, self.console))
            .with_context(|| format!("failed to write {}", self.path.display()))
    }
}

/// The golden logs of the repository.
pub fn folder() -> PathBuf {
    paths::repository().join("xtask/vm/src/console/golden")
}

/// The logs of a folder that do not give the splats that they must.
///
/// # Errors
///
/// When the folder has none or a file cannot be read.
pub fn changes(folder: &Path) -> Result<Vec<Change>> {
    let reading = || format!("failed to read {}", folder.display());
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(path);
        }
    }
    ensure!(!logs.is_empty(), "{} holds no log", folder.display());
    logs.sort();
    let mut changes = Vec::new();
    for path in logs {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        let (expected, console) = split(&text);
        let given = splats(console);
        if expected != Some(&given) {
            let (expected, console) = (expected.map(str::to_owned), console.to_owned());
            changes.push(Change { path, expected, given, console });
        }
    }
    Ok(changes)
}

/// The start of a file and the console; no start where the first line is one of a console.
fn split(text: &str) -> (Option<&str>, &str) {
    if let Some(console) = text.strip_prefix('\n') {
        return (Some(""), console);
    }
    match text.find("\n\n") {
        Some(end) if text.starts_with("# ") => (Some(&text[..=end]), &text[end + 2..]),
        _ => (None, text),
    }
}

fn splats(console: &str) -> String {
    let mut scanner = Scanner::default();
    console.lines().for_each(|line| scanner.feed(line));
    let line = |Splat { kind, title, case }: Splat| {
        format!("# {kind} | {title} | {}\n", case.as_deref().unwrap_or("-"))
    };
    scanner.take(&[]).into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARNING: &str = "WARNING: kernel/bpf/core.c:120 at bpf_a+0x1c/0x30, CPU#0: init/1\n";
    const SPLAT: &str = "# warn | WARNING at kernel/bpf/core.c:120 in bpf_a | -\n";

    #[test]
    fn every_log_of_the_repository_gives_its_splats() {
        let changes = changes(&folder()).unwrap();
        let shown: String = changes.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{shown}cargo xtask check --bless accepts that");
    }

    #[test]
    fn a_log_that_gives_something_else_is_shown_and_can_be_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        let console = format!("first\n\n{WARNING}");
        write("bare.log", &console);
        write("missed.log", &format!("\n{console}"));
        write("other.log", &format!("# bug | BUG: x | a jit\n\n{console}"));
        write("right.log", &format!("{SPLAT}\n{console}"));
        write("clean.log", "boot\n");
        write("README", "no log\n");
        let found = changes(dir.path()).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|change| change.to_string().replace(&dir.path().display().to_string(), ""))
            .collect();
        let plus = format!("  + {SPLAT}");
        assert_eq!(
            shown,
            [
                format!("/bare.log\n{plus}"),
                "/clean.log\n  + (no splat)\n".to_owned(),
                format!("/missed.log\n{plus}"),
                format!("/other.log\n  - # bug | BUG: x | a jit\n{plus}"),
            ]
        );
        found.iter().for_each(|change| change.accept().unwrap());
        assert_eq!(changes(dir.path()).unwrap(), []);
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("other.log"), read("right.log"));
        assert_eq!(read("clean.log"), "\nboot\n");
    }

    #[test]
    fn a_folder_without_logs_is_no_success() {
        let dir = tempfile::tempdir().unwrap();
        assert!(changes(dir.path()).unwrap_err().to_string().contains("holds no log"));
    }
}
