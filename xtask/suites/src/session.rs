//! A session: cases in a guest, which is restarted when it dies, or in several guests at once.
//!
//! While a guest executes a batch, the one behind it waits in the guest already, and the host judges the
//! one before ([`worker`]): a guest never waits for the host, unless judging takes longer than executing.
//! Nothing is judged otherwise for that. Answers come in the order of the batches; a splat belongs to
//! the batch whose marker is the last before it on the console; and a batch that a guest had not
//! answered when it ended, or was given up for a splat of the one before, is sent to the next guest as
//! if it had never been sent.
//!
//! With several guests ([`Crew`]), each has a thread of its own that takes the next case from a common
//! list ([`board`]), executes and judges it. Records come in the order of the list.

mod board;
mod worker;

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use bpf_object::LoadPlan;
use bpf_suites::{Case, Feature};
use bpf_wire::Mode;

use super::contain::{self, Tally};
pub use super::executor::{Alone, Answer, Crew, Executor, Pipeline};
use super::explore::Explorer;
use super::jit_image::{self, Emission};
use super::judge::judge;
use super::lower::Lowered;
use super::model::Expected;
use super::probe::Support;
use super::problem::Subject;
use super::soundness;
use super::traces::Traces;
use super::xlated;
use board::Board;
use harness_results::record::{FailureClass, Record, Verdict};

/// How a session is to run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Modes to run each case in.
    pub modes: Vec<Mode>,
    /// Whether to stop at the first case that does not hold.
    pub fail_fast: bool,
    /// Whether the kernel is declared to have the whole series, so that lacking something is a
    /// failure.
    pub declared: bool,
    /// Subjects of the patches that the kernel has; `None` when that is not known because the
    /// tree is the user's.
    pub patches: Option<Vec<String>>,
    /// Whether to find out first what the kernel supports. Without, it is taken to support
    /// everything, and what it does not run makes cases fail.
    pub probe: bool,
    /// Whether to run rejected programs in the model, to see whether the kernel is too strict.
    pub too_strict: bool,
    /// What the JIT has to emit.
    pub emission: Emission,
    /// Whether to look at each instruction, and how.
    pub contain: Option<Contain>,
}

/// How to look at each instruction: [`contain`].
#[derive(Clone, Debug)]
pub struct Contain {
    /// Where to count what was looked at.
    pub tally: Tally,
    /// Whether nothing else is judged.
    pub alone: bool,
}

impl Rules {
    /// One mode, and nothing that loads another program: no probes.
    pub fn alone(mode: Mode) -> Self {
        Self {
            modes: vec![mode],
            fail_fast: true,
            declared: false,
            patches: None,
            probe: false,
            too_strict: false,
            emission: Emission::default(),
            contain: None,
        }
    }
}

/// What the model has found out about a case, which is the same in every mode.
#[derive(Debug, Default)]
struct Modelled {
    expected: Expected,
    explorer: Explorer,
    traces: Traces,
}

/// A case and its plan, or why there is none.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The case.
    pub case: Case,
    /// The linked and adjusted plan.
    pub plan: Result<LoadPlan, String>,
}

/// Compiles and links a case.
pub fn prepare(case: Case) -> Prepared {
    let plan = case.plan().map_err(|error| error.to_string());
    Prepared { case, plan }
}

/// Runs every case in every mode in one guest. `done` is told each case with its records as soon as it
/// is over.
///
/// # Errors
///
/// When the guest cannot be started or probed, or the session was interrupted.
pub fn run(
    cases: &[Prepared],
    rules: &Rules,
    executor: &mut dyn Pipeline,
    done: impl FnMut(&Prepared, &[Record]) + Send,
) -> Result<Vec<Record>> {
    run_with(cases, rules, executor, &Alone, done)
}

