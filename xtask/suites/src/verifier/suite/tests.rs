use bpf_wire::{BatchReport, Output, Step};

use super::*;
use crate::recorded::MadeWith;
use crate::session::Answer;

fn recorded(held: usize, failed: &[&str]) -> Recorded {
    let failed = failed.iter().map(|name| (*name).to_owned()).collect();
    let files = BTreeMap::from([("f".to_owned(), OfFile { passed: held, failed })]);
    let made_with = MadeWith { base: "7.3.4".into(), patches: 0, key: "k".into() };
    Recorded { made_with, modes: BTreeMap::from([("jit".to_owned(), files)]) }
}

fn record(test: &str, verdict: Verdict) -> Record {
    let mut record = Record::new(&format!("{NAME}/f/{test}"), Mode::Jit);
    record.verdict = verdict;
    if verdict == Verdict::Failed {
        record.problems.push("why".to_owned());
    }
    record
}

fn compared(test: &str, verdict: Verdict, recorded: &Recorded) -> Record {
    let mut record = record(test, verdict);
    let changes = Changes::load().unwrap();
    compare(&mut record, recorded, &changes);
    record
}

#[test]
fn the_suite_is_run_when_it_is_named() {
    let wanted = |filter: &str| Wanted::new(&[filter.to_owned()]);
    assert!(wanted("verifier").is_none() && wanted("kernel").is_none());
    assert!(Wanted::new(&[]).is_none());
    for all in ["kernel/verifier", "^kernel/verifier$", "^kernel/verifier/"] {
        assert!(wanted(all).unwrap().is_all(), "{all}");
    }
    let some = wanted("kernel/verifier/verifier_gotox").unwrap();
    assert!(!some.is_all() && some.has("kernel/verifier/verifier_gotox/a"));
    assert!(!some.has("kernel/verifier/verifier_and/a"));
}

#[test]
fn what_held_on_the_base_must_hold() {
    let base = recorded(1, &["b"]);
    let failed = compared("a", Verdict::Failed, &base);
    assert_eq!(failed.verdict, Verdict::Failed);
    assert_eq!(failed.problems, ["why", "on the base it passes"]);
    let known = compared("b", Verdict::Failed, &base);
    assert_eq!((known.verdict, known.problems[0].as_str()), (Verdict::Skipped, KNOWN));
    let mended = compared("b", Verdict::Passed, &base);
    assert_eq!((mended.verdict, mended.notes.len()), (Verdict::Passed, 1));
    let mut new = record("a", Verdict::Failed);
    new.name = format!("{NAME}/g/a");
    compare(&mut new, &base, &Changes::default());
    assert_eq!(new.verdict, Verdict::Failed);
    assert!(new.problems[1].contains("nothing is recorded of g"), "{new:?}");
}

#[test]
fn what_a_patch_means_to_change_may_fail_in_its_mode_alone() {
    let (file, test) = ("verifier_may_goto_1", "may_goto_batch_2");
    let of_file = OfFile { passed: 1, failed: Vec::new() };
    let files = || BTreeMap::from([(file.to_owned(), of_file.clone())]);
    let modes = ["interp", "jit"].map(|mode| (mode.to_owned(), files()));
    let base = Recorded { modes: modes.into(), ..recorded(0, &[]) };
    let changes = Changes::load().unwrap();
    let compared = |mode: Mode| {
        let mut record = Record::new(&format!("{NAME}/{file}/{test}"), mode);
        record.verdict = Verdict::Failed;
        compare(&mut record, &base, &changes);
        record
    };
    let interp = compared(Mode::Interp);
    assert_eq!(interp.verdict, Verdict::Skipped);
    assert!(interp.problems[0].starts_with("changed by \"bpf: Do not use timed"), "{interp:?}");
    assert_eq!(compared(Mode::Jit).verdict, Verdict::Failed);
    // It counts among those that did not hold.
    assert_eq!(tally(&[interp])["interp"][file].failed, [test]);
}

#[test]
fn every_test_of_the_base_has_to_be_there() {
    let base = recorded(1, &["b"]);
    let both = [record("a", Verdict::Passed), compared("b", Verdict::Failed, &base)];
    assert!(numbers(&both, &base).is_empty());
    assert_eq!(numbers(&both[..1], &base), ["jit: 1 tests of f, 2 on the base"]);
    let mut other = record("a", Verdict::Passed);
    other.name = format!("{NAME}/g/a");
    let problems = numbers(&[other], &base);
    assert!(problems[0].contains("nothing is recorded of g"), "{problems:?}");
    assert!(problems[1].contains("no test of f was run"), "{problems:?}");
}

/// Runs every program as one that returns 1.
struct One;

impl Executor for One {
    fn execute(&mut self, _: &str, mode: Mode, steps: Vec<Step>) -> Result<Answer> {
        let output = |step: Step| match step {
            Step::LoadProgram(_) => Ok(Output::Loaded {
                log: String::new(),
                jited_len: u32::from(mode != Mode::Interp),
                xlated_len: 0,
                verified_insns: 0,
                xlated: Vec::new(),
                jited: Vec::new(),
                jited_funcs: Vec::new(),
            }),
            Step::TestRun { .. } => {
                Ok(Output::Ran { retval: 1, data: Vec::new(), ctx: Vec::new() })
            }
            _ => Ok(Output::Done),
        };
        let (jit_enable, jit_harden) = mode.sysctls();
        let steps = steps.into_iter().map(output).collect();
        let report = BatchReport { steps, jit_enable, jit_harden };
        Ok(Answer::Report { report, splats: Vec::new() })
    }
}

#[test]
fn files_without_an_object_are_listed_with_their_reason() {
    let compiled = vec![
        Compiled { name: "verifier_a".into(), object: Err("it includes x".into()) },
        Compiled { name: "verifier_b".into(), object: Ok(b"no object".to_vec()) },
    ];
    let files = files(compiled, |_| true);
    let wanted = Wanted::new(&[NAME.to_owned()]).unwrap();
    let modes = [Mode::Jit];
    let ran = run(&files, &wanted, &modes, &Reference::None, &mut One, |_| true).unwrap();
    assert_eq!(ran.len(), 2);
    assert!(ran.iter().all(|record| record.verdict == Verdict::Skipped));
    let text = summary(&files, &wanted, &ran);
    assert!(text.contains("skipped 1: it includes x\n  verifier_a\n"), "{text}");
    assert!(text.contains("  verifier_b\n"), "{text}");
}
