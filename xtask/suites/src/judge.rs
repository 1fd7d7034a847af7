//! Compares what the kernel did with what the case states and what the model computed.

use bpf_object::LoadPlan;
use bpf_suites::{Blinding, Case, Expect, RejectedAt, Rejection, Run};
use bpf_wire::{BatchReport, Failure, Mode, Output};

use super::checks::{held, one_check};
use super::explore::Explorer;
use super::lower::{Lowered, Role};
use super::model::{Expected, is_the_kernels_choice};
use super::soundness;
use super::traces::Evidence;
use harness_results::notation::{errno_name, hex};
use harness_results::record::{By, Difference, FailureClass, Place};

/// Bytes of a memory region shown around the first difference.
const SHOWN_BYTES: usize = 16;

/// What is wrong with a case in one mode. Nothing is wrong when there are none.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What it is about.
    pub class: FailureClass,
    /// One line: what was expected and what came.
    pub text: String,
    /// The verifier's log, where it has something to say.
    pub log: String,
    /// The first byte that is another one, where bytes were compared.
    pub difference: Option<Difference>,
    /// The run of the model that shows it.
    pub evidence: Option<Evidence>,
}

impl Problem {
    /// One without log, difference and evidence.
    pub fn new(class: FailureClass, text: impl Into<String>) -> Self {
        Self { class, text: text.into(), log: String::new(), difference: None, evidence: None }
    }

    /// What the kernel gave is not what was expected.
    pub fn result(text: impl Into<String>) -> Self {
        Self::new(FailureClass::Result, text)
    }

    fn of_run(self, run: usize) -> Self {
        Self { evidence: Some(Evidence::Run(run)), ..self }
    }
}

/// Everything that a verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The case.
    pub case: &'a Case,
    /// Its plan.
    pub plan: &'a LoadPlan,
    /// The mode that was asked for.
    pub mode: Mode,
    /// What the agent was to do.
    pub lowered: &'a Lowered,
    /// What came of it.
    pub report: &'a BatchReport,
    /// What the model computed.
    pub expected: &'a Expected,
}

/// Judges one execution of a case.
pub fn judge(subject: &Subject<'_>, explorer: &mut Explorer) -> Vec<Problem> {
    let mut problems = Vec::new();
    sysctls(subject.mode, subject.report, &mut problems);
    let stated = refused_in(subject.mode, subject.case);
    match (&stated, &subject.case.expect) {
        (Some(rejection), _) | (None, Expect::Rejected(rejection)) => {
            rejected(rejection, subject, &mut problems);
        }
        (None, Expect::Accepted(runs)) => accepted(runs, subject, &mut problems),
    }
    problems.extend(soundness::unsound(subject, explorer));
    problems
}

/// The refusal that a case states for this mode alone, if it states one.
fn refused_in(mode: Mode, case: &Case) -> Option<Rejection> {
    let (errno, log) = match (mode, case.interp_refuses, case.blinding) {
        (Mode::Interp, Some((errno, piece)), _) => (errno, vec![piece.to_owned()]),
        (_, _, Blinding::Refused(errno)) if mode.row().blinds => (errno, Vec::new()),
        _ => return None,
    };
    Some(Rejection { at: RejectedAt::LoadProgram(0), errno, log })
}

/// The mode that the kernel was in, read back by the agent.
pub fn sysctls(mode: Mode, report: &BatchReport, problems: &mut Vec<Problem>) {
    let (enable, harden) = mode.sysctls();
    if (report.jit_enable, report.jit_harden) != (enable, harden) {
        problems.push(Problem::new(FailureClass::Mode, format!(
            "ran in another mode than asked: {} wants bpf_jit_enable={enable} bpf_jit_harden={harden}, \
             the kernel had {} and {}",
            mode.name(),
            report.jit_enable,
            report.jit_harden
        )));
    }
}