/// As [`run`], with helpers beside the first executor, which alone is probed. The records are in the
/// order of the cases; `done` is told them as they end. To stop at the first failure means to begin
/// nothing behind it: what was begun before it in the order of cases is ended, and counts.
///
/// # Errors
///
/// As of [`run`], for any of the guests.
pub fn run_with(
    cases: &[Prepared],
    rules: &Rules,
    executor: &mut dyn Pipeline,
    crew: &dyn Crew,
    mut done: impl FnMut(&Prepared, &[Record]) + Send,
) -> Result<Vec<Record>> {
    let mut features: Vec<Feature> =
        cases.iter().flat_map(|prepared| prepared.case.needs.iter().copied()).collect();
    features.sort_unstable();
    features.dedup();
    let support = if rules.probe {
        Support::probe(executor, &rules.modes, &features)?
    } else {
        Support::default()
    };
    let board = Board::new(cases, &mut done);
    let work = |executor: &mut dyn Pipeline| {
        let worked = worker::work(&board, rules, &support, executor);
        if worked.is_err() {
            board.give_up();
        }
        worked
    };
    thread::scope(|scope| {
        let mut helpers = Vec::new();
        for number in 1..=crew.helpers().min(cases.len().saturating_sub(1)) {
            let employed = move || crew.employ(number, &mut |executor| work(executor));
            let thread = thread::Builder::new().name(format!("job {}", number + 1));
            match thread.spawn_scoped(scope, employed) {
                Ok(helper) => helpers.push(helper),
                Err(error) => {
                    board.give_up();
                    return Err(error).context("failed to start a thread for a further job");
                }
            }
        }
        let mut worked = work(executor);
        for helper in helpers {
            let helped = helper.join().unwrap_or_else(|panic| resume_unwind(panic));
            worked = worked.and(helped);
        }
        worked
    })?;
    Ok(board.into_records())
}

/// Why a case means nothing on this kernel, if so.
fn unsupported(case: &Case, mode: Mode, rules: &Rules, support: &Support) -> Option<String> {
    if let Some(reason) = case.needs.iter().find_map(|feature| support.lacks(*feature, mode)) {
        return Some(reason.to_owned());
    }
    let fix = case.fixed_by?;
    let patches = rules.patches.as_ref()?;
    (!patches.iter().any(|subject| subject == fix))
        .then(|| format!("the base has the bug that \"{fix}\" mends"))
}

/// Judges what came of a case in a mode, `waited` after the guest was free for it.
fn judge_answer(
    (case, plan, mode): (&Case, &LoadPlan, Mode),
    lowered: &Lowered,
    answer: Answer,
    waited: Duration,
    rules: &Rules,
    modelled: &mut Modelled,
    record: &mut Record,
) {
    record.millis = waited.as_millis().try_into().unwrap_or(u64::MAX);
    let (report, splats) = match answer {
        Answer::Report { report, splats } => (report, splats),
        Answer::Dead(failure) => {
            failure.judge(record);
            return;
        }
    };
    let Modelled { expected, explorer, traces } = modelled;
    let mut found = Found { record, worst: None };
    let refused = expected.refused.iter().map(|why| format!("the model refuses the plan: {why}"));
    found.push(FailureClass::Result, refused);
    let subject = Subject { case, plan, mode, lowered, report: &report, expected: &*expected };
    let alone = rules.contain.as_ref().is_some_and(|contain| contain.alone);
    let mut problems = if alone { Vec::new() } else { judge(&subject, explorer) };
    if let Some(Contain { tally, .. }) = &rules.contain {
        problems.extend(contain::contained(&subject, tally));
    }
    found.record.trace = traces.of(case, plan, &problems);
    for problem in problems {
        found.push(problem.class, [problem.text]);
        found.record.differences.extend(problem.difference);
        if found.record.log.is_empty() {
            found.record.log = problem.log;
        }
    }
    if alone {
        found.end();
        return;
    }
    let emission = &rules.emission;
    found.push(FailureClass::Code, jit_image::judge(case, plan, lowered, &report, emission));
    found.push(FailureClass::Code, xlated::judge(case, plan, mode, lowered, &report, emission));
    found.push(FailureClass::Guest, splats.into_iter().map(|title| format!("splat: {title}")));
    found.end();
    if rules.too_strict {
        record.too_strict = soundness::too_strict(&subject, explorer);
    }
}

/// Gathers what is wrong.
struct Found<'a> {
    record: &'a mut Record,
    worst: Option<FailureClass>,
}

impl Found<'_> {
    fn end(self) {
        if let Some(worst) = self.worst {
            self.record.verdict = Verdict::Failed;
            self.record.failure = Some(worst);
        }
    }

    fn push(&mut self, class: FailureClass, problems: impl IntoIterator<Item = String>) {
        for problem in problems {
            self.record.problems.push(problem);
            self.worst = Some(self.worst.map_or(class, |worst| worst.min(class)));
        }
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
