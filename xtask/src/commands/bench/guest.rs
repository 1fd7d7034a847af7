//! `cargo xtask bench guest`: throughput of cases through the whole harness, beside a bare loop of the
//! same loads and runs in the same guest.
//!
//! The bare loop is in the agent: it creates the maps and their contents, loads BTF and programs
//! (`BPF_PROG_LOAD`, without a log) and runs them (`BPF_PROG_TEST_RUN`), for one case after the other,
//! and closes everything. It writes no marker, sets the mode once, asks for no machine code, reads no map
//! back, and sends nothing to the host meanwhile; its time is from the request of so many cases to its answer. The harness does all
//! that for each case, and models and judges it; its time is from the first case to the last one. Both
//! find the cases compiled and the guest started.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bpf_case::{Blinding, Case, Expect};
use bpf_wire::{Mode, Step};
use clap::Args;
use serde::Serialize;

use super::{Spread, processor, store};
use crate::cli::GuestArgs;
use harness_host::exit::{Status, Stop};
use harness_host::interrupt;
use harness_host::ui::{Progress, out};
use harness_results::event::Stream;
use harness_results::record::Verdict;
use harness_session::Alone;
use harness_session::guest;
use harness_session::start::{Started, start};
use harness_suites::cases::{self, Prepared, Rules};
use harness_suites::lower::lower;
use harness_suites::select::{candidates, select};

/// Batches of a loop that the guest is sent at once: what it takes has to end before the deadline.
const CHUNK: usize = 32;

/// Options of `bench guest`.
#[derive(Debug, Args)]
pub(crate) struct Guest {
    /// Regular expressions over names of cases; all without.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// How many of the cases whose programs are accepted to take, evenly out of all.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// How often to measure both ways, one after the other.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Write the numbers to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
    #[command(flatten)]
    on: GuestArgs,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    /// Kind of the processor.
    processor: String,
    /// How many of it there are.
    processors: usize,
    accel: &'static str,
    rounds: u32,
    rows: Vec<Row>,
}

/// Some cases in a mode.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    /// Which: all, or the half that is quicker in the bare loop.
    what: &'static str,
    /// The mode; `each` for all three in one session, as `test` runs them: what the model has to do for
    /// a case is then done once.
    mode: &'static str,
    /// How many.
    cases: usize,
    /// Cases per second in the harness, those of each mode counted.
    harness: Spread,
    /// Cases per second in the bare loop.
    bare: Spread,
    /// The harness's by the bare loop's, round by round.
    ratio: Spread,
}

/// A case and what the bare loop does of it.
#[derive(Clone)]
struct Subject {
    prepared: Prepared,
    steps: Vec<Step>,
}

impl Guest {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let subjects = self.subjects()?;
        let Started { built, mut guest, accel, .. } = start(&self.on.on())?;
        let rules = Rules {
            declared: true,
            probe: false,
            too_strict: true,
            ..Rules::on(&mut guest, &built, Mode::ALL.to_vec())?
        };
        let progress = Progress::count(u64::from(self.rounds) * 8, "rounds");
        // Both ways once, to warm up.
        let mut times = Vec::new();
        for subject in &subjects {
            let alone = std::slice::from_ref(&subject.steps);
            times.push(bare(alone, &Mode::ALL, &mut guest)?);
        }
        harness(&subjects, &rules, &mut guest)?;
        let quicker = quicker_half(&subjects, &times);
        let mut rows = Vec::new();
        for modes in
            [Mode::ALL.to_vec(), vec![Mode::Interp], vec![Mode::Jit], vec![Mode::JitHardened]]
        {
            let rules = Rules { modes, ..rules.clone() };
            for (what, subjects) in [("all", &subjects), ("quicker half", &quicker)] {
                let mut rounds = Vec::new();
                for _ in 0..self.rounds {
                    interrupt::check()?;
                    let whole = harness(subjects, &rules, &mut guest)?;
                    let steps: Vec<Vec<Step>> =
                        subjects.iter().map(|subject| subject.steps.clone()).collect();
                    rounds.push((whole, bare(&steps, &rules.modes, &mut guest)?));
                    progress.inc(1);
                }
                rows.push(row(what, &rules.modes, subjects.len(), &rounds));
            }
        }
        progress.finish();
        guest.end()?;
        let report = Report {
            processor: processor(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            accel,
            rounds: self.rounds,
            rows,
        };
        out!("{}", table(&report));
        store(&report, self.json.as_deref())?;
        Ok(Status::Passed)
    }