fn accepted(runs: &[Run], subject: &Subject<'_>, problems: &mut Vec<Problem>) {
    let Subject { case, plan, mode, lowered, report, expected } = *subject;
    let interpreted = !mode.jits() || (mode.row().blinds && case.blinding == Blinding::FallsBack);
    for (role, step) in lowered.roles.iter().zip(&report.steps) {
        match (role, step) {
            (role, Err(failure)) => problems.push(refused(*role, failure)),
            (Role::Load(_), Ok(Output::Loaded { jited_len, .. }))
                if (*jited_len == 0) != interpreted =>
            {
                problems.push(Problem::new(
                    FailureClass::Mode,
                    format!(
                        "ran in another mode than asked: {} and {jited_len} bytes of machine code",
                        mode.name()
                    ),
                ));
            }
            (Role::Run(index), Ok(Output::Ran { retval, data, ctx })) => {
                if let Some(run) = runs.get(*index) {
                    one_run(*index, run, (*retval, data, ctx), expected, problems);
                }
            }
            (Role::DumpMap(index), Ok(Output::Elements(elements))) => {
                one_map(*index, plan, elements, expected, problems);
                held(*index, &case.checks, plan, elements, problems);
            }
            (Role::Check(index), Ok(output)) => {
                if let Some(check) = case.checks.get(*index) {
                    one_check(check, plan, output, expected, problems);
                }
            }
            _ => {}
        }
    }
    if report.steps.len() < lowered.roles.len() && problems.is_empty() {
        problems.push(Problem::result(format!(
            "the agent executed {} of {} steps and reported no failure",
            report.steps.len(),
            lowered.roles.len()
        )));
    }
}

fn refused(role: Role, failure: &Failure) -> Problem {
    let text = format!("{} failed with {}", describe(role), errno_name(failure.errno));
    let class = match role {
        Role::Load(_) | Role::CreateMap(_) | Role::UpdateElem(_) => FailureClass::Verifier,
        _ => FailureClass::Result,
    };
    Problem { log: failure.log.clone(), ..Problem::new(class, text) }
}

fn one_run(
    index: usize,
    run: &Run,
    (retval, data, ctx): (u32, &[u8], &[u8]),
    expected: &Expected,
    problems: &mut Vec<Problem>,
) {
    let returned = |by: &str, value: u32| {
        let text = format!("run {index}: returned {retval:#x}, {by} {value:#x}");
        Problem::result(text).of_run(index)
    };
    let compare = |place, observed, expected, by, problems: &mut Vec<Problem>| {
        problems.extend(memory(index, place, observed, expected, by));
    };
    if retval != run.returns {
        problems.push(returned("the case states", run.returns));
    }
    if let Some(after) = &run.ctx_after {
        compare(Place::Context, ctx, after, By::Case, problems);
    }
    if let Some(after) = &run.packet_after {
        compare(Place::Packet, data, after, By::Case, problems);
    }
    match expected.runs.get(index) {
        // Only the case's author can say something about it.
        Some(Ok(outcome)) if is_the_kernels_choice(outcome) => {}
        Some(Ok(outcome)) => {
            if retval != outcome.r0 as u32 {
                problems.push(returned("the model computes", outcome.r0 as u32));
            }
            if !run.ctx.is_empty() {
                compare(Place::Context, ctx, &outcome.ctx, By::Model, problems);
            }
            if !run.packet.is_empty() {
                compare(Place::Packet, data, &outcome.packet, By::Model, problems);
            }
        }
        // The judge of the verifier says it.
        Some(Err(trap)) if trap.kind.is_unsound() => {}
        Some(Err(trap)) => {
            let text = format!("run {index}: the model cannot judge it: {trap}");
            problems.push(Problem::result(text).of_run(index));
        }
        None => {
            problems.push(Problem::result(format!("run {index}: the model did not get that far")))
        }
    }
}

