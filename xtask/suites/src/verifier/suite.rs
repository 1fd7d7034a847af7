//! The suite `kernel/verifier`: the kernel's own `progs/verifier_*.c`, compiled by clang and judged
//! by their annotations.
//!
//! A kernel lacks what some tests need, so that a failure by itself says little: what counts is that
//! nothing fails that held on the base without the series.

use std::collections::BTreeMap;

use anyhow::Result;
use bpf_wire::Mode;
use regex::RegexSet;

use super::compile::Compiled;
use super::object::{Annotated, Rules};
use super::recorded::{Change, Changes, OfFile, Recorded};
use crate::session::Executor;
use harness_results::record::{Record, Verdict};

/// The suite's name, by which it has to be asked for: it takes a compiler that the job does not need.
pub const NAME: &str = "kernel/verifier";

/// What it shows.
pub const ABOUT: &str = "the kernel's own annotated tests of the verifier \
    (progs/verifier_*.c) hold, as many as on the base; not run unless named";

/// What comes of what the series means to change.
const CHANGED: &str = "changed";

/// What comes of what fails on the base too.
const KNOWN: &str = "fails on the base without the series as well";

/// What the results are compared with.
#[derive(Clone, Debug)]
pub enum Reference {
    /// What was recorded on the base, and what the series means to change.
    Base(Recorded, Changes),
    /// Nothing: the tree is the user's, or the results are just being recorded.
    None,
}

/// Which tests of the suite are asked for.
#[derive(Clone, Debug)]
pub struct Wanted(Option<RegexSet>);

