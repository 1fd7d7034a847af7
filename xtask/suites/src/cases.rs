//! Cases as tests of a session: which kernel they are run on, what the model says of them, and who
//! judges the kernel's answer.

use std::sync::OnceLock;

use anyhow::Result;
use bpf_case::{Case, Feature};
use bpf_object::LoadPlan;
use bpf_wire::{Mode, Response};

use super::contain::{self, Contain};
use super::explore::Explorer;
use super::jit_image::{self, Emission};
use super::judge::judge;
use super::lower::lower;
use super::model::{self, Expected};
use super::probe::Support;
use super::problem::Subject;
use super::soundness;
use super::subject::subject;
use super::traces::Traces;
use super::xlated;
use harness_kernel::build::BuiltKernel;
use harness_results::event::{Reporter, Sort, Stream};
use harness_results::record::{FailureClass, Record, Verdict};
use harness_session::guest::Guest;
use harness_session::test::{Found, Judge, Plan, Test, Unmet};
use harness_session::{self as session, Alone, Executor, Part, Workers};
use harness_vm::MachineConfig;

/// How cases are run, and on what.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Modes to run each case in.
    pub modes: Vec<Mode>,
    /// Whether to stop at the first case that fails.
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

impl Rules {
    /// Everything in some modes, on the kernel of a guest, of which nothing is declared.
    ///
    /// # Errors
    ///
    /// As of [`Emission::of`].
    pub fn on(guest: &mut Guest, built: &BuiltKernel, modes: Vec<Mode>) -> Result<Self> {
        Ok(Self {
            modes,
            fail_fast: false,
            declared: false,
            patches: None,
            probe: true,
            too_strict: false,
            emission: Emission::of(guest, built)?,
            contain: None,
        })
    }
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

/// Runs every case in every mode, see [`session::run`]. The first executor alone is probed.
///
/// # Errors
///
/// As of [`session::run`]; when the guest cannot be probed.
pub fn run(
    name: &str,
    cases: &[Prepared],
    rules: &Rules,
    executor: &mut dyn Executor,
    workers: &dyn Workers,
    stream: &mut Stream<'_>,
) -> Result<Vec<Record>> {
    let mut features: Vec<Feature> =
        cases.iter().flat_map(|prepared| prepared.case.needs.iter().copied()).collect();
    features.sort_unstable();
    features.dedup();
    let support = match rules.probe {
        true => Support::probe(executor, &rules.modes, &features)?,
        false => Support::default(),
    };
    let test =
        |prepared| CaseTest { prepared, rules, support: &support, verified: OnceLock::new() };
    let tests: Vec<CaseTest<'_>> = cases.iter().map(test).collect();
    let tests: Vec<&dyn Test> = tests.iter().map(|test| test as &dyn Test).collect();
    let how = session::Rules { modes: rules.modes.clone(), fail_fast: rules.fail_fast };
    session::run(Part { name, total: None }, &tests, &how, executor, workers, stream)
}

/// Runs cases on a kernel, in one guest that is started for them, and ended in order unless one failed:
/// then how it ends tells nothing more.
///
/// # Errors
///
/// As of [`run`]; when the guest does not end in order.
pub fn run_alone(
    name: &str,
    cases: &[Prepared],
    config: MachineConfig,
    built: &BuiltKernel,
    rules: impl FnOnce(&mut Guest) -> Result<Rules>,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Record>> {
    let mut guest = Guest::new(config, &built.boot);
    let rules = rules(&mut guest)?;
    let mut stream = Stream::new(vec![reporter]);
    let records = run(name, cases, &rules, &mut guest, &Alone, &mut stream)?;
    if records.iter().all(|record| record.verdict != Verdict::Failed) {
        guest.end()?;
    }
    Ok(records)
}

/// A case on a kernel.
struct CaseTest<'a> {
    prepared: &'a Prepared,
    rules: &'a Rules,
    support: &'a Support,
    /// Instructions that the verifier went through for it, as the first answer has shown.
    verified: OnceLock<u64>,
}

impl Test for CaseTest<'_> {
    fn name(&self) -> &str {
        &self.prepared.case.name
    }

