//! Compares what the kernel did with what the case states and what the model computed.

use bpf_case::{Blinding, Case, Expect, RejectedAt, Rejection, Run};
use bpf_wire::{BatchReport, Failure, Mode, Output};

use super::checks::{held, one_check};
use super::explore::Explorer;
use super::lower::Role;
use super::memory::{memory, one_map};
use super::model::{Expected, is_the_kernels_choice};
use super::problem::{Problem, Subject};
use super::soundness;
use harness_results::notation::errno_name;
use harness_results::record::{By, FailureClass, Place};

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
    let Subject { case, plan, mode, roles, report, expected } = *subject;
    let interpreted = !mode.jits() || (mode.row().blinds && case.blinding == Blinding::FallsBack);
    for (role, step) in roles.iter().zip(&report.steps) {
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
    if report.steps.len() < roles.len() && problems.is_empty() {
        problems.push(Problem::result(format!(
            "the agent executed {} of {} steps and reported no failure",
            report.steps.len(),
            roles.len()
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

fn rejected(rejection: &Rejection, subject: &Subject<'_>, problems: &mut Vec<Problem>) {
    let Subject { roles, report, .. } = *subject;
    let expected = match rejection.at {
        RejectedAt::CreateMap(index) => Role::CreateMap(index),
        RejectedAt::UpdateElem(index) => Role::UpdateElem(index),
        RejectedAt::LoadProgram(index) => Role::Load(index),
    };
    let failed = roles
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
        Role::OpenEvents(index) => format!("perf_event_open of map {index}"),
        Role::Drain(index) => format!("reading the records of map {index}"),
        Role::Check(index) => format!("check {index}"),
        Role::DumpMap(index) | Role::DumpTable(index) => {
            format!("BPF_MAP_LOOKUP_ELEM of map {index}")
        }
    }
}

#[cfg(test)]
mod tests;
