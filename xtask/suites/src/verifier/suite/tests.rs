use bpf_wire::Mode;

use super::*;
use crate::recorded::MadeWith;

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
    Reference::Base(recorded.clone(), Changes::load().unwrap()).compare(&mut record);
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
    Reference::Base(base, Changes::default()).compare(&mut new);
    assert_eq!(new.verdict, Verdict::Failed);
    assert!(new.problems[1].contains("nothing is recorded of g"), "{new:?}");
}

#[test]
fn what_fails_while_it_is_recorded_is_what_the_base_lacks() {
    let mut failed = record("a", Verdict::Failed);
    Reference::Recording.compare(&mut failed);
    assert_eq!((failed.verdict, failed.problems[0].as_str()), (Verdict::Skipped, KNOWN));
    assert_eq!(tally(&[failed])["jit"]["f"].failed, ["a"]);
}

#[test]
fn what_a_patch_means_to_change_may_fail_in_its_mode_alone() {
    let (file, test) = ("verifier_may_goto_1", "may_goto_batch_2");
    let of_file = OfFile { passed: 1, failed: Vec::new() };
    let files = || BTreeMap::from([(file.to_owned(), of_file.clone())]);
    let modes = ["interp", "jit"].map(|mode| (mode.to_owned(), files()));
    let base = Recorded { modes: modes.into(), ..recorded(0, &[]) };
    let reference = Reference::Base(base, Changes::load().unwrap());
    let compared = |mode: Mode| {
        let mut record = Record::new(&format!("{NAME}/{file}/{test}"), mode);
        record.verdict = Verdict::Failed;
        reference.compare(&mut record);
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

#[test]
fn files_without_an_object_are_listed_with_their_reason() {
    let compiled = vec![
        Compiled { name: "verifier_a".into(), object: Err("it includes x".into()) },
        Compiled { name: "verifier_b".into(), object: Ok(b"no object".to_vec()) },
    ];
    let files = files(compiled, |_| true);
    let wanted = Wanted::new(&[NAME.to_owned()]).unwrap();
    let tests = tests(&files, &wanted, &Reference::None);
    let lacking: Vec<_> = tests.iter().map(|test| (test.name(), test.lacks())).collect();
    assert_eq!(lacking[0], ("kernel/verifier/verifier_a", Some("it includes x")));
    assert!(lacking[1].1.is_some() && lacking.len() == 2, "{lacking:?}");
    let text = summary(&tests, &[]);
    assert!(text.contains("skipped 1: it includes x\n  verifier_a\n"), "{text}");
    assert!(text.contains("  verifier_b\n"), "{text}");
}
