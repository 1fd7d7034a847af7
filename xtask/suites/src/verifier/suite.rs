//! The suite `kernel/verifier`: the kernel's own `progs/verifier_*.c`, compiled by clang and judged
//! by their annotations.
//!
//! A kernel lacks what some tests need, so that a failure by itself says little: what counts is that
//! nothing fails that passed on the base without the series.

use std::collections::BTreeMap;

use regex::RegexSet;

use super::compile::Compiled;
use super::object::{Annotated, AnnotatedTest};
use super::recorded::{Change, Changes, OfFile, Recorded};
use harness_results::record::{Record, Verdict};
use harness_session::Test;

/// The suite's name, by which it has to be asked for: it takes a compiler that the job does not need.
pub const NAME: &str = "kernel/verifier";

/// What it shows.
pub const ABOUT: &str = "the kernel's own annotated tests of the verifier \
    (progs/verifier_*.c) pass, as many as on the base; not run unless named";

/// The reason for a test that the series changes on purpose.
const CHANGED: &str = "changed";

/// The reason for a test that fails on the base too.
const KNOWN: &str = "fails on the base without the series as well";

/// What the results are compared with.
#[derive(Clone, Debug)]
pub enum Reference {
    /// What was recorded on the base, and what the series means to change.
    Base(Recorded, Changes),
    /// The results are just being recorded: what fails is what the base lacks.
    Recording,
    /// Nothing: the tree is the user's.
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

/// The tests that are asked for.
pub fn tests<'a>(
    files: &[File],
    wanted: &Wanted,
    reference: &'a Reference,
) -> Vec<AnnotatedTest<'a>> {
    let of_file = |file: &File| match &file.object {
        Ok(object) => object.wanted(&format!("{NAME}/"), &|name| wanted.has(name), reference),
        Err(reason) => {
            let name = format!("{NAME}/{}", file.name);
            let has = wanted.has(&format!("{name}/"));
            has.then(|| AnnotatedTest::left_out(name, reason, reference)).into_iter().collect()
        }
    };
    files.iter().flat_map(of_file).collect()
}

/// A reason without its place, so that all that is skipped for it stands together.
pub(super) fn general(reason: &str) -> &str {
    match reason.strip_prefix("cannot link ").and_then(|rest| rest.split_once(": ")) {
        Some((_, reason)) => reason,
        None => reason,
    }
}

/// Splits `kernel/verifier/FILE/TEST`.
fn parts(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(NAME)?.strip_prefix('/')?.split_once('/')
}

impl Reference {
    /// Takes what fails on the base as well, or by what the series means to change, for what the kernel
    /// lacks.
    pub fn compare(&self, record: &mut Record) {
        let (recorded, changes) = match self {
            Self::Base(recorded, changes) => (recorded, changes),
            Self::Recording if record.verdict == Verdict::Failed => {
                return excuse(record, KNOWN.to_owned());
            }
            Self::Recording | Self::None => return,
        };
        let Some((file, test)) = parts(&record.name) else { return };
        match recorded.of(record.mode).and_then(|files| files.get(file)) {
            Some(OfFile { failed, .. }) => {
                let known = failed.iter().any(|name| name == test);
                match record.verdict {
                    Verdict::Failed if known => excuse(record, KNOWN.to_owned()),
                    Verdict::Failed => match changes.of(record.mode, &format!("{file}/{test}")) {
                        None => record.problems.push("on the base it passes".to_owned()),
                        Some(Change { patch, why, .. }) => {
                            excuse(record, format!("{CHANGED} by \"{patch}\": {why}"));
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
}

fn excuse(record: &mut Record, reason: String) {
    record.verdict = Verdict::Skipped;
    record.failure = None;
    record.problems.insert(0, reason);
}

/// What is wrong with the numbers: every test of a file that the base was recorded with has to be
/// there. One line for each file and mode. To be asked when the whole suite was run.
pub fn numbers(records: &[Record], recorded: &Recorded) -> Vec<String> {
    let is = tally(records);
    let mut problems = Vec::new();
    for (mode, files) in &is {
        for (file, now) in files {
            let Some(base) = recorded.of(mode).and_then(|files| files.get(file)) else {
                let command = Recorded::command(&recorded.made_with.base);
                problems.push(format!(
                    "{mode}: nothing is recorded of {file}; renew it with {command}"
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
            Verdict::Skipped | Verdict::Error => continue,
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
pub fn summary(tests: &[AnnotatedTest<'_>], records: &[Record]) -> String {
    let mut text = String::new();
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for test in tests {
        if let Some(reason) = test.lacks() {
            let name = test.name().trim_start_matches(NAME).trim_start_matches('/');
            reasons.entry(reason).or_default().push(name);
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