pub(super) fn one_map(
    index: usize,
    plan: &LoadPlan,
    elements: &[(Vec<u8>, Vec<u8>)],
    expected: &Expected,
    problems: &mut Vec<Problem>,
) {
    // Behind a trap the model's maps are half done.
    if expected.is_the_kernels_choice() || expected.runs.iter().any(Result::is_err) {
        return;
    }
    let name = plan.maps.get(index).map_or("?", |map| map.name.as_str());
    let Some(Some(model)) = expected.maps.get(index) else {
        problems.push(Problem::result(format!("map {name}: the model has no contents for it")));
        return;
    };
    let mut observed = elements.to_vec();
    observed.sort();
    let mut model = model.clone();
    model.sort();
    if observed == model {
        return;
    }
    let mut problem = |text: String, difference| {
        let problem = Problem { difference, ..Problem::result(text) };
        problems.push(match expected.runs.len().checked_sub(1) {
            Some(last) => problem.of_run(last),
            None => problem,
        });
    };
    if observed.len() != model.len() {
        let text =
            format!("map {name}: {} elements, the model has {}", observed.len(), model.len());
        problem(text, None);
    }
    let differ = observed.iter().zip(&model).enumerate().find(|(_, (ours, theirs))| ours != theirs);
    let Some((element, ((key, value), (model_key, model_value)))) = differ else { return };
    if key != model_key {
        let (key, model_key) = (hex(key), hex(model_key));
        let text =
            format!("map {name}: element {element} has key {key}, the model has {model_key}");
        problem(text, None);
    } else if let Some(offset) = first_difference(value, model_value) {
        let text = format!(
            "map {name}: element {element} with key {} differs from byte {offset}: {}, the model has {}",
            hex(key),
            hex(shown(value, offset)),
            hex(shown(model_value, offset))
        );
        let difference = Difference {
            run: None,
            place: Place::Map,
            map: Some(name.to_owned()),
            element: Some(element),
            key: Some(hex(key)),
            offset,
            kernel: value.get(offset).copied(),
            expected: model_value.get(offset).copied(),
            by: By::Model,
        };
        problem(text, Some(difference));
    }
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let at = a.iter().zip(b).position(|(a, b)| a != b);
    at.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

fn shown(bytes: &[u8], from: usize) -> &[u8] {
    bytes.get(from..(from + SHOWN_BYTES).min(bytes.len())).unwrap_or_default()
}

fn rejected(rejection: &Rejection, subject: &Subject<'_>, problems: &mut Vec<Problem>) {
    let Subject { lowered, report, .. } = *subject;
    let expected = match rejection.at {
        RejectedAt::CreateMap(index) => Role::CreateMap(index),
        RejectedAt::UpdateElem(index) => Role::UpdateElem(index),
        RejectedAt::LoadProgram(index) => Role::Load(index),
    };
    let failed = lowered
        .roles
        .iter()
        .zip(&report.steps)
        .find_map(|(role, step)| Some((*role, step.as_ref().err()?)));
    let Some((role, failure)) = failed else {
        problems.push(Problem::new(
            FailureClass::Verifier,
            format!(
                "was accepted, {} should fail with {}",
                describe(expected),
                errno_name(rejection.errno)
            ),
        ));
        return;
    };
    if role != expected {
        let mut problem = refused(role, failure);
        problem.text.push_str(&format!(", before {} could", describe(expected)));
        problems.push(problem);
        return;
    }
    if failure.errno != rejection.errno {
        let mut problem = refused(role, failure);
        problem.text.push_str(&format!(", the case states {}", errno_name(rejection.errno)));
        problems.push(problem);
    }
    for piece in &rejection.log {
        if !failure.log.contains(piece.as_str()) {
            let text = format!("the verifier log does not say `{piece}`");
            let problem = Problem::new(FailureClass::Verifier, text);
            problems.push(Problem { log: failure.log.clone(), ..problem });
        }
    }
}

fn memory(run: usize, place: Place, observed: &[u8], expected: &[u8], by: By) -> Option<Problem> {
    let offset = first_difference(observed, expected)?;
    let (what, said) = (place.name(), by.said());
    let text = if observed.len() != expected.len() {
        let (ours, theirs) = (observed.len(), expected.len());
        format!("run {run}: {what} of {ours} bytes, {said} {theirs} bytes")
    } else {
        let (ours, theirs) = (hex(shown(observed, offset)), hex(shown(expected, offset)));
        format!("run {run}: {what} differs from byte {offset}: {ours}, {said} {theirs}")
    };
    let difference = Difference {
        run: Some(run),
        place,
        map: None,
        element: None,
        key: None,
        offset,
        kernel: observed.get(offset).copied(),
        expected: expected.get(offset).copied(),
        by,
    };
    Some(Problem { difference: Some(difference), ..Problem::result(text).of_run(run) })
}

/// A step as the field names it.
pub fn describe(role: Role) -> String {
    match role {
        Role::LoadBtf => "BPF_BTF_LOAD".to_owned(),
        Role::CreateMap(index) => format!("BPF_MAP_CREATE of map {index}"),
        Role::UpdateElem(index) => format!("BPF_MAP_UPDATE_ELEM of map {index}"),
        Role::Freeze(index) => format!("BPF_MAP_FREEZE of map {index}"),
        Role::Load(index) => format!("BPF_PROG_LOAD of program {index}"),
        Role::Run(index) => format!("BPF_PROG_TEST_RUN {index}"),
        Role::UpdateProgArray(index) => format!("BPF_MAP_UPDATE_ELEM of prog array {index}"),
        Role::Check(index) => format!("check {index}"),
        Role::DumpMap(index) | Role::DumpTable(index) => {
            format!("BPF_MAP_LOOKUP_ELEM of map {index}")
        }
    }
}

#[cfg(test)]
mod tests;
