//! Verdicts on reports made by hand, of the verifier and of results.

use bpf_case::Case;
use bpf_case::builder::{accepts, cap, ctx_u64s, errno, rejects};
use bpf_wire::{BatchReport, Failure, Mode, Output, Step};

use super::super::traces::Traces;
use super::*;
use crate::lower::lower;
use crate::model;
use harness_results::record::{Difference, Place, TooStrict};

/// What the kernel of a test does with a step; `None` for what it usually does.
type Kernel<'a> = &'a dyn Fn(Role) -> Option<Result<Output, Failure>>;

/// A case, judged.
struct Judged {
    problems: Vec<Problem>,
    too_strict: Option<TooStrict>,
    trace: Option<std::sync::Arc<harness_results::trace::Trace>>,
}

impl Judged {
    fn texts(&self) -> Vec<&str> {
        self.problems.iter().map(|problem| problem.text.as_str()).collect()
    }

    fn classes(&self) -> Vec<FailureClass> {
        self.problems.iter().map(|problem| problem.class).collect()
    }
}

fn judged(case: impl Into<Case>, kernel: Kernel<'_>) -> Judged {
    let case = case.into();
    let plan = case.plan().expect("the case compiles");
    let lowered = lower(&case, &plan);
    let mut steps = Vec::new();
    for (role, step) in lowered.roles.iter().zip(&lowered.steps) {
        let output = kernel(*role).unwrap_or_else(|| Ok(usual(step)));
        let failed = output.is_err();
        steps.push(output);
        if failed {
            break;
        }
    }
    let report = BatchReport { steps, jit_enable: 1, jit_harden: 0 };
    let expected = model::expect(&case, &plan);
    let mode = Mode::Jit;
    let subject = Subject {
        case: &case,
        plan: &plan,
        mode,
        roles: &lowered.roles,
        report: &report,
        expected: &expected,
    };
    let mut explorer = Explorer::default();
    let problems = judge(&subject, &mut explorer);
    let too_strict = soundness::too_strict(&subject, &mut explorer);
    let trace = Traces::default().of(&case, &plan, &problems);
    Judged { problems, too_strict, trace }
}

/// What a kernel answers that accepts everything and whose programs return 0.
fn usual(step: &Step) -> Output {
    match step {
        Step::LoadProgram(_) => Output::Loaded {
            log: String::new(),
            jited_len: 64,
            xlated_len: 8,
            verified_insns: 2,
            xlated: vec![],
            jited: vec![],
            jited_funcs: vec![],
        },
        Step::TestRun { data, ctx, .. } => ran(0, data, ctx),
        Step::DumpMap { .. } => Output::Elements(vec![]),
        _ => Output::Done,
    }
}

fn ran(retval: u32, data: &[u8], ctx: &[u8]) -> Output {
    Output::Ran { retval, data: data.to_vec(), ctx: ctx.to_vec() }
}

fn refuses(errno: i32, log: &str) -> Option<Result<Output, Failure>> {
    Some(Err(Failure { errno, log: log.to_owned() }))
}

/// Returns the context's first word, and nothing at all if that is 7.
const SEVEN: &str = "r1 = *(u64 *)(r1 +0)\nif r1 == 7 goto +1\nr0 = r1\nexit";

#[test]
fn a_trap_in_the_second_of_three_runs_is_unsound() {
    let case = accepts("t/seven", "s", SEVEN).runs(&[(0, 0), (7, 0), (0, 0)]);
    let judged = judged(case, &|role| match role {
        Role::Run(index) => Some(Ok(ran(0, &[], &ctx_u64s(&[[0, 7, 0][index]])))),
        _ => None,
    });
    assert_eq!(judged.classes(), [FailureClass::Result, FailureClass::Unsound]);
    let texts = judged.texts();
    assert_eq!(texts[0], "run 2: the model did not get that far");
    assert_eq!(
        texts[1],
        "run 1: unsound: the kernel accepted what the model traps on: slot 3 `(95) exit`: \
         r0 is read but was not written (r1 = 0x7, r10 = stack frame 0 +0)"
    );
    let trace = judged.trace.expect("there is a trace");
    assert_eq!((trace.what.as_str(), trace.runs_before), ("run 1", 1));
    assert_eq!(trace.context, "07 00 00 00 00 00 00 00");
    let slots: Vec<usize> = trace.steps.iter().map(|step| step.slot).collect();
    assert_eq!(slots, [0, 1, 3]);
    assert_eq!(trace.trap.as_deref(), Some("r0 is read but was not written"));
}

