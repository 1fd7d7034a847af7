//! The judge at each instruction: the model's states lie in those that the verifier printed, see
//! [`bpf_contain`].
//!
//! One mode of each case that is to be accepted is loaded at log level 2; the verifier does the same in
//! the others. The programs are run in the model on what the case states and on the inputs of
//! [`super::inputs`], and followed through the log.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bpf_case::{Case, Expect};
use bpf_contain::{Checker, Counts, Log, Parsed, Violation};
use bpf_model::{Input, Machine};
use bpf_wire::{Output, Response, Step};

use super::inputs::inputs;
use super::lower::{Lowered, Role};
use super::model::input;
use super::problem::{Problem, Subject};
use harness_results::record::FailureClass;

/// `BPF_LOG_LEVEL2`.
const LOG_LEVEL: u32 = 2;

/// Steps of a run that are followed.
const BUDGET: u64 = 1 << 15;

/// Steps of all runs of a program that are followed.
const STEPS: u64 = 1 << 16;

/// Instructions that the verifier may go through for a case that is looked at. The log has a line or
/// more for each.
const VERIFIED: u64 = 20_000;

/// Lines of the log that are shown of a violation.
const EXCERPT: usize = 16;

/// What begins a log of which only the end was kept (`selftests/agent/src/batch/load.rs`).
const CUT: &str = "[the log has ";

/// How to look at each instruction.
#[derive(Clone, Debug)]
pub struct Contain {
    /// Where to count what was looked at.
    pub tally: Tally,
    /// Whether nothing else is judged.
    pub alone: bool,
}

/// What was checked in a session.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Totals>>);

#[derive(Clone, Debug, Default)]
struct Totals {
    parsed: Parsed,
    counts: Counts,
    logs: usize,
    cut: usize,
    long: usize,
    bytes: usize,
    took: Duration,
}

impl Tally {
    fn add(&self, totals: &Totals) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.parsed.add(&totals.parsed);
        all.counts.add(&totals.counts);
        all.logs += totals.logs;
        all.cut += totals.cut;
        all.long += totals.long;
        all.bytes += totals.bytes;
        all.took += totals.took;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { parsed, counts, logs, cut, long, bytes, took } =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let share = |part: usize, all: usize| 100.0 * part as f64 / all.max(1) as f64;
        writeln!(
            f,
            "containment: {} steps of {} runs in {logs} logs ({:.1} MB, {cut} cut and left out, {long} too long), {} claims \
             checked, {} not claimed after pruning, {} not comparable, {} runs not followed to their end; \
             {:.1} s of the host",
            counts.steps,
            counts.runs,
            bytes as f64 / 1e6,
            counts.strong,
            counts.weak,
            counts.open,
            counts.given_up,
            took.as_secs_f64(),
        )?;
        write!(
            f,
            "containment: {} registers and slots printed, {:.3} % of them understood; {} other lines and \
             {} places not understood",
            parsed.printed,
            share(parsed.printed - parsed.unparsed, parsed.printed),
            parsed.lines,
            parsed.lost,
        )?;
        parsed.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))?;
        writeln!(f)
    }
}

/// Instructions that the verifier went through for all programs of a batch.
pub(super) fn verified(seen: &[Response]) -> Option<u64> {
    let [Response::Batch(report)] = seen else { return None };
    let insns = report.steps.iter().map(|step| match step {
        Ok(Output::Loaded { verified_insns, .. }) => u64::from(*verified_insns),
        _ => 0,
    });
    Some(insns.sum())
}

impl Tally {
    /// Has the programs of a case that is to be accepted loaded with a log, unless that would take too
    /// long: `verified` is what the verifier went through in an earlier mode.
    pub(super) fn ask(&self, case: &Case, lowered: &mut Lowered, verified: Option<u64>) {
        if !matches!(case.expect, Expect::Accepted(_)) {
            return;
        }
        if verified.is_some_and(|verified| verified > VERIFIED) {
            self.add(&Totals { long: 1, ..Totals::default() });
            return;
        }
        ask(lowered);
    }
}

