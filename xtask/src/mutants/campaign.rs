//! The campaign: the series without a fault must be green, then each mutant is built, run and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::slice;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use regex::RegexSet;

use super::mutant::Mutant;
use super::report::{Killer, MutantRecord, Outcome};
use harness_host::exit::Stop;
use harness_results::record::{Record, Verdict};
use harness_suites::cases::Prepared;
use harness_vm::FailureKind;

/// Red cases of the series without a fault that the error names.
const SHOWN_RED: usize = 5;

/// Builds kernels and runs cases on them. The real one has make and guests; tests have others.
pub(crate) trait Lab {
    /// Builds the series in a configuration, with a mutant on top if one is given, and gives the
    /// kernel.
    ///
    /// # Errors
    ///
    /// When the patch does not apply or build, or anything of the host's side fails.
    fn build(&mut self, config: &[String], mutant: Option<&Mutant>) -> Result<PathBuf>;

    /// Runs the cases in this order in every mode, up to the first that fails with `fail_fast`.
    /// `mutant` is what `kernel` was built with.
    ///
    /// # Errors
    ///
    /// [`Stop::CaseFailed`] when the kernel does not get as far as the cases, or fails behind them;
    /// others when the host's side fails.
    fn run(
        &mut self,
        mutant: Option<&Mutant>,
        kernel: &Path,
        cases: &[Prepared],
        fail_fast: bool,
    ) -> Result<Vec<Record>>;
}

/// Judges each mutant, told to `done` as soon as it is. With `all`, every case is run on each
/// mutant; without, those up to the first that notices.
///
/// # Errors
///
/// When the series without a fault is not green, when the host lacks something, or when the user
/// stops it.
pub(crate) fn run(
    mutants: &[Mutant],
    mut cases: Vec<Prepared>,
    all: bool,
    lab: &mut dyn Lab,
    mut done: impl FnMut(&MutantRecord),
) -> Result<Vec<MutantRecord>> {
    let order: BTreeMap<String, usize> =
        cases.iter().enumerate().map(|(at, case)| (case.case.name.clone(), at)).collect();
    let configs: BTreeSet<&[String]> =
        mutants.iter().map(|mutant| mutant.config.as_slice()).collect();
    let mut records = Vec::new();
    for config in configs {
        let clean = baseline(config, &cases, lab)?;
        for mutant in mutants.iter().filter(|mutant| mutant.config == config) {
            let expected = RegexSet::new(&mutant.cases)
                .with_context(|| format!("reading the cases of mutant {}", mutant.name))?;
            cases.sort_by_key(|prepared| {
                let name = &prepared.case.name;
                (!expected.is_match(name), order.get(name).copied())
            });
            let record = judge(mutant, &clean, &expected, &cases, all, lab)?;
            done(&record);
            records.push(record);
        }
    }
    Ok(records)
}

/// Proves that the series without a fault is green: a case that is red anyway shows nothing. Gives
/// its kernel.
fn baseline(config: &[String], cases: &[Prepared], lab: &mut dyn Lab) -> Result<PathBuf> {
    let kernel = lab.build(config, None).context("building the series without a mutant")?;
    let records = lab
        .run(None, &kernel, cases, false)
        .context("running the cases on the series without a mutant")?;
    let bad = |record: &&Record| record.is_bad();
    let red: Vec<&Record> = records.iter().filter(bad).collect();
    if red.is_empty() {
        return Ok(kernel);
    }
    let mut text =
        String::from("the series is not green without a mutant, so no mutant is judged:");
    for record in red.iter().take(SHOWN_RED) {
        text += &format!("\n  {} ({}): {}", record.name, record.mode, first_line(&record.problems));
    }
    if red.len() > SHOWN_RED {
        text += &format!("\n  and {} more", red.len() - SHOWN_RED);
    }
    if red.iter().any(|record| record.verdict == Verdict::Failed) {
        return Err(Stop::CaseFailed(text).into());
    }
    bail!(text);
}

fn judge(
    mutant: &Mutant,
    clean: &Path,
    expected: &RegexSet,
    cases: &[Prepared],
    all: bool,
    lab: &mut dyn Lab,
) -> Result<MutantRecord> {
    let start = Instant::now();
    let mut record = MutantRecord::of(mutant);
    match lab.build(&mutant.config, Some(mutant)) {
        Err(error) => record.trouble(stopping(error)?),
        Ok(kernel) => {
            let results = lab.run(Some(mutant), &kernel, cases, !all);
            let doubtful = doubtful(&results, cases);
            take(results, expected, &mut record)?;
            if let Some(case) = doubtful
                && let Some(reason) = doubt(mutant, &kernel, clean, case, lab)?
            {
                record.by.clear();
                record.trouble(anyhow::anyhow!("{}: {reason}", case.case.name));
            }
        }
    }
    record.millis = start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
    Ok(record)
}

