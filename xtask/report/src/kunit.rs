//! The KTAP report read by a parser that others wrote: the kernel's own, `tools/testing/kunit/kunit.py`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use regex::Regex;

use super::ktap;
use harness_host::exit::Stop;
use harness_host::{interrupt, programs};
use harness_kernel::build::BaseTree;
use harness_results::record::{Counts, Report, Verdict};

/// The parser's folder in a kernel tree.
const FOLDER: &str = "tools/testing/kunit";

/// The parser, outside of the tree that it is from.
#[derive(Debug)]
pub struct Parser {
    dir: tempfile::TempDir,
}

/// What it counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Parser {
    /// The parser of a base.
    ///
    /// # Errors
    ///
    /// When the base's source cannot be had, or lacks it.
    pub fn of_base(name: &str) -> Result<Self> {
        let dir = tempfile::tempdir().context("making a directory for the kernel's KTAP parser")?;
        let archive = dir.path().join("kunit.tar");
        {
            let source = BaseTree::open(name)?;
            let output = format!("--output={}", archive.display());
            source.tree.git().run([
                "archive",
                "--format=tar",
                &output,
                &source.base,
                "--",
                FOLDER,
            ])?;
        }
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(&archive).arg("-C").arg(dir.path());
        programs::read(&mut tar)?;
        Ok(Self { dir })
    }

    /// Gives it a report, and the same report with every verdict in turn on its cases; it has to
    /// count what the report counts, and to find nothing wrong with the format.
    ///
    /// # Errors
    ///
    /// [`Stop::CaseFailed`] when it does not.
    pub fn check(&self, report: &Report) -> Result<()> {
        self.agrees(report)?;
        let mut every = report.clone();
        let verdicts = [Verdict::Failed, Verdict::Skipped, Verdict::Passed, Verdict::Error];
        for (record, verdict) in every.cases.iter_mut().zip(verdicts.into_iter().cycle()) {
            record.verdict = verdict;
            record.problems = vec!["run 0: #1\nnot ok 1 no result\n1..7".to_owned()];
        }
        every.counts = Counts::of(&every.cases);
        self.agrees(&every)
    }

    fn agrees(&self, report: &Report) -> Result<()> {
        let file = self.dir.path().join("report.ktap");
        std::fs::write(&file, ktap::render(report))?;
        let said = self.parse(&file)?;
        let Counts { passed, failed, skipped, error, .. } = report.counts;
        let ours = Tally { passed, failed: failed + error, skipped };
        match tally(&said) {
            Some(theirs) if theirs == ours && !said.contains("[ERROR]") => Ok(()),
            theirs => Err(Stop::CaseFailed(format!(
                "the kernel's KTAP parser reads the report as {theirs:?}, it has {ours:?}:\n{}",
                said.lines()
                    .filter(|line| !line.contains("[PASSED]"))
                    .collect::<Vec<_>>()
                    .join("\n")
            ))
            .into()),
        }
    }

    fn parse(&self, file: &Path) -> Result<String> {
        let script: PathBuf = self.dir.path().join(FOLDER).join("kunit.py");
        let mut command = Command::new("python3");
        command
            .arg(&script)
            .arg("parse")
            .arg(file)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        let output = interrupt::output(&mut command, &[])
            .with_context(|| format!("failed to run {command:?}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // 1 is what it says of failed tests.
        if !matches!(output.status.code(), Some(0 | 1)) || said.is_empty() {
            bail!(
                "{command:?} failed: {}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(said)
    }
}

/// The last line's counts; nothing where there is no such line. What is zero is not in it.
fn tally(said: &str) -> Option<Tally> {
    let line = said.lines().rev().find(|line| line.contains("Testing complete."))?;
    let Ok(count) = Regex::new(r"(passed|failed|skipped|crashed|errors): (\d+)") else {
        return None;
    };
    let mut tally = Tally::default();
    for found in count.captures_iter(line) {
        let number = found[2].parse().ok()?;
        match &found[1] {
            "passed" => tally.passed = number,
            "failed" => tally.failed = number,
            "skipped" => tally.skipped = number,
            _ => return None,
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::super::testing::report;
    use super::*;

    #[test]
    #[ignore = "needs the base's source and python3: `cargo xtask check` does it with a real report"]
    fn the_kernels_parser_counts_as_we_do_and_differences_are_seen() {
        let parser = Parser::of_base(&harness_kernel::bases::default_name()).unwrap();
        parser.check(&report()).unwrap();
        let mut wrong = report();
        wrong.counts.passed += 1;
        let error = parser.check(&wrong).unwrap_err().to_string();
        assert!(error.contains("reads the report as Some"), "{error}");
    }

    #[test]
    fn the_counts_are_in_the_last_line() {
        let said = "[10:00:00] [PASSED] a\n[10:00:00] Testing complete. Ran 4 tests: passed: 1, \
                    failed: 2, skipped: 1\n";
        assert_eq!(tally(said), Some(Tally { passed: 1, failed: 2, skipped: 1 }));
        let errors = "Testing complete. Ran 1 tests: passed: 1, errors: 1";
        assert_eq!(tally(errors), None, "it found something wrong with the format");
        assert_eq!(tally("nothing"), None);
    }
}
