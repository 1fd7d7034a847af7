//! Verdicts on what the module prints, with a guest that prints as told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::log::Tally;
use super::*;
use crate::recorded::MadeWith;
use harness_results::event::Stream;
use harness_results::record::Verdict;
use harness_session::{Alone, Answer, Part, Rules, Scripted, Work};
use harness_vm::{FailureKind, GuestFailure};

const GOOD: &str = "\
test_bpf: #0 TAX jited:1 22 PASS
test_bpf: Summary: 30 PASSED, 0 FAILED, [20/20 JIT'ed]
test_bpf: test_tail_calls: Summary: 11 PASSED, 0 FAILED, [11/11 JIT'ed]
test_bpf: test_skb_segment: Summary: 2 PASSED, 0 FAILED
";

struct Fake {
    text: String,
    errno: i32,
    splats: Vec<String>,
    dies: Option<FailureKind>,
    asked: Option<(Mode, Vec<u8>)>,
    params: Vec<String>,
}

impl Fake {
    fn prints(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            errno: 0,
            splats: Vec::new(),
            dies: None,
            asked: None,
            params: vec![],
        }
    }

    fn answers(&mut self, work: Work, logged: &mut dyn FnMut(&str)) -> Answer {
        for request in work.requests {
            let Request::LoadModule { params, mode, without_caps, .. } = request else {
                panic!("{request:?}")
            };
            self.asked = Some((mode, without_caps));
            self.params.push(params);
        }
        logged(&self.text);
        match self.dies {
            Some(kind) => Answer::Dead(Box::new(GuestFailure {
                kind,
                title: "it is gone".into(),
                case: None,
                console_tail: Vec::new(),
                console_log: PathBuf::new(),
            })),
            None => {
                let first = Response::Module { errno: self.errno };
                let others = self.params.iter().skip(1).map(|_| Response::Module { errno: 0 });
                let responses = [first].into_iter().chain(others).collect();
                Answer::Done { responses, splats: self.splats.clone() }
            }
        }
    }
}

/// The record of a run in a guest that does as told.
fn run(mode: Mode, module: Option<&Path>, reference: &Reference, fake: &mut Fake) -> Record {
    let test = ModuleTest { module, reference, printed: Mutex::default() };
    let mut guest =
        Scripted::new(|work, logged: &mut dyn FnMut(&str)| Ok(fake.answers(work, logged)));
    let rules = Rules { modes: vec![mode], fail_fast: false };
    let part = Part { name: NAME, total: None };
    let mut stream = Stream::new(Vec::new());
    let records =
        harness_session::run(part, &[&test], &rules, &mut guest, &Alone, &mut stream).unwrap();
    records.into_iter().next().unwrap()
}

fn base() -> Reference {
    let tally = |passed, run| Tally { passed, failed: 0, run, jited: run };
    let parts: BTreeMap<String, Tally> = PARTS
        .into_iter()
        .map(str::to_owned)
        .zip([tally(30, 20), tally(11, 11), tally(2, 0)])
        .collect();
    let modes = Mode::EVERY.iter().map(|mode| (mode.name().to_owned(), parts.clone())).collect();
    let made_with = MadeWith { base: "b".into(), patches: 0, key: "k".into() };
    Reference::Base(Recorded { made_with, modes })
}

fn record(mode: Mode, reference: &Reference, fake: &mut Fake) -> Record {
    run(mode, Some(Path::new("/dev/null")), reference, fake)
}

fn problems(text: &str) -> Vec<String> {
    record(Mode::Jit, &base(), &mut Fake::prints(text)).problems
}

#[test]
fn the_same_as_on_the_base_holds() {
    let record = record(Mode::Jit, &base(), &mut Fake::prints(GOOD));
    assert_eq!((record.verdict, record.problems), (Verdict::Passed, vec![]));
    assert_eq!(record.notes[0], "test_bpf: 30 passed, 0 failed, 20 of 20 JITed");
}

#[test]
fn any_other_count_fails() {
    for (count, other) in [("30 PASSED", "29 PASSED"), ("[20/20", "[19/20"), ("11/11", "11/12")] {
        let problems = problems(&GOOD.replacen(count, other, 1));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("on the base"), "{problems:?}");
    }
}