#[test]
fn a_trap_on_inputs_that_the_case_does_not_state_is_unsound() {
    let case = accepts("t/seven", "s", SEVEN).runs(&[(0, 0)]);
    let judged = judged(case, &|role| match role {
        Role::Run(_) => Some(Ok(ran(0, &[], &[0; 8]))),
        _ => None,
    });
    assert_eq!(judged.classes(), [FailureClass::Unsound]);
    assert!(
        judged.texts()[0].starts_with(
            "unsound: the kernel accepted program 0, the model traps on context [07 00 00 00 "
        ),
        "{:?}",
        judged.texts()
    );
    assert_eq!(judged.trace.expect("there is a trace").what, "program 0");
}

#[test]
fn what_was_to_be_rejected_and_is_accepted_is_unsound_if_it_traps() {
    let bad = judged(rejects("t/bad", "reads r0", "exit").log("R0 !read_ok"), &|_| None);
    assert_eq!(bad.classes(), [FailureClass::Verifier, FailureClass::Unsound]);
    assert_eq!(
        bad.texts()[0],
        "was accepted, BPF_PROG_LOAD of program 0 should fail with EINVAL (22)"
    );
    assert!(bad.trace.is_some());
    let harmless = judged(rejects("t/good", "is safe", "r0 = 0\nexit"), &|_| None);
    assert_eq!(harmless.classes(), [FailureClass::Verifier]);
}

#[test]
fn an_instruction_that_does_not_exist_is_unsound_even_if_it_is_not_reached() {
    let case = rejects("t/unknown", "ends", "r0 = 0\nexit\nr0 = 1\nexit")
        .adjust(|plan| plan.programs[0].insns[2].code = 0xff);
    let judged = judged(case, &|_| None);
    assert_eq!(judged.classes(), [FailureClass::Verifier, FailureClass::Unsound]);
    assert!(judged.texts()[1].contains("wrong at slot 2: invalid instruction"));
    assert!(judged.trace.is_none(), "nothing was run");
}

/// The second program reads what was not written.
const CHAIN: &str = "
    .prog first syscall
        r3 = 0
        r2 = map progs ll
        call bpf_tail_call
        r0 = 0
        exit
    .prog second syscall
        r0 = r9
        exit
    .map progs prog_array key=4 value=4 entries=1: second
";

#[test]
fn every_program_of_a_plan_is_judged_and_what_tail_calls_lead_to() {
    let chain = judged(accepts("t/chain", "c", CHAIN).run(vec![], 0), &|_| None);
    assert_eq!(chain.classes(), [FailureClass::Unsound; 2]);
    assert!(chain.texts()[0].starts_with("run 0: unsound: "));
    assert!(chain.texts()[1].starts_with("unsound: the kernel accepted program 1, "));
    let trace = chain.trace.expect("there is a trace");
    assert_eq!(trace.steps.last().map(|step| (step.program, step.slot)), Some((1, 0)));
}

#[test]
fn a_program_that_was_not_loaded_is_not_reached() {
    let case = rejects("t/chain", "c", CHAIN).at(RejectedAt::LoadProgram(1));
    let judged = judged(case, &|role| match role {
        Role::Load(1) => refuses(22, "R9 !read_ok"),
        _ => None,
    });
    assert_eq!(judged.texts(), [""; 0]);
    assert!(judged.too_strict.is_none());
}

#[test]
fn a_rejected_program_that_the_model_runs_cleanly_is_too_strict() {
    let strict = |source: &str| {
        let case = rejects("t/strict", "s", source).log("too complex");
        judged(case, &|role| match role {
            Role::Load(_) => {
                refuses(errno::EINVAL, "0: it is\n1: too complex\nprocessed 3 insns\n")
            }
            _ => None,
        })
    };
    let clean = strict("r0 = 0\nexit");
    assert_eq!(clean.texts(), [""; 0], "a report, not a failure");
    let expected = TooStrict {
        program: 0,
        errno: "EINVAL (22)".to_owned(),
        said: "1: too complex".to_owned(),
        runs: 128,
    };
    assert_eq!(clean.too_strict, Some(expected));
    for source in ["exit", "call 14\nr0 = 0\nexit", "a: goto a", SEVEN] {
        assert_eq!(strict(source).too_strict, None, "{source}");
    }
}

#[test]
fn the_last_line_says_why_where_the_case_does_not() {
    let case = rejects("t/strict", "s", "r0 = 0\nexit");
    let judged = judged(case, &|role| match role {
        Role::Load(_) => refuses(errno::EINVAL, "0: it is\n1: wrong\nprocessed 3 insns\n"),
        _ => None,
    });
    assert_eq!(judged.too_strict.map(|found| found.said).as_deref(), Some("1: wrong"));
}