    fn unmet(&self, mode: Mode) -> Option<Unmet> {
        let Prepared { case, plan } = self.prepared;
        // One that does not compile is the harness's own fault on any kernel.
        plan.as_ref().ok()?;
        let declared = self.rules.declared;
        if let Some(reason) = case.needs.iter().find_map(|it| self.support.lacks(*it, mode)) {
            return Some(Unmet { reason: reason.to_owned(), declared });
        }
        let fix = case.fixed_by?;
        let patches = self.rules.patches.as_ref()?;
        let reason = format!("the base has the bug that \"{fix}\" mends");
        (!patches.iter().any(|subject| subject == fix)).then_some(Unmet { reason, declared })
    }

    fn plan(&self, mode: Mode) -> Result<Plan, String> {
        let Prepared { case, plan } = self.prepared;
        let plan = plan.as_ref().map_err(|error| format!("the case does not compile: {error}"))?;
        let mut lowered = lower(case, plan);
        if let Some(Contain { tally, .. }) = &self.rules.contain
            && self.rules.modes.last() == Some(&mode)
        {
            tally.ask(case, &mut lowered, self.verified.get().copied());
        }
        Ok(Plan::batch(&case.name, mode, lowered))
    }

    fn answered(&self, seen: &[Response]) {
        if self.rules.contain.is_some()
            && let Some(verified) = contain::verified(seen)
        {
            self.verified.get_or_init(|| verified);
        }
    }

    fn judge(&self) -> Box<dyn Judge + '_> {
        let Prepared { case, plan } = self.prepared;
        Box::new(CaseJudge { case, plan: plan.as_ref().ok(), rules: self.rules, modelled: None })
    }
}

/// Judges a case. What the model finds out about it is the same in every mode.
struct CaseJudge<'a> {
    case: &'a Case,
    plan: Option<&'a LoadPlan>,
    rules: &'a Rules,
    modelled: Option<Modelled>,
}

struct Modelled {
    expected: Expected,
    explorer: Explorer,
    traces: Traces,
}

impl Judge for CaseJudge<'_> {
    fn judge(&mut self, mode: Mode, asked: &Plan, seen: &[Response], found: &mut Found<'_>) {
        let ([Response::Batch(report)], Some(plan)) = (seen, self.plan) else { return };
        let Self { case, rules, .. } = *self;
        let Modelled { expected, explorer, traces } =
            self.modelled.get_or_insert_with(|| Modelled {
                expected: model::expect(case, plan),
                explorer: Explorer::default(),
                traces: Traces::default(),
            });
        let refused =
            expected.refused.iter().map(|why| format!("the model refuses the plan: {why}"));
        found.push(FailureClass::Result, refused);
        let roles = &asked.roles;
        let subject = Subject { case, plan, mode, roles, report, expected: &*expected };
        let contain = rules.contain.as_ref();
        let alone = contain.is_some_and(|contain| contain.alone);
        let mut problems = if alone { Vec::new() } else { judge(&subject, explorer) };
        problems.extend(contain.into_iter().flat_map(|it| contain::contained(&subject, &it.tally)));
        found.record.trace = traces.of(case, plan, &problems);
        problems.into_iter().for_each(|problem| problem.tell(found));
        if alone {
            found.splats = false;
            return;
        }
        let emission = &rules.emission;
        found.push(FailureClass::Code, jit_image::judge(case, plan, roles, report, emission));
        found.push(FailureClass::Code, xlated::judge(case, plan, mode, roles, report, emission));
        if rules.too_strict {
            found.record.too_strict = soundness::too_strict(&subject, explorer);
        }
    }

    fn end(self: Box<Self>, records: &mut Vec<Record>) -> Sort {
        let bad = records.iter().any(Record::is_bad);
        Sort::Case(bad.then(|| subject(self.case, self.plan)))
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