#[test]
fn a_test_that_fails_is_named() {
    let text = GOOD.replace("22 PASS", "ret 1 != 2 FAIL (1 times)").replace("0 FAILED", "1 FAILED");
    let problems = problems(&text);
    assert!(problems[0].contains("#0 TAX"), "{problems:?}");
    assert!(problems.iter().any(|p| p == "test_tail_calls: 1 tests failed"), "{problems:?}");
}

#[test]
fn a_part_without_summary_fails() {
    let text = GOOD.lines().take(3).collect::<Vec<_>>().join("\n");
    assert_eq!(problems(&text), ["test_skb_segment printed no summary"]);
}

#[test]
fn a_program_in_another_mode_fails() {
    let record = record(Mode::Interp, &Reference::None, &mut Fake::prints(GOOD));
    assert_eq!(record.problems.len(), 2, "{record:?}");
    assert!(record.problems[0].contains("another mode"), "{record:?}");
}

#[test]
fn an_errno_a_splat_or_a_lost_line_fails() {
    let errno = Fake { errno: 22, ..Fake::prints(GOOD) };
    let splat = Fake { splats: vec!["WARNING: it".into()], ..Fake::prints(GOOD) };
    let lost = Fake::prints(format!("[records were lost]\n{GOOD}"));
    for mut fake in [errno, splat, lost] {
        let record = record(Mode::Jit, &base(), &mut fake);
        assert_eq!((record.verdict, record.problems.len()), (Verdict::Failed, 1), "{record:?}");
    }
}

#[test]
fn a_guest_that_dies_fails_or_is_broken() {
    let verdict = |kind| {
        let mut fake = Fake { dies: Some(kind), ..Fake::prints("") };
        record(Mode::Jit, &base(), &mut fake).verdict
    };
    assert_eq!(verdict(FailureKind::Oops), Verdict::Failed);
    assert_eq!(verdict(FailureKind::QemuDied), Verdict::Error);
}

#[test]
fn counts_that_were_never_recorded_fail_and_say_how_to() {
    let missing = Reference::Missing("7.2.12".into());
    let record = record(Mode::Jit, &missing, &mut Fake::prints(GOOD));
    assert_eq!(
        record.problems,
        ["there are no counts of the base to compare with; record them with cargo xtask test \
          kernel/test_bpf --base 7.2.12 --series none --bless"]
    );
}

#[test]
fn hardening_of_the_unprivileged_is_run_without_privileges() {
    for &mode in Mode::EVERY {
        let mut fake = Fake::prints(GOOD);
        record(mode, &Reference::None, &mut fake);
        let without: &[u8] = if mode.sysctls() == (1, 1) { &[21, 39] } else { &[] };
        assert_eq!(fake.asked, Some((mode, without.to_vec())));
    }
}

#[test]
fn a_kernel_without_the_module_is_unsupported() {
    let mut fake = Fake::prints("");
    let record = run(Mode::Jit, None, &base(), &mut fake);
    assert_eq!(record.verdict, Verdict::Skipped);
    assert_eq!(fake.asked, None);
}

#[test]
fn every_part_is_loaded_in_every_mode() {
    for &mode in Mode::EVERY {
        let mut fake = Fake::prints(GOOD);
        let record = record(mode, &Reference::None, &mut fake);
        let whole = fake.params == [""];
        let parts =
            |part: &str| fake.params.iter().any(|p| p.starts_with(&format!("test_suite={part}")));
        assert!(whole || PARTS.into_iter().all(parts), "{:?}", fake.params);
        assert_eq!(whole, !record.notes.iter().any(|note| note.starts_with("left out")));
    }
}
