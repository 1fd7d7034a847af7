//! Compares what the kernel did with what the case states and what the model computed.

use bpf_object::LoadPlan;
use bpf_suites::{Blinding, Case, Expect, RejectedAt, Rejection, Run};
use bpf_wire::{BatchReport, Failure, Mode, Output};
use nix::errno::Errno;

use super::checks::one_check;
use super::lower::{Lowered, Role};
use super::model::{Expected, is_the_kernels_choice};

/// Bytes of a memory region shown around the first difference.
const SHOWN_BYTES: usize = 16;

/// Bytes of a map's value that are shown as a whole.
const LONG_VALUE: usize = 64;

/// What is wrong with a case in one mode. Nothing is wrong when there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// One line: what was expected and what came.
    pub(crate) text: String,
    /// The verifier's log, where it has something to say.
    pub(crate) log: String,
}

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), log: String::new() }
    }
}

/// Judges one execution of a case.
pub(crate) fn judge(
    case: &Case,
    plan: &LoadPlan,
    mode: Mode,
    lowered: &Lowered,
    report: &BatchReport,
    expected: &Expected,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    sysctls(mode, report, &mut problems);
    if let Some(rejection) = refused_in(mode, case) {
        rejected(&rejection, lowered, report, &mut problems);
        return problems;
    }
    match &case.expect {
        Expect::Rejected(rejection) => rejected(rejection, lowered, report, &mut problems),
        Expect::Accepted(runs) => {
            accepted(case, plan, mode, runs, lowered, report, expected, &mut problems);
        }
    }
    problems
}

/// The refusal that a case states for this mode alone, if it states one.
fn refused_in(mode: Mode, case: &Case) -> Option<Rejection> {
    let (errno, log) = match (mode, case.interp_refuses, case.blinding) {
        (Mode::Interp, Some((errno, piece)), _) => (errno, vec![piece.to_owned()]),
        (Mode::JitHardened, _, Blinding::Refused(errno)) => (errno, Vec::new()),
        _ => return None,
    };
    Some(Rejection { at: RejectedAt::LoadProgram(0), errno, log })
}

