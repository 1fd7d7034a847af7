//! `cargo xtask bench edit`: from one changed line in a case to its verdict, by parts.
//!
//! A round changes what a case says it is about, where it is written; has cargo build the harness; and
//! runs the case. The file is put back afterwards, also on Ctrl-C. The parts: each crate that cargo
//! compiles anew, from when the one before was there (the last one has the link in it); from starting
//! the harness to starting QEMU; the guest's start; the case in all modes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use super::{Spread, processor};
use harness_host::exit::{Status, Stop};
use harness_host::files::write_whole;
use harness_host::interrupt::{self, Group};
use harness_host::ui::{Progress, out};
use harness_host::{paths, programs};
use harness_suites::select;

/// Where cases are written.
const CASES: &str = "selftests/suites/src";

/// Options of `bench edit`.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// The case to change, a name or a regular expression that one name alone matches.
    #[arg(value_name = "CASE", default_value = "callx/one_callee")]
    case: String,
    /// How often to measure.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// What a round took, by part, in the order of time.
type Round = Vec<(String, Duration)>;

impl Edit {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let case = select::one(crate::suites(), &self.case)?;
        let mut edited = Edited::find(&paths::repository().join(CASES), &case.about)?;
        // The first build after another one with other features says nothing.
        build()?;
        let progress = Progress::count(u64::from(self.rounds), "rounds");
        let mut rounds: Vec<Round> = Vec::new();
        for number in 1..=self.rounds {
            interrupt::check()?;
            edited.change(number)?;
            let (harness, mut round) = build()?;
            round.extend(session(&harness, &case.name)?);
            rounds.push(round);
            progress.inc(1);
        }
        progress.finish();
        edited.restore()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        out!(
            "{processors} x {}, median of {} rounds\n{}",
            processor(),
            self.rounds,
            table(&rounds)
        );
        Ok(Status::Passed)
    }
}

/// A file with one line that changes, until it is dropped.
struct Edited {
    path: PathBuf,
    text: String,
    /// Where the text of the case ends in it.
    at: usize,
}

impl Edited {
    /// The file below `folder` that has a text between quotation marks, and only once.
    fn find(folder: &Path, about: &str) -> Result<Self> {
        let quoted = format!("\"{about}\"");
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder)
                .with_context(|| format!("failed to read {}", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("failed to read {}", path.display()))?;
                if let [(start, found)] = text.match_indices(&quoted).collect::<Vec<_>>()[..] {
                    let at = start + found.len() - 1;
                    return Ok(Self { path, text, at });
                }
            }
        }
        let what = format!("no file of {} has {quoted} once; try another case", folder.display());
        Err(Stop::Usage(what).into())
    }

    fn change(&mut self, number: u32) -> Result<()> {
        let (before, after) = self.text.split_at(self.at);
        write_whole(&self.path, format!("{before} {number}{after}").as_bytes())
    }

    fn restore(&mut self) -> Result<()> {
        write_whole(&self.path, self.text.as_bytes())
    }
}

impl Drop for Edited {
    fn drop(&mut self) {
        // Where that fails, git shows what is left.
        let _ = self.restore();
    }
}

/// Builds the harness: where it is, and what each crate took that was compiled.
fn build() -> Result<(PathBuf, Round)> {
    let mut command = programs::cargo();
    command.args(["build", "--quiet", "--package", "xtask", "--message-format=json"]);
    command.stdout(Stdio::piped());
    let mut last = Instant::now();
    let mut group = Group::spawn(&mut command, Stdio::null()).context("failed to start cargo")?;
    let stdout = group.pipes().1.context("cargo has no output")?;
    let mut round = Round::new();
    let mut harness = None;
    for line in BufReader::new(stdout).lines() {
        let message: Value = serde_json::from_str(&line?).context("failed to read from cargo")?;
        harness = message["executable"].as_str().map(PathBuf::from).or(harness);
        if message["reason"] == "compiler-artifact" && message["fresh"] == false {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            round.push((format!("compile {name}"), last.elapsed()));
            last = Instant::now();
        }
    }
    let status = group.wait()?;
    ensure!(status.success(), "cargo build failed: {status}");
    round.push(("cargo itself".to_owned(), last.elapsed()));
    Ok((harness.context("cargo does not say where the harness is")?, round))
}

/// Runs a case, which has to pass; what that took.
fn session(harness: &Path, name: &str) -> Result<Round> {
    let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
    let json = folder.path().join("report.json");
    let mut command = Command::new(harness);
    command.args(["test", &format!("^{}$", name), "--jobs", "1", "--json"]).arg(&json);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = programs::run(&mut command)?;
    let took = started.elapsed();
    interrupt::check()?;
    if !status.success() {
        bail!("cargo xtask test '^{name}$' failed: {status}");
    }
    let text = fs::read(&json).with_context(|| format!("failed to read {}", json.display()))?;
    let report: Value = serde_json::from_slice(&text).context("failed to read the report")?;
    let millis = |value: &Value| Duration::from_millis(value.as_u64().unwrap_or_default());
    let boot = millis(&report["guests"][0]["boot_ms"]);
    let cases = millis(&report["times"]["cases_ms"]);
    Ok(vec![
        ("before and after the guest".to_owned(), took.saturating_sub(cases)),
        ("boot".to_owned(), boot),
        ("run".to_owned(), cases.saturating_sub(boot)),
    ])
}

/// The median of each part, and of all.
fn table(rounds: &[Round]) -> String {
    let median = |times: Vec<Duration>| Spread::of(times.iter().map(Duration::as_secs_f64)).median;
    let mut text = String::new();
    for (part, _) in rounds.first().into_iter().flatten() {
        let of = |round: &Round| round.iter().find(|(name, _)| name == part).map(|it| it.1);
        let time = median(rounds.iter().filter_map(of).collect());
        text += &format!("{part:<36} {time:>6.2} s\n");
    }
    let sum = |round: &Round| round.iter().map(|(_, time)| *time).sum();
    let time = median(rounds.iter().map(sum).collect());
    text + &format!("{:<36} {time:>6.2} s\n", "from the edit to the verdict")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_back_however_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/case.rs");
        fs::create_dir(dir.path().join("sub")).unwrap();
        let text = "accepts(\"t/one\", \"returns 7\", \"r0 = 7\")\n";
        fs::write(&path, text).unwrap();
        let mut edited = Edited::find(dir.path(), "returns 7").unwrap();
        edited.change(3).unwrap();
        let changed = "accepts(\"t/one\", \"returns 7 3\", \"r0 = 7\")\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
        drop(edited);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(Edited::find(dir.path(), "returns 8").is_err());
    }

    #[test]
    fn each_part_has_its_median() {
        let ms = Duration::from_millis;
        let round = |compile, run| vec![("a".to_owned(), ms(compile)), ("run".to_owned(), ms(run))];
        assert_eq!(
            table(&[round(1000, 500), round(3000, 100), round(2000, 900)]),
            "a                                      2.00 s\n\
             run                                    0.50 s\n\
             from the edit to the verdict           2.90 s\n"
        );
    }
}