    fn subjects(&self) -> Result<Vec<Subject>> {
        let mut cases = select(candidates(crate::suites(), &self.filters), &self.filters)?.cases;
        cases.retain(runs_everywhere);
        let mut subjects = Vec::new();
        for case in evenly(cases, self.cases as usize) {
            let prepared = cases::prepare(case);
            let plan = prepared.plan.as_ref().map_err(|error| {
                anyhow::anyhow!("failed to compile {}: {error}", prepared.case.name)
            })?;
            let steps = lower(&prepared.case, plan).steps;
            let steps = steps.into_iter().filter(is_bare).collect();
            subjects.push(Subject { prepared, steps });
        }
        if subjects.is_empty() {
            return Err(Stop::Usage(
                "none of the cases that match is accepted and run in every mode".to_owned(),
            )
            .into());
        }
        Ok(subjects)
    }
}

/// Whether the kernel accepts a case and runs it, in each mode.
fn runs_everywhere(case: &Case) -> bool {
    matches!(&case.expect, Expect::Accepted(runs) if !runs.is_empty())
        && case.blinding == Blinding::Works
        && case.interp_refuses.is_none()
}

/// Whether the bare loop takes a step: what has to be there for the runs, and the runs.
pub(super) fn is_bare(step: &Step) -> bool {
    matches!(
        step,
        Step::LoadBtf { .. }
            | Step::CreateMap { .. }
            | Step::UpdateElem { .. }
            | Step::Freeze { .. }
            | Step::LoadProgram(_)
            | Step::UpdateProgArray { .. }
            | Step::TestRun { .. }
    )
}

/// So many of some things, or all, in equal distances.
fn evenly<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let (total, count) = (all.len(), count.min(all.len()));
    let taken = |index: &usize| (index + 1) * count / total > index * count / total;
    all.into_iter().enumerate().filter(|(index, _)| taken(index)).map(|(_, it)| it).collect()
}

/// How long the steps of all take in the bare loop.
pub(super) fn bare(
    steps: &[Vec<Step>],
    modes: &[Mode],
    guest: &mut guest::Guest,
) -> Result<Duration> {
    let mut whole = Duration::ZERO;
    for mode in modes {
        for chunk in steps.chunks(CHUNK) {
            whole += guest.repeat_bare(*mode, chunk.to_vec())?;
        }
    }
    Ok(whole)
}

/// How long all take in the harness.
fn harness(subjects: &[Subject], rules: &Rules, guest: &mut guest::Guest) -> Result<Duration> {
    let cases: Vec<Prepared> = subjects.iter().map(|subject| subject.prepared.clone()).collect();
    let started = Instant::now();
    let mut stream = Stream::new(Vec::new());
    let records = cases::run("cases", &cases, rules, guest, &Alone, &mut stream)?;
    let took = started.elapsed();
    let red = records.iter().find(|record| record.verdict != Verdict::Passed);
    ensure!(
        red.is_none(),
        "{} does not hold, so its time says nothing",
        red.map_or("", |record| record.name.as_str())
    );
    Ok(took)
}

fn quicker_half(subjects: &[Subject], times: &[Duration]) -> Vec<Subject> {
    let mut sorted = times.to_vec();
    sorted.sort();
    let Some(median) = sorted.get(sorted.len().saturating_sub(1) / 2) else { return Vec::new() };
    let quick = subjects.iter().zip(times).filter(|(_, time)| *time <= median);
    quick.map(|(subject, _)| subject.clone()).collect()
}

/// Times of the harness and of the bare loop, round by round, as throughput.
fn row(what: &'static str, modes: &[Mode], cases: usize, rounds: &[(Duration, Duration)]) -> Row {
    let rate = |time: &Duration| (cases * modes.len()) as f64 / time.as_secs_f64();
    Row {
        what,
        mode: if let [mode] = modes { mode.name() } else { "each" },
        cases,
        harness: Spread::of(rounds.iter().map(|(harness, _)| rate(harness))),
        bare: Spread::of(rounds.iter().map(|(_, bare)| rate(bare))),
        ratio: Spread::of(rounds.iter().map(|(harness, bare)| rate(harness) / rate(bare))),
    }
}