#[test]
fn a_program_that_shows_addresses_is_rejected_with_reason_without_privilege() {
    let with = |caps: &[u8]| {
        let case = rejects("t/leak", "l", "r0 = r10\nexit").without_caps(caps);
        judged(case, &|role| match role {
            Role::Load(_) => refuses(errno::EINVAL, "R0 leaks addr as return value"),
            _ => None,
        })
        .too_strict
    };
    assert!(with(&[]).is_some());
    assert!(with(&[cap::PERFMON]).is_none());
}

#[test]
fn the_first_byte_that_differs_is_told() {
    let source = "*(u32 *)(r1 +4) = 5\nr0 = 0\nexit";
    let case = accepts("t/context", "c", source).run(ctx_u64s(&[1]), 0);
    let judged = judged(case, &|role| match role {
        Role::Run(_) => Some(Ok(ran(0, &[], &[1, 0, 0, 0, 5, 9, 0, 0]))),
        _ => None,
    });
    assert_eq!(
        judged.texts(),
        ["run 0: context differs from byte 5: 09 00 00, the model computes 00 00 00"]
    );
    let difference = judged.problems[0].difference.as_ref().expect("bytes were compared");
    assert_eq!((difference.run, difference.place, difference.offset), (Some(0), Place::Context, 5));
    assert_eq!((difference.kernel, difference.expected), (Some(9), Some(0)));
    let trace = judged.trace.expect("there is a trace");
    assert_eq!((trace.steps.len(), trace.r0.as_deref()), (3, Some("0x0")));
}

#[test]
fn the_first_byte_of_a_map_is_told_with_its_element() {
    let source = "
        r6 = numbers ll
        *(u64 *)(r6 +8) = 3
        r0 = 0
        exit
        .data numbers .data: 1, 2, 3";
    let case = accepts("t/map", "m", source).run(vec![], 0);
    let value = ctx_u64s(&[1, 0x0903, 3]);
    let elements = || vec![(vec![0; 4], value.clone())];
    let judged = judged(case, &|role| match role {
        Role::DumpMap(_) => Some(Ok(Output::Elements(elements()))),
        _ => None,
    });
    assert_eq!(
        judged.texts(),
        ["map .data: element 0 with key 00 00 00 00 differs from byte 9: \
          09 00 00 00 00 00 00 03 00 00 00 00 00 00 00, the model has \
          00 00 00 00 00 00 00 03 00 00 00 00 00 00 00"]
    );
    let difference = judged.problems[0].difference.clone().expect("bytes were compared");
    assert_eq!(
        difference,
        Difference {
            run: None,
            place: Place::Map,
            map: Some(".data".to_owned()),
            element: Some(0),
            key: Some("00 00 00 00".to_owned()),
            offset: 9,
            kernel: Some(9),
            expected: Some(0),
            by: By::Model,
        }
    );
    assert_eq!(judged.trace.expect("the last run is traced").what, "run 0");
}

#[test]
fn what_is_the_kernels_choice_is_not_judged() {
    let case = accepts("t/address", "a", "*(u64 *)(r1 +0) = r10\nr0 = r10\nexit");
    let judged = judged(case.run(vec![0; 8], 5), &|role| match role {
        Role::Run(_) => Some(Ok(ran(5, &[], &[1; 8]))),
        _ => None,
    });
    assert_eq!(judged.texts(), [""; 0]);
}

#[test]
fn without_a_problem_there_is_no_trace() {
    let held = judged(accepts("t/zero", "z", "r0 = 0\nexit").run(vec![], 0), &|_| None);
    assert!(held.problems.is_empty() && held.trace.is_none() && held.too_strict.is_none());
}

#[test]
fn of_a_long_value_what_is_around_the_first_difference_is_shown() {
    let case = accepts("t/long", "s", "r1 = m ll\nr0 = 0\nexit\n.data m .data.m: zero 4096");
    let mut value = vec![0; 4096];
    (value[3001], value[3003], value[4000]) = (7, 8, 9);
    let elements = [(vec![0; 4], value)];
    let judged = judged(case.run(Vec::new(), 0), &|role| match role {
        Role::DumpMap(_) => Some(Ok(Output::Elements(elements.to_vec()))),
        _ => None,
    });
    let zeros = |count| vec!["00"; count].join(" ");
    assert_eq!(
        judged.texts(),
        [format!(
            "map .data.m: element 0 with key {} differs from byte 3001: 07 00 08 {}, the model has {}",
            zeros(4),
            zeros(13),
            zeros(16)
        )]
    );
    let difference = judged.problems[0].difference.as_ref().expect("bytes were compared");
    assert_eq!(
        (difference.offset, difference.kernel, difference.expected),
        (3001, Some(7), Some(0))
    );
}
