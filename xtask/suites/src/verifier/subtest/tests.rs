use bpf_wire::ProgramLoad;

use super::*;

const SOURCE: &str = "
    .map table array key=4 value=8 entries=1
    .map stack 7 key=4 value=8 entries=1
    .prog main socket
        r1 = table ll
        r2 = stack ll
        r0 = 7
        exit
    .prog helper socket
        r0 = 1
        exit
";

fn specs(main: &[&str], helper: &[&str]) -> Vec<Result<Spec, String>> {
    let parse = |tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Spec::parse(&tags, 1)
    };
    vec![parse(main), parse(helper)]
}

fn tests(main: &[&str], helper: &[&str]) -> Vec<Subtest> {
    let plan = bpf_object::compile(SOURCE).unwrap();
    let specs = specs(main, helper);
    let before_run = Some(("table".to_owned(), vec![1; 8]));
    Tests { plan: &plan, specs: &specs, without_sys_admin: true, before_run }.of(0)
}

fn load(step: &Step) -> Option<&ProgramLoad> {
    match step {
        Step::LoadProgram(load) => Some(load),
        _ => None,
    }
}

fn loads(lowered: &Lowered) -> Vec<&ProgramLoad> {
    lowered.steps.iter().filter_map(load).collect()
}

#[test]
fn a_privileged_test_does_without_sys_admin_alone() {
    let [test] = &tests(&["test_expect_success", "test_retval=7", "test_log_level=2"], &[])[..]
    else {
        panic!("one test is expected")
    };
    assert_eq!(test.name, "main");
    let lowered = test.lower();
    let [load] = loads(&lowered)[..] else { panic!("{lowered:?}") };
    assert_eq!((load.without_caps.as_slice(), load.log_level), (&[CAP_SYS_ADMIN][..], 2));
    assert_eq!(load.flags & 0x84, 0x84);
    let created = |step: &&Step| matches!(step, Step::Without(caps, _) if *caps == [CAP_SYS_ADMIN]);
    assert_eq!(lowered.steps.iter().filter(created).count(), 2);
    // The map is written with all privileges, then the program is run on 64 zeros.
    let [.., Step::UpdateElem { value, .. }, Step::TestRun { data, ctx, .. }] =
        lowered.steps.as_slice()
    else {
        panic!("{lowered:?}")
    };
    assert_eq!((value, data.len(), ctx.len()), (&vec![1; 8], TEST_DATA_LEN, 0));
}

#[test]
fn an_unprivileged_test_gets_no_map_that_it_may_not_create() {
    let found = tests(&["test_expect_success", "test_expect_failure_unpriv"], &[]);
    let [privileged, unprivileged] = &found[..] else { panic!("{found:?}") };
    assert_eq!(privileged.plan.maps.len(), 2);
    assert_eq!(unprivileged.name, "main @unpriv");
    let names: Vec<_> = unprivileged.plan.maps.iter().map(|map| map.name.as_str()).collect();
    assert_eq!(names, ["table"]);
    let poison = Insn { code: CALL_IMM, dst: 0, src: 0, off: 0, imm: POISON_MAP };
    let insns = &unprivileged.plan.programs[0].insns;
    assert_eq!(insns[2..4], [poison, poison]);
    assert_ne!(insns[0], poison);
    assert_eq!(loads(&unprivileged.lower())[0].without_caps, [12, 21, 38, 39]);
}

#[test]
fn auxiliary_programs_go_along_and_others_do_not() {
    let of = |helper: &[&str]| {
        let tests = tests(&["test_expect_success"], helper);
        tests[0].plan.programs.iter().map(|it| it.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&["test_auxiliary"]), ["main", "helper"]);
    assert_eq!(of(&["test_auxiliary_unpriv"]), ["main"]);
    assert_eq!(of(&[]), ["main"]);
}

#[test]
fn tests_for_other_architectures_are_none() {
    assert!(tests(&["test_expect_success", "test_arch=ARM64"], &[]).is_empty());
    let jited = tests(&["load_mode=jited"], &[]).remove(0);
    assert!(jited.skipped(Mode::Interp).is_some() && jited.skipped(Mode::Jit).is_none());
}

/// What is wrong where the load gives this and the run returns `retval`.
fn judged(tags: &[&str], load: Result<&str, (i32, &str)>, retval: u32) -> Vec<String> {
    let test = tests(tags, &[]).remove(0);
    let lowered = test.lower();
    let mut steps = Vec::new();
    for role in &lowered.roles {
        let step = match (role, load) {
            (Role::Load(_), Ok(log)) => Ok(Output::Loaded {
                log: log.to_owned(),
                jited_len: 9,
                xlated_len: 0,
                verified_insns: 0,
                xlated: Insn { code: 0x95, ..Insn::default() }.to_bytes().to_vec(),
                jited: Vec::new(),
                jited_funcs: Vec::new(),
            }),
            (Role::Load(_), Err((errno, log))) => Err(Failure { errno, log: log.to_owned() }),
            (Role::Run(_), _) => Ok(Output::Ran { retval, data: Vec::new(), ctx: Vec::new() }),
            _ => Ok(Output::Done),
        };
        let failed = step.is_err();
        steps.push(step);
        if failed {
            break;
        }
    }
    let report = BatchReport { steps, jit_enable: 1, jit_harden: 0 };
    test.judge(Mode::Jit, &lowered.roles, &report).into_iter().map(|it| it.text).collect()
}

#[test]
fn a_success_is_judged_by_log_translation_and_return_value() {
    let success = ["test_expect_success", "test_retval=7", "test_expect_xlated=0: exit"];
    assert!(judged(&success, Ok(""), 7).is_empty());
    assert_eq!(judged(&success, Ok(""), 8), ["returned 8, the test states 7"]);
    let refused = judged(&success, Err((22, "no")), 7);
    assert_eq!(refused, ["BPF_PROG_LOAD of program 0 failed with EINVAL (22)"]);
    let logged = judged(&["test_expect_msg=here"], Ok("nothing"), 0);
    assert_eq!(logged, ["the verifier log does not say `here`"]);
    let xlated = judged(&["test_expect_xlated=0: r0 = 1"], Ok(""), 0);
    assert_eq!(xlated, ["the translated program does not say `0: r0 = 1`"]);
}

#[test]
fn a_failure_is_judged_by_the_log() {
    let failure = ["test_expect_failure", "test_expect_msg=why"];
    assert!(judged(&failure, Err((13, "this is why")), 0).is_empty());
    assert_eq!(judged(&failure, Err((13, "")), 0), ["the verifier log does not say `why`"]);
    assert_eq!(judged(&failure, Ok("why"), 0), ["was accepted, its load has to fail"]);
}