/// Takes over what a run says of a mutant.
fn take(
    results: Result<Vec<Record>>,
    expected: &RegexSet,
    record: &mut MutantRecord,
) -> Result<()> {
    match results {
        Ok(results) => verdict(&results, expected, record),
        Err(error) if says_of_kernel(&error) => {
            record.outcome = Outcome::Killed;
            record.note = format!("{error:#}");
        }
        Err(error) => record.trouble(stopping(error)?),
    }
    Ok(())
}

/// The case to repeat where all that speaks against a mutant is that something took too long, or that
/// the guest did not get as far as the cases. On a busy host that happens to any kernel.
fn doubtful<'a>(results: &Result<Vec<Record>>, cases: &'a [Prepared]) -> Option<&'a Prepared> {
    match results {
        Err(error) if says_of_kernel(error) => cases.first(),
        Err(_) => None,
        Ok(results) => {
            let mut failed = results.iter().filter(|result| result.verdict == Verdict::Failed);
            let first = failed.clone().next()?;
            let by_time = |result: &Record| result.guest.is_some_and(FailureKind::is_by_time);
            let case = cases.iter().find(|prepared| prepared.case.name == first.name);
            case.filter(|_| failed.all(by_time))
        }
    }
}

/// Repeats a case, first without the mutant, then with it; the reason to doubt, if it is not that
/// only the mutant fails it.
fn doubt(
    mutant: &Mutant,
    kernel: &Path,
    clean: &Path,
    case: &Prepared,
    lab: &mut dyn Lab,
) -> Result<Option<&'static str>> {
    let mut holds = |mutant, kernel| match lab.run(mutant, kernel, slice::from_ref(case), true) {
        Ok(results) => Ok(results.iter().all(|result| result.verdict == Verdict::Passed)),
        Err(error) => stopping(error).map(|_| false),
    };
    if !holds(None, clean)? {
        return Ok(Some(
            "the guest took too long, and does so without the mutant: the host is busy",
        ));
    }
    if holds(Some(mutant), kernel)? {
        return Ok(Some("the guest took too long, and did not when the case was repeated"));
    }
    Ok(None)
}

fn says_of_kernel(error: &anyhow::Error) -> bool {
    matches!(stop_of(error), Some(Stop::CaseFailed(_)))
}

/// The error as the text of a mutant's trouble, unless it ends the whole campaign.
fn stopping(error: anyhow::Error) -> Result<anyhow::Error> {
    match stop_of(&error) {
        Some(Stop::Interrupted | Stop::HostLacks(_) | Stop::Usage(_)) => Err(error),
        Some(Stop::CaseFailed(_)) | None => Ok(error),
    }
}

fn stop_of(error: &anyhow::Error) -> Option<&Stop> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// What the cases say of a mutant.
fn verdict(results: &[Record], expected: &RegexSet, record: &mut MutantRecord) {
    let ran = results.iter().filter(|result| result.verdict != Verdict::Skipped);
    record.cases = ran.map(|result| &result.name).collect::<BTreeSet<_>>().len();
    for result in results.iter().filter(|result| result.verdict == Verdict::Failed) {
        match record.by.iter_mut().find(|killer| killer.case == result.name) {
            Some(killer) => killer.modes.push(result.mode),
            None => record.by.push(Killer {
                case: result.name.clone(),
                modes: vec![result.mode],
                problem: first_line(&result.problems),
            }),
        }
    }
    if !record.by.is_empty() {
        record.outcome = Outcome::Killed;
        let as_expected = record.by.iter().any(|killer| expected.is_match(&killer.case));
        if !expected.is_empty() && !as_expected {
            record.note = "none of the cases that its header expects to notice did".into();
        }
    } else if let Some(error) = results.iter().find(|result| result.verdict == Verdict::Error) {
        record.trouble(anyhow::anyhow!(
            "{} ({}) could not be judged: {}",
            error.name,
            error.mode,
            first_line(&error.problems)
        ));
    }
}

fn first_line(problems: &[String]) -> String {
    let first = problems.first().and_then(|problem| problem.lines().next());
    first.unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests;
