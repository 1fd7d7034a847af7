//! The judge of the verifier: what the kernel accepted must not trap in the model, and what it
//! rejected though the model finds nothing wrong is listed.
//!
//! A program is run on what the case states and on inputs of the harness' own ([`explore`]), whatever
//! the case expects of it: a program that was to be rejected and is accepted is as good as any.
//!
//! [`explore`]: super::explore

use bpf_case::{Case, Expect};
use bpf_model::Input;
use bpf_wire::{Failure, Output};

use super::explore::{Explorer, Finding};
use super::lower::Role;
use super::problem::{Evidence, Problem, Subject};
use harness_results::notation::{errno_name, hex};
use harness_results::record::{FailureClass, TooStrict};

/// Bytes of an input shown in a line.
const SHOWN_INPUT: usize = 32;

/// The programs that the kernel accepted and that the model traps on.
pub(super) fn unsound(subject: &Subject<'_>, explorer: &mut Explorer) -> Vec<Problem> {
    let steps = || subject.roles.iter().zip(&subject.report.steps);
    // A prog array is filled when all programs are loaded.
    let linked = subject.report.steps.len() > last_set_up(subject.roles)
        && steps().all(|(role, step)| step.is_ok() || !is_set_up(*role));
    let mut problems = Vec::new();
    for (role, step) in steps() {
        let (Role::Load(program), Ok(Output::Loaded { .. })) = (*role, step) else { continue };
        let stated = subject.expected.runs.iter().enumerate().find_map(|(run, outcome)| {
            Some((run, outcome.as_ref().err().filter(|trap| trap.kind.is_unsound())?))
        });
        if program == 0
            && linked
            && let Some((run, trap)) = stated
        {
            let text =
                format!("run {run}: unsound: the kernel accepted what the model traps on: {trap}");
            problems.push(unsound_with(text, Evidence::Run(run)));
            continue;
        }
        let explored = explorer.program(subject.plan, program, linked);
        if let Some(finding) = &explored.unsound {
            let text = format!("unsound: the kernel accepted program {program}, {}", said(finding));
            let finding = Box::new(finding.clone());
            problems.push(unsound_with(text, Evidence::Found { program, linked, finding }));
        }
    }
    problems
}

fn unsound_with(text: String, evidence: Evidence) -> Problem {
    Problem { evidence: Some(evidence), ..Problem::new(FailureClass::Unsound, text) }
}

/// Whether a step belongs to what has to be there before a program runs.
fn is_set_up(role: Role) -> bool {
    matches!(role, Role::Load(_) | Role::UpdateProgArray(_))
}

/// Number of the last step of that kind.
fn last_set_up(roles: &[Role]) -> usize {
    roles.iter().rposition(|role| is_set_up(*role)).unwrap_or_default()
}

fn said(finding: &Finding) -> String {
    match finding {
        Finding::Fault(slot, kind) => format!("which is wrong at slot {slot}: {kind}"),
        Finding::Trap { inputs, trap } => {
            let (nth, last) = match inputs.as_slice() {
                [one] => (String::new(), Some(one)),
                all => (format!(" in run {} on the same maps", all.len()), all.last()),
            };
            let on = last.map_or_else(String::new, shown_input);
            format!("the model traps{nth} on {on}: {trap}")
        }
    }
}

/// The context or packet, cut.
fn shown_input(input: &Input) -> String {
    let (what, bytes) = match input.packet.len() {
        0 => ("context", &input.ctx),
        _ => ("packet", &input.packet),
    };
    let more = if bytes.len() > SHOWN_INPUT { " …" } else { "" };
    format!("{what} [{}{more}]", hex(&bytes[..bytes.len().min(SHOWN_INPUT)]))
}

/// The program that the kernel rejected, if the model runs it cleanly on all inputs.
///
/// Not one that hands out addresses and is loaded without a privilege: keeping these from it is what
/// the verifier does there.
pub(super) fn too_strict(subject: &Subject<'_>, explorer: &mut Explorer) -> Option<TooStrict> {
    let (program, failure) = refused(subject)?;
    let explored = explorer.program(subject.plan, program, true);
    let leaks = explored.leaks && !subject.case.load.without_caps.is_empty();
    (explored.unclean.is_none() && !leaks).then(|| TooStrict {
        program,
        errno: errno_name(failure.errno),
        said: reason(subject.case, &failure.log).to_owned(),
        runs: explored.runs,
    })
}

/// The program whose load failed.
fn refused<'a>(subject: &Subject<'a>) -> Option<(usize, &'a Failure)> {
    subject.roles.iter().zip(&subject.report.steps).find_map(|(role, step)| match (role, step) {
        (Role::Load(program), Err(failure)) => Some((*program, failure)),
        _ => None,
    })
}

/// The line of a verifier log that says why: the one that the case states, else the last one.
pub(super) fn reason<'l>(case: &Case, log: &'l str) -> &'l str {
    let stated = match &case.expect {
        Expect::Rejected(rejection) => rejection.log.first(),
        Expect::Accepted(_) => None,
    };
    let lines = || log.lines().filter(|line| !line.is_empty() && !line.starts_with("processed "));
    let found = stated.and_then(|piece| lines().find(|line| line.contains(piece.as_str())));
    found.or_else(|| lines().next_back()).unwrap_or_default()
}