fn table(report: &Report) -> String {
    let Report { processor, processors, accel, rounds, rows } = report;
    let mut text = format!(
        "{processors} x {processor}, {accel}; cases per second, median of {rounds} rounds\n\
         {:<13} {:<13} {:>5} {:>9} {:>9}   ratio (least, most)\n",
        "cases", "mode", "", "harness", "bare loop"
    );
    for Row { what, mode, cases, harness, bare, ratio } in rows {
        text += &format!(
            "{what:<13} {mode:<13} {cases:>5} {:>9.1} {:>9.1}   {:>5.2} ({:.2}, {:.2})\n",
            harness.median, bare.median, ratio.median, ratio.min, ratio.max
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use bpf_case::builder::{accepts, errno, rejects};

    use super::*;

    #[test]
    fn as_many_as_asked_for_are_taken_in_equal_distances() {
        assert_eq!(evenly((0..10).collect(), 5), [1, 3, 5, 7, 9]);
        assert_eq!(evenly((0..3).collect(), 5), [0, 1, 2]);
        assert_eq!(evenly((0..100).collect::<Vec<u32>>(), 7).len(), 7);
        assert_eq!(evenly(Vec::<u32>::new(), 7), [0; 0]);
    }

    #[test]
    fn only_what_runs_in_every_mode_is_measured() {
        let seven = || accepts("t/seven", "returns 7", "r0 = 7\nexit");
        assert!(runs_everywhere(&seven().run(vec![], 7).into()));
        assert!(!runs_everywhere(&rejects("t/no", "returns nothing", "exit").into()));
        let blinded = seven().blinding_refused(errno::ENOTSUPP).run(vec![], 7);
        assert!(!runs_everywhere(&blinded.into()));
    }

    #[test]
    fn the_bare_loop_loads_and_runs_and_reads_nothing_back() {
        let source = "r1 = m ll\nr0 = *(u64 *)(r1 +0)\nexit\n.data m .data: 7";
        let case: Case = accepts("t/map", "reads a map", source).run(vec![], 7).into();
        let steps = lower(&case, &case.plan().unwrap()).steps;
        let (kept, left): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| is_bare(step));
        assert!(left.iter().all(|step| matches!(step, Step::DumpMap { .. })), "{left:?}");
        assert!(!left.is_empty());
        assert!(kept.iter().any(|step| matches!(step, Step::TestRun { .. })));
    }

    #[test]
    fn the_ratio_is_that_of_each_round() {
        let ms = Duration::from_millis;
        let rounds = [(ms(200), ms(100)), (ms(500), ms(400)), (ms(100), ms(90))];
        let row = row("all", &[Mode::Jit], 10, &rounds);
        assert_eq!((row.ratio.min, row.ratio.median), (0.5, 0.8));
        assert_eq!((row.harness.max, row.bare.median), (100.0, 100.0));
        let report = Report {
            processor: "kind".into(),
            processors: 2,
            accel: "tcg",
            rounds: 3,
            rows: vec![row],
        };
        assert_eq!(
            table(&report),
            "2 x kind, tcg; cases per second, median of 3 rounds\n\
             cases         mode                  harness bare loop   ratio (least, most)\n\
             all           jit              10      50.0     100.0    0.80 (0.50, 0.90)\n"
        );
    }

    #[test]
    fn the_quicker_half_is_that_of_the_bare_loop() {
        let subject = |name| Subject {
            prepared: cases::prepare(accepts(name, "7", "r0 = 7\nexit").run(vec![], 7).into()),
            steps: Vec::new(),
        };
        let subjects = ["a", "b", "c"].map(subject);
        let times = [3, 1, 2].map(Duration::from_secs);
        let names: Vec<String> =
            quicker_half(&subjects, &times).into_iter().map(|it| it.prepared.case.name).collect();
        assert_eq!(names, ["b", "c"]);
    }
}
