use bpf_wire::BatchReport;
use harness_results::event::Stream;
use harness_session::{Alone, Answer, Part, Rules, Scripted};

use super::*;

fn ran(by: &'static str, returned: u32) -> Execution {
    let outcome = Outcome::Ran(Ran { returned, ..Ran::default() });
    Execution { by, outcome, jited_len: 0, log: String::new(), problems: Vec::new() }
}

fn with(by: &'static str, outcome: Outcome) -> Execution {
    Execution { outcome, ..ran(by, 0) }
}

#[test]
fn executions_that_agree_have_no_problem() {
    assert!(compare(&[ran("interp", 7), ran("jit", 7), ran("model", 7)]).is_empty());
    let silent = Outcome::Trapped { why: "helper 5".to_owned(), unsound: false };
    assert!(compare(&[ran("interp", 7), ran("jit", 7), with("model", silent)]).is_empty());
    let loaded = Outcome::Loaded { reason: "no test run".to_owned() };
    assert!(compare(&[with("jit", loaded), ran("model", 1)]).is_empty());
}

#[test]
fn every_difference_is_named() {
    let problems = compare(&[ran("interp", 8), ran("jit", 7), ran("model", 7)]);
    assert_eq!(problems, ["interp and model differ in what they return"]);
    let mut packet = ran("jit", 7);
    packet.outcome = Outcome::Ran(Ran { returned: 7, packet: vec![1], ..Ran::default() });
    assert_eq!(compare(&[packet, ran("model", 7)]), ["jit and model differ in the packet"]);
    // Without the model, the modes are compared with each other.
    let silent = Outcome::Trapped { why: "helper 5".to_owned(), unsound: false };
    let problems = compare(&[ran("interp", 8), ran("jit", 7), with("model", silent)]);
    assert_eq!(problems, ["interp and jit differ in what they return"]);
}

#[test]
fn refusals_deaths_and_traps_that_no_verifier_allows_are_problems() {
    let refused = Outcome::Refused { what: "BPF_PROG_LOAD failed".to_owned(), load: true };
    let trapped = Outcome::Trapped { why: "slot 3".to_owned(), unsound: true };
    assert_eq!(
        compare(&[with("jit", refused), with("model", trapped.clone())]),
        ["jit: BPF_PROG_LOAD failed"]
    );
    assert_eq!(
        compare(&[ran("jit", 1), with("model", trapped)]),
        ["unsound: the kernel accepted what the model traps on: slot 3"]
    );
    let died = Outcome::Died { why: "Oops".to_owned() };
    assert_eq!(compare(&[with("jit", died)]), ["jit: Oops"]);
}

#[test]
fn what_depends_on_an_address_is_not_compared() {
    let address =
        Outcome::Ran(Ran { returned: 3, kernels_choice: Some("an address"), ..Ran::default() });
    assert!(compare(&[ran("interp", 1), ran("jit", 2), with("model", address)]).is_empty());
}

/// What the first program of a plan does in a mode, in a guest that answers with these outputs.
fn execute(mode: Mode, steps: Vec<Result<Output, Failure>>) -> Execution {
    let plan = bpf_object::compile("r0 = 7\nexit").unwrap();
    let (file, program) = ("f.o".into(), "main".to_owned());
    let test = ObjectTest { file, program, plan: Ok(plan), input: Input::default(), log_level: 0 };
    let mut guest = Scripted::new(|_, _| {
        let (jit_enable, jit_harden) = mode.sysctls();
        let report = BatchReport { steps: steps.clone(), jit_enable, jit_harden };
        Ok(Answer::batch(report, Vec::new()))
    });
    let rules = Rules { modes: vec![mode], fail_fast: false };
    let part = Part { name: "objects", total: None };
    let mut stream = Stream::new(Vec::new());
    harness_session::run(part, &[&test], &rules, &mut guest, &Alone, &mut stream).unwrap();
    match stream.into_finished().next().unwrap().sort {
        Sort::Object(run) => run.executions[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn loaded(jited_len: u32) -> Output {
    Output::Loaded {
        log: "the log".to_owned(),
        jited_len,
        xlated_len: 0,
        verified_insns: 0,
        xlated: Vec::new(),
        jited: Vec::new(),
        jited_funcs: Vec::new(),
    }
}

#[test]
fn a_run_gives_what_the_agent_reports() {
    let output = Output::Ran { retval: 7, data: Vec::new(), ctx: vec![1] };
    let steps = vec![Ok(loaded(9)), Ok(output)];
    let execution = execute(Mode::Jit, steps.clone());
    let expected = Ran { returned: 7, ctx: vec![1], ..Ran::default() };
    assert_eq!(execution.outcome, Outcome::Ran(expected));
    assert_eq!((execution.jited_len, execution.log.as_str()), (9, "the log"));
    let execution = execute(Mode::Interp, steps);
    assert!(execution.problems[0].contains("another mode"), "{execution:?}");
}

#[test]
fn a_type_without_test_run_is_loaded_alone() {
    let run = |errno| {
        let failure = Failure { errno, log: String::new() };
        execute(Mode::Jit, vec![Ok(loaded(9)), Err(failure)]).outcome
    };
    assert!(matches!(run(ENOTSUPP), Outcome::Loaded { .. }));
    assert!(matches!(run(22), Outcome::Refused { load: false, .. }));
}

#[test]
fn json_has_bytes_in_hexadecimal() {
    let maps = vec![Contents { name: "m".to_owned(), elements: vec![(vec![1], vec![2, 3])] }];
    let outcome = Outcome::Ran(Ran { returned: 7, ctx: vec![0xab, 1], maps, ..Ran::default() });
    let json = serde_json::to_value(with("jit", outcome)).unwrap();
    assert_eq!((&json["by"], &json["outcome"]), (&"jit".into(), &"ran".into()));
    assert_eq!(json["ctx"], "ab 01");
    assert_eq!(json["maps"][0]["elements"][0][1], "02 03");
}

#[test]
fn a_program_comes_with_those_that_it_may_tail_call() {
    let plan = bpf_object::compile(
        "
        .map jumps prog_array key=4 value=4 entries=1: third
        .prog first syscall
            exit
        .prog second syscall
            r1 = jumps ll
            exit
        .prog third syscall
            exit
        ",
    )
    .unwrap();
    let names =
        |plan: LoadPlan| plan.programs.into_iter().map(|program| program.name).collect::<Vec<_>>();
    assert_eq!(names(with_tail_calls(&plan, 0)), ["first"]);
    let second = with_tail_calls(&plan, 1);
    assert_eq!(second.maps[0].programs, [(0, 1)]);
    assert_eq!(names(second), ["second", "third"]);
}