/// Has every program loaded with a log.
pub(super) fn ask(lowered: &mut Lowered) {
    for step in &mut lowered.steps {
        if let Step::LoadProgram(load) = step {
            load.log_level = LOG_LEVEL;
        }
    }
}

/// The states that are outside of what the verifier printed.
pub(super) fn contained(subject: &Subject<'_>, tally: &Tally) -> Vec<Problem> {
    let started = Instant::now();
    let mut totals = Totals::default();
    let plan = subject.plan;
    let mut texts: Vec<Option<&str>> = plan.programs.iter().map(|_| None).collect();
    let mut logs: Vec<Option<Log>> = plan.programs.iter().map(|_| None).collect();
    for (role, step) in subject.roles.iter().zip(&subject.report.steps) {
        let (Role::Load(number), Ok(Output::Loaded { log, .. })) = (*role, step) else { continue };
        let (Some(place), Some(program)) = (logs.get_mut(number), plan.programs.get(number)) else {
            continue;
        };
        if log.starts_with(CUT) {
            totals.cut += 1;
        } else if !log.is_empty() {
            let read = Log::read(log, &program.insns);
            totals.logs += 1;
            totals.bytes += log.len();
            totals.parsed.add(&read.parsed);
            *place = Some(read);
            if let Some(text) = texts.get_mut(number) {
                *text = Some(log);
            }
        }
    }
    if totals.logs + totals.cut == 0 {
        return Vec::new();
    }
    let mut problems = Vec::new();
    if let Ok(pristine) = Machine::new(plan) {
        for (number, program) in plan.programs.iter().enumerate() {
            if logs.get(number).is_none_or(Option::is_none) {
                continue;
            }
            let stated = if number == 0 { stated(subject.case) } else { Vec::new() };
            let longest = stated.iter().map(|input| input.ctx.len()).max().unwrap_or_default();
            let mut checker = Checker::new(plan, &logs);
            let mut machine = pristine.clone();
            for input in stated.into_iter().chain(inputs(program.prog_type, longest)) {
                checker.begin();
                // What traps is for another judge.
                let _ = machine.run_observed(number, &input, BUDGET, &mut checker);
                if checker.violation.is_some() || checker.counts.steps > STEPS {
                    break;
                }
            }
            totals.counts.add(&checker.counts);
            let text = |violation: &Violation| texts.get(violation.program).copied().flatten();
            let found = checker.violation.as_ref();
            problems.extend(found.map(|found| unsound(subject, found, text(found))));
        }
    }
    totals.took = started.elapsed();
    tally.add(&totals);
    problems
}

fn stated(case: &Case) -> Vec<Input> {
    match &case.expect {
        Expect::Accepted(runs) => runs.iter().map(input).collect(),
        Expect::Rejected(_) => Vec::new(),
    }
}

fn unsound(subject: &Subject<'_>, violation: &Violation, log: Option<&str>) -> Problem {
    let insns = subject.plan.programs.get(violation.program).map(|program| &program.insns[..]);
    let insn = insns.and_then(|insns| bpf_isa::disassemble_one(insns.get(violation.slot..)?));
    let insn = insn.map_or_else(String::new, |insn| format!(" `{insn}`"));
    let text = format!("unsound: not contained in what the verifier printed:{insn} {violation}");
    let excerpt = log.map_or_else(String::new, |log| excerpt(log, violation.line));
    Problem { log: excerpt, ..Problem::new(FailureClass::Unsound, text) }
}

/// The lines of a log before this one, and it.
fn excerpt(log: &str, line: usize) -> String {
    // Where no line claims anything, all of them may matter.
    let (line, first) = match line {
        0 => (log.lines().count(), 0),
        line => (line, line.saturating_sub(EXCERPT)),
    };
    let lines: Vec<&str> = log.lines().skip(first).take(line - first).collect();
    lines.join("\n")
}
