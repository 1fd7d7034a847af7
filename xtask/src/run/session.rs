//! A session: cases one after the other in a guest, which is restarted when it dies.

use std::time::Instant;

use anyhow::Result;
use bpf_object::LoadPlan;
use bpf_suites::{Case, Feature};
use bpf_wire::{BatchReport, Mode, Step};

use super::explore::Explorer;
use super::jit_image::{self, Emission};
use super::judge::{Subject, judge};
use super::lower::lower;
use super::model::{self, Expected};
use super::probe::Support;
use super::soundness;
use super::traces::Traces;
use super::xlated;
use crate::exit::Status;
use crate::report::record::{FailureClass, Record, Verdict};
use crate::vm::{FailureKind, GuestFailure};

/// Executes batches. The real one is a guest; tests have others.
pub(crate) trait Executor {
    /// Executes one batch, starting a guest first where there is none.
    ///
    /// # Errors
    ///
    /// When no guest can be started or the session was interrupted.
    fn execute(&mut self, name: &str, mode: Mode, steps: Vec<Step>) -> Result<Answer>;

    /// What the console showed while the last batch ran.
    fn console(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The guest answered.
    Report {
        /// What the agent reported.
        report: BatchReport,
        /// Titles of splats that the console showed meanwhile.
        splats: Vec<String>,
    },
    /// The guest is gone; the next batch starts another one.
    Dead(Box<GuestFailure>),
}

/// How a session is to run.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Modes to run each case in.
    pub(crate) modes: Vec<Mode>,
    /// Whether to stop at the first case that does not hold.
    pub(crate) fail_fast: bool,
    /// Whether the kernel is declared to have the whole series, so that lacking something is a
    /// failure.
    pub(crate) declared: bool,
    /// Subjects of the patches that the kernel has; `None` when that is not known because the
    /// tree is the user's.
    pub(crate) patches: Option<Vec<String>>,
    /// Whether to find out first what the kernel supports. Without, it is taken to support
    /// everything, and what it does not run makes cases fail.
    pub(crate) probe: bool,
    /// Whether to run rejected programs in the model, to see whether the kernel is too strict.
    pub(crate) too_strict: bool,
    /// What the JIT has to emit.
    pub(crate) emission: Emission,
}

/// What the model has found out about a case, which is the same in every mode.
#[derive(Debug, Default)]
struct Modelled {
    expected: Expected,
    explorer: Explorer,
    traces: Traces,
}

/// A case and its plan, or why there is none.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The case.
    pub(crate) case: Case,
    /// The linked and adjusted plan.
    pub(crate) plan: Result<LoadPlan, String>,
}

/// Compiles and links a case.
pub(crate) fn prepare(case: Case) -> Prepared {
    let plan = case.plan().map_err(|error| error.to_string());
    Prepared { case, plan }
}

/// Runs every case in every mode. `done` is told each case with its records as soon as it is over.
///
/// # Errors
///
/// When the guest cannot be started or probed, or the session was interrupted.
pub(crate) fn run(
    cases: &[Prepared],
    rules: &Rules,
    executor: &mut dyn Executor,
    mut done: impl FnMut(&Prepared, &[Record]),
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
    let mut records = Vec::new();
    for prepared in cases {
        let of_case = run_case(prepared, rules, &support, executor)?;
        done(prepared, &of_case);
        let stop = of_case
            .iter()
            .any(|record| matches!(record.verdict, Verdict::Failed | Verdict::Broken));
        records.extend(of_case);
        if stop && rules.fail_fast {
            break;
        }
    }
    Ok(records)
}

fn run_case(
    prepared: &Prepared,
    rules: &Rules,
    support: &Support,
    executor: &mut dyn Executor,
) -> Result<Vec<Record>> {
    let mut modelled: Option<Modelled> = None;
    let mut records = Vec::new();
    for mode in &rules.modes {
        let mut record = Record::new(&prepared.case.name, *mode);
        match &prepared.plan {
            Err(error) => {
                record.verdict = Verdict::Broken;
                record.problems.push(format!("the case does not compile: {error}"));
            }
            Ok(plan) => {
                if let Some(reason) = unsupported(&prepared.case, *mode, rules, support) {
                    record.verdict =
                        if rules.declared { Verdict::Failed } else { Verdict::Unsupported };
                    record.failure = rules.declared.then_some(FailureClass::Unsupported);
                    record.problems.push(reason);
                } else {
                    let modelled = modelled.get_or_insert_with(|| Modelled {
                        expected: model::expect(&prepared.case, plan),
                        ..Modelled::default()
                    });
                    run_mode(
                        (&prepared.case, plan, *mode),
                        rules,
                        modelled,
                        executor,
                        &mut record,
                    )?;
                    if matches!(record.verdict, Verdict::Failed | Verdict::Broken) {
                        record.console = executor.console();
                    }
                }
            }
        }
        let hangs = record.guest.is_some_and(FailureKind::is_by_time);
        records.push(record);
        if rules.fail_fast && hangs {
            // Each further mode would take until its deadline as well.
            break;
        }
    }
    Ok(records)
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

fn run_mode(
    (case, plan, mode): (&Case, &LoadPlan, Mode),
    rules: &Rules,
    modelled: &mut Modelled,
    executor: &mut dyn Executor,
    record: &mut Record,
) -> Result<()> {
    let lowered = lower(case, plan);
    let start = Instant::now();
    let answer = executor.execute(&case.name, mode, lowered.steps.clone())?;
    record.millis = start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
    let (report, splats) = match answer {
        Answer::Report { report, splats } => (report, splats),
        Answer::Dead(failure) => {
            (record.verdict, record.failure) = match failure.status() {
                Status::CaseFailed => (Verdict::Failed, Some(FailureClass::Guest)),
                _ => (Verdict::Broken, None),
            };
            record.guest = Some(failure.kind);
            record.problems.push(failure.to_string());
            return Ok(());
        }
    };
    let Modelled { expected, explorer, traces } = modelled;
    let mut found = Found { record, worst: None };
    let refused = expected.refused.iter().map(|why| format!("the model refuses the plan: {why}"));
    found.push(FailureClass::Result, refused);
    let subject =
        Subject { case, plan, mode, lowered: &lowered, report: &report, expected: &*expected };
    let problems = judge(&subject, explorer);
    found.record.trace = traces.of(case, plan, &problems);
    for problem in problems {
        found.push(problem.class, [problem.text]);
        found.record.differences.extend(problem.difference);
        if found.record.log.is_empty() {
            found.record.log = problem.log;
        }
    }
    let emission = &rules.emission;
    found.push(FailureClass::Code, jit_image::judge(case, plan, &lowered, &report, emission));
    found.push(FailureClass::Code, xlated::judge(case, plan, &lowered, &report));
    found.push(FailureClass::Guest, splats.into_iter().map(|title| format!("splat: {title}")));
    if let Some(worst) = found.worst {
        record.verdict = Verdict::Failed;
        record.failure = Some(worst);
    }
    if rules.too_strict {
        record.too_strict = soundness::too_strict(&subject, explorer);
    }
    Ok(())
}

/// Gathers what is wrong.
struct Found<'a> {
    record: &'a mut Record,
    worst: Option<FailureClass>,
}

impl Found<'_> {
    fn push(&mut self, class: FailureClass, problems: impl IntoIterator<Item = String>) {
        for problem in problems {
            self.record.problems.push(problem);
            self.worst = Some(self.worst.map_or(class, |worst| worst.min(class)));
        }
    }
}

#[cfg(test)]
mod tests;