/// The mode that the kernel was in, read back by the agent.
pub(crate) fn sysctls(mode: Mode, report: &BatchReport, problems: &mut Vec<Problem>) {
    let (enable, harden) = mode.sysctls();
    if (report.jit_enable, report.jit_harden) != (enable, harden) {
        problems.push(Problem::new(format!(
            "ran in another mode than asked: {} wants bpf_jit_enable={enable} bpf_jit_harden={harden}, \
             the kernel had {} and {}",
            mode.name(),
            report.jit_enable,
            report.jit_harden
        )));
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that a verdict depends on")]
fn accepted(
    case: &Case,
    plan: &LoadPlan,
    mode: Mode,
    runs: &[Run],
    lowered: &Lowered,
    report: &BatchReport,
    expected: &Expected,
    problems: &mut Vec<Problem>,
) {
    let interpreted =
        mode == Mode::Interp || (mode == Mode::JitHardened && case.blinding == Blinding::FallsBack);
    for (role, step) in lowered.roles.iter().zip(&report.steps) {
        match (role, step) {
            (role, Err(failure)) => problems.push(refused(*role, failure)),
            (Role::Load(_), Ok(Output::Loaded { jited_len, .. }))
                if (*jited_len == 0) != interpreted =>
            {
                problems.push(Problem::new(format!(
                    "ran in another mode than asked: {} and {jited_len} bytes of machine code",
                    mode.name()
                )));
            }
            (Role::Run(index), Ok(Output::Ran { retval, data, ctx })) => {
                if let Some(run) = runs.get(*index) {
                    one_run(*index, run, (*retval, data, ctx), expected, problems);
                }
            }
            (Role::DumpMap(index), Ok(Output::Elements(elements))) => {
                one_map(*index, plan, elements, expected, problems);
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
        problems.push(Problem::new(format!(
            "the agent executed {} of {} steps and reported no failure",
            report.steps.len(),
            lowered.roles.len()
        )));
    }
}

fn refused(role: Role, failure: &Failure) -> Problem {
    let text = format!("{} failed with {}", describe(role), errno_name(failure.errno));
    Problem { text, log: failure.log.clone() }
}

fn one_run(
    index: usize,
    run: &Run,
    (retval, data, ctx): (u32, &[u8], &[u8]),
    expected: &Expected,
    problems: &mut Vec<Problem>,
) {
    if retval != run.returns {
        problems.push(Problem::new(format!(
            "run {index}: returned {retval:#x}, the case states {:#x}",
            run.returns
        )));
    }
    if let Some(after) = &run.ctx_after {
        compare(index, "context", ctx, after, "the case states", problems);
    }
    if let Some(after) = &run.packet_after {
        compare(index, "packet", data, after, "the case states", problems);
    }
    match expected.runs.get(index) {
        // Only the case's author can say something about it.
        Some(Ok(outcome)) if is_the_kernels_choice(outcome) => {}
        Some(Ok(outcome)) => {
            if retval != outcome.r0 as u32 {
                problems.push(Problem::new(format!(
                    "run {index}: returned {retval:#x}, the model computes {:#x}",
                    outcome.r0 as u32
                )));
            }
            if !run.ctx.is_empty() {
                compare(index, "context", ctx, &outcome.ctx, "the model computes", problems);
            }
            if !run.packet.is_empty() {
                compare(index, "packet", data, &outcome.packet, "the model computes", problems);
            }
        }
        Some(Err(trap)) if trap.kind.is_unsound() => problems.push(Problem::new(format!(
            "run {index}: unsound: the kernel accepted what the model traps on: {trap}"
        ))),
        Some(Err(trap)) => {
            problems.push(Problem::new(format!("run {index}: the model cannot judge it: {trap}")));
        }
        None => problems.push(Problem::new(format!("run {index}: the model did not get that far"))),
    }
}

pub(super) fn one_map(
    index: usize,
    plan: &LoadPlan,
    elements: &[(Vec<u8>, Vec<u8>)],
    expected: &Expected,
    problems: &mut Vec<Problem>,
) {
    if expected.is_the_kernels_choice() {
        return;
    }
    let name = plan.maps.get(index).map_or("?", |map| map.name.as_str());
    let Some(Some(model)) = expected.maps.get(index) else {
        problems.push(Problem::new(format!("map {name}: the model has no contents for it")));
        return;
    };
    let mut observed = elements.to_vec();
    observed.sort();
    let mut model = model.clone();
    model.sort();
    if observed == model {
        return;
    }
    if observed.len() != model.len() {
        problems.push(Problem::new(format!(
            "map {name}: {} elements, the model has {}",
            observed.len(),
            model.len()
        )));
    }
    for ((key, value), (model_key, model_value)) in observed.iter().zip(&model) {
        if (key, value) != (model_key, model_value) {
            // Of a value that fills the screen only what is around the first difference.
            let at = value.iter().zip(model_value).position(|(a, b)| a != b).unwrap_or(0);
            let part = |value: &[u8]| match value.get(at..) {
                Some(rest) if value.len() > LONG_VALUE => {
                    format!("{} from byte {at}", hex(&rest[..rest.len().min(SHOWN_BYTES)]))
                }
                _ => hex(value),
            };
            problems.push(Problem::new(format!(
                "map {name}: key {} holds {}, the model has key {} with {}",
                hex(key),
                part(value),
                hex(model_key),
                part(model_value)
            )));
            return;
        }
    }
}

fn rejected(
    rejection: &Rejection,
    lowered: &Lowered,
    report: &BatchReport,
    problems: &mut Vec<Problem>,
) {
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
        problems.push(Problem::new(format!(
            "was accepted, {} should fail with {}",
            describe(expected),
            errno_name(rejection.errno)
        )));
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
            problems.push(Problem {
                text: format!("the verifier log does not say `{piece}`"),
                log: failure.log.clone(),
            });
        }
    }
}

fn compare(
    index: usize,
    what: &str,
    observed: &[u8],
    expected: &[u8],
    by: &str,
    problems: &mut Vec<Problem>,
) {
    if observed == expected {
        return;
    }
    if observed.len() != expected.len() {
        problems.push(Problem::new(format!(
            "run {index}: {what} of {} bytes, {by} {} bytes",
            observed.len(),
            expected.len()
        )));
        return;
    }
    let at = observed.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(0);
    let end = (at + SHOWN_BYTES).min(observed.len());
    problems.push(Problem::new(format!(
        "run {index}: {what} differs from byte {at}: {}, {by} {}",
        hex(&observed[at..end]),
        hex(&expected[at..end])
    )));
}

/// A step as the field names it.
pub(crate) fn describe(role: Role) -> String {
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

/// `EINVAL (22)`; the kernel's own `ENOTSUPP` has a name only inside the kernel.
pub(crate) fn errno_name(errno: i32) -> String {
    match (errno, Errno::from_raw(errno)) {
        (524, _) => "ENOTSUPP (524)".to_owned(),
        (_, Errno::UnknownErrno) => format!("errno {errno}"),
        (_, name) => format!("{name:?} ({errno})"),
    }
}

/// Bytes in hexadecimal, in the order of memory.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
