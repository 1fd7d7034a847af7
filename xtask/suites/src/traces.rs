//! The model's way through a program, for the report: run once more and traced, where something is
//! wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use bpf_case::{Case, Expect};
use bpf_model::{Input, Machine};
use bpf_object::LoadPlan;

use super::explore::{Finding, unlinked};
use super::model::{BUDGET, input};
use super::problem::{Evidence, Problem};
use harness_results::notation::hex;
use harness_results::record::FailureClass;
use harness_results::trace::{Changed, Step, Trace};

/// Steps of a run that are kept.
const KEPT: usize = 4096;

/// The traces of a case: each is made once, however many modes it is the evidence in.
#[derive(Debug, Default)]
pub struct Traces(BTreeMap<String, Option<Arc<Trace>>>);

impl Traces {
    /// The trace of the most severe problem that has one.
    pub fn of(&mut self, case: &Case, plan: &LoadPlan, problems: &[Problem]) -> Option<Arc<Trace>> {
        let unsound = |problem: &&Problem| problem.class != FailureClass::Unsound;
        let mut with = problems.iter().filter(|problem| problem.evidence.is_some());
        let evidence = with.by_ref().min_by_key(unsound)?.evidence.as_ref()?;
        let what = match evidence {
            Evidence::Run(run) => format!("run {run}"),
            Evidence::Found { program, .. } => format!("program {program}"),
        };
        let trace = || make(case, plan, evidence, what.clone()).map(Arc::new);
        self.0.entry(what.clone()).or_insert_with(trace).clone()
    }
}

fn make(case: &Case, plan: &LoadPlan, evidence: &Evidence, what: String) -> Option<Trace> {
    match evidence {
        Evidence::Run(run) => {
            let Expect::Accepted(runs) = &case.expect else { return None };
            let inputs: Vec<Input> = runs.get(..=*run)?.iter().map(input).collect();
            trace(&case.name, plan, 0, &inputs, what)
        }
        Evidence::Found { program, linked, finding } => match &**finding {
            // Nothing has to run for it.
            Finding::Fault(..) => None,
            Finding::Trap { inputs, .. } if *linked => {
                trace(&case.name, plan, *program, inputs, what)
            }
            Finding::Trap { inputs, .. } => {
                trace(&case.name, &unlinked(plan), *program, inputs, what)
            }
        },
    }
}

/// Makes the runs on the same maps and traces the last one.
fn trace(
    case: &str,
    plan: &LoadPlan,
    program: usize,
    inputs: &[Input],
    what: String,
) -> Option<Trace> {
    let (last, before) = inputs.split_last()?;
    let mut machine = Machine::new(plan).ok()?;
    for input in before {
        machine.run(program, input, BUDGET).ok()?;
    }
    let (trace, r0, trap) = match machine.run_traced(program, last, BUDGET, KEPT) {
        Ok((outcome, trace)) => (trace, Some(format!("{:#x}", outcome.r0)), None),
        Err(trap) => (trap.trace, None, Some(trap.kind.to_string())),
    };
    let steps = trace.entries.into_iter().map(|entry| Step {
        program: entry.program,
        slot: entry.slot,
        depth: entry.depth,
        insn: entry.insn,
        changed: entry
            .changed
            .into_iter()
            .map(|change| Changed { reg: change.reg, value: change.text })
            .collect(),
    });
    Some(Trace {
        case: case.to_owned(),
        what,
        runs_before: before.len(),
        context: hex(&last.ctx),
        packet: hex(&last.packet),
        left_out: trace.left_out,
        steps: steps.collect(),
        r0,
        trap,
    })
}