impl Wanted {
    /// Those that filters name; `None` when none of the filters names the suite.
    pub fn new(filters: &[String]) -> Option<Self> {
        let of_suite: Vec<&String> =
            filters.iter().filter(|filter| filter.contains(NAME)).collect();
        if of_suite.is_empty() {
            return None;
        }
        // All of it: the name alone, whatever anchors it.
        let all = |filter: &&String| filter.trim_matches(['^', '$', '/']) == NAME;
        if of_suite.iter().any(all) {
            return Some(Self(None));
        }
        Some(Self(RegexSet::new(of_suite).ok()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|set| set.is_match(name))
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }
}

/// An object of the suite, or why its file is left out.
#[derive(Clone, Debug)]
pub struct File {
    name: String,
    object: Result<Annotated, String>,
}

/// Reads what was compiled. `without_sys_admin` says which objects' tests do without the capability.
pub fn files(compiled: Vec<Compiled>, without_sys_admin: impl Fn(&str) -> bool) -> Vec<File> {
    let read = |Compiled { name, object }: Compiled| {
        let object =
            object.and_then(|bytes| Annotated::read(&name, &bytes, without_sys_admin(&name)));
        File { name, object }
    };
    compiled.into_iter().map(read).collect()
}

/// How many programs are asked for.
pub fn programs(files: &[File], wanted: &Wanted) -> usize {
    let of_file = |file: &File| {
        let name = format!("{NAME}/{}", file.name);
        match &file.object {
            Err(_) => usize::from(wanted.has(&format!("{name}/"))),
            Ok(object) => {
                let refused = object.refused().iter();
                let refused = refused.filter(|(it, _)| wanted.has(&format!("{name}/{it}")));
                refused.count() + asked(object, wanted).count()
            }
        }
    };
    files.iter().map(of_file).sum()
}

fn asked<'a>(object: &'a Annotated, wanted: &'a Wanted) -> impl Iterator<Item = usize> + 'a {
    (0..object.programs()).filter(|&at| {
        let program = object.program(at).unwrap_or_default();
        wanted.has(&format!("{NAME}/{}/{program}", object.name))
    })
}

/// Runs the tests that are asked for. `done` is told the records of each program, judged.
///
/// # Errors
///
/// When the guest cannot be started or the session was interrupted.
pub fn run(
    files: &[File],
    wanted: &Wanted,
    modes: &[Mode],
    reference: &Reference,
    executor: &mut dyn Executor,
    mut done: impl FnMut(&[Record]) -> bool,
) -> Result<Vec<Record>> {
    let prefix = format!("{NAME}/");
    let rules = Rules { prefix: &prefix, modes };
    let left_out = |name: &str,
                    reason: &str,
                    records: &mut Vec<Record>,
                    done: &mut dyn FnMut(&[Record]) -> bool| {
        let of_modes: Vec<Record> = modes.iter().map(|mode| skipped(name, *mode, reason)).collect();
        done(&of_modes);
        records.extend(of_modes);
    };
    let mut records = Vec::new();
    for file in files {
        let object = match &file.object {
            Ok(object) => object,
            Err(reason) => {
                let name = format!("{prefix}{}", file.name);
                if wanted.has(&format!("{name}/")) {
                    left_out(&name, reason, &mut records, &mut done);
                }
                continue;
            }
        };
        for (program, reason) in object.refused() {
            let name = format!("{prefix}{}/{program}", file.name);
            if wanted.has(&name) {
                left_out(&name, reason, &mut records, &mut done);
            }
        }
        for program in asked(object, wanted) {
            let mut ran = object.run(program, &rules, executor)?;
            if let Reference::Base(recorded, changes) = reference {
                ran.iter_mut().for_each(|record| compare(record, recorded, changes));
            }
            let go_on = done(&ran);
            records.extend(ran);
            if !go_on {
                return Ok(records);
            }
        }
    }
    Ok(records)
}

/// A reason without its place, so that all that is skipped for it stands together.
fn general(reason: &str) -> &str {
    match reason.strip_prefix("cannot link ").and_then(|rest| rest.split_once(": ")) {
        Some((_, reason)) => reason,
        None => reason,
    }
}

fn skipped(name: &str, mode: Mode, reason: &str) -> Record {
    let mut record = Record::new(name, mode);
    record.verdict = Verdict::Skipped;
    record.problems.push(general(reason).to_owned());
    record
}

/// Splits `kernel/verifier/FILE/TEST`.
fn parts(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(NAME)?.strip_prefix('/')?.split_once('/')
}

/// Takes what fails on the base as well for what the kernel lacks.
pub fn compare(record: &mut Record, recorded: &Recorded, changes: &Changes) {
    let Some((file, test)) = parts(&record.name) else { return };
    match recorded.of(record.mode).and_then(|files| files.get(file)) {
        Some(OfFile { failed, .. }) => {
            let known = failed.iter().any(|name| name == test);
            let change = changes.of(record.mode, &format!("{file}/{test}"));
            match record.verdict {
                Verdict::Failed if known => {
                    record.verdict = Verdict::Skipped;
                    record.problems.insert(0, KNOWN.to_owned());
                }
                Verdict::Failed => match change {
                    None => record.problems.push("on the base it passes".to_owned()),
                    Some(Change { patch, why, .. }) => {
                        record.verdict = Verdict::Skipped;
                        record.problems.insert(0, format!("{CHANGED} by \"{patch}\": {why}"));
                    }
                },
                Verdict::Passed if known => record.notes.push("fails on the base".to_owned()),
                _ => {}
            }
        }
        None if record.verdict == Verdict::Failed => {
            record.problems.push(format!("nothing is recorded of {file} on the base"));
        }
        None => {}
    }
}

/// What is wrong with the numbers: every test of a file that the base was recorded with has to be
/// there. One line for each file and mode. To be asked when the whole suite was run.
pub fn numbers(records: &[Record], recorded: &Recorded) -> Vec<String> {
    let is = tally(records);
    let mut problems = Vec::new();
    for (mode, files) in &is {
        for (file, now) in files {
            let Some(base) = recorded.of(mode).and_then(|files| files.get(file)) else {
                problems.push(format!(
                    "{mode}: nothing is recorded of {file}; renew it with \
                     cargo xtask test {NAME} --series none --bless"
                ));
                continue;
            };
            let (tests, on_base) = (now.passed + now.failed.len(), base.passed + base.failed.len());
            if tests != on_base {
                problems.push(format!("{mode}: {tests} tests of {file}, {on_base} on the base"));
            }
        }
    }
    for (mode, files) in &recorded.modes {
        let Some(now) = is.get(mode) else { continue };
        for file in files.keys().filter(|file| !now.contains_key(*file)) {
            problems.push(format!("{mode}: no test of {file} was run, on the base there are some"));
        }
    }
    problems
}

/// Counts records by mode and file. What fails as on the base counts as failed.
pub fn tally(records: &[Record]) -> BTreeMap<String, BTreeMap<String, OfFile>> {
    let mut modes: BTreeMap<String, BTreeMap<String, OfFile>> = BTreeMap::new();
    for record in records {
        let Some((file, test)) = parts(&record.name) else { continue };
        let failed = match record.verdict {
            Verdict::Passed => false,
            Verdict::Failed => true,
            Verdict::Skipped if record.problems.first().is_some_and(|it| is_failure(it)) => true,
            Verdict::Skipped | Verdict::Broken => continue,
        };
        let of_file =
            modes.entry(record.mode.to_owned()).or_default().entry(file.to_owned()).or_default();
        if failed { of_file.failed.push(test.to_owned()) } else { of_file.passed += 1 }
    }
    modes
}

/// Whether what is unsupported for this reason did run, and fail.
fn is_failure(reason: &str) -> bool {
    reason == KNOWN || reason.starts_with(CHANGED)
}

/// The suite's own lines: what is left out and why, and what each mode gave beside the base.
pub fn summary(files: &[File], wanted: &Wanted, records: &[Record]) -> String {
    let mut text = String::new();
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files {
        match &file.object {
            Err(reason) => {
                let name = file.name.clone();
                if wanted.has(&format!("{NAME}/{name}/")) {
                    reasons.entry(general(reason)).or_default().push(name);
                }
            }
            Ok(object) => {
                for (program, reason) in object.refused() {
                    let name = format!("{}/{program}", file.name);
                    if wanted.has(&format!("{NAME}/{name}")) {
                        reasons.entry(general(reason)).or_default().push(name);
                    }
                }
            }
        }
    }
    for (reason, names) in reasons {
        let count = names.len();
        text.push_str(&format!("skipped {count}: {reason}\n  {}\n", names.join(", ")));
    }
    for (mode, files) in tally(records) {
        let passed: usize = files.values().map(|file| file.passed).sum();
        let failed: usize = files.values().map(|file| file.failed.len()).sum();
        text.push_str(&format!(
            "{NAME} {mode}: {passed} tests of {} files passed, {failed} did not\n",
            files.len()
        ));
    }
    text
}

#[cfg(test)]
mod tests;
