//! The session's verdicts, with a guest that does as it is told.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bpf_case::builder::{accepts, errno, rejects};
use bpf_case::{Case, Feature};
use bpf_wire::{Batch, BatchReport, Failure, Mode, Output, Request, Step};

use super::{Emission, Prepared, Rules, prepare};
use harness_results::event::{Event, Finished, Reporter, Stream};
use harness_results::record::{Record, Verdict};
use harness_session::{Alone, Answer, Executor, Scripted, Work, Workers};
use harness_vm::{FailureKind, GuestFailure};

const PATCH: &str = "bpf: Mend it";

/// The records of some cases in one guest.
fn run(cases: &[Prepared], rules: &Rules, executor: &mut dyn Executor) -> Result<Vec<Record>> {
    super::run("cases", cases, rules, executor, &Alone, &mut Stream::new(Vec::new()))
}

/// What the guest does with a batch that is not a probe.
#[derive(Clone)]
enum Does {
    /// Accepts the program, which returns this.
    Returns(u32),
    /// Refuses the program.
    Refuses(i32, &'static str),
    /// Runs in another mode than asked.
    Interprets(u32),
    /// Shows a splat.
    Splats,
    /// Dies.
    Dies(FailureKind),
}

/// A guest that supports everything, or no gotox, and answers as the list says.
struct Fake {
    gotox: bool,
    does: VecDeque<Does>,
    batches: Vec<(String, Mode)>,
    sent: VecDeque<(String, Mode, Vec<Step>)>,
    events: Vec<String>,
}

impl Fake {
    fn new(does: impl IntoIterator<Item = Does>) -> Self {
        Self {
            gotox: true,
            does: does.into_iter().collect(),
            batches: Vec::new(),
            sent: VecDeque::new(),
            events: Vec::new(),
        }
    }
}

/// Name, mode and steps of a batch.
fn batch(work: Work) -> (String, Mode, Vec<Step>) {
    match work.requests.into_iter().next() {
        Some(Request::Batch(Batch { steps, .. })) => (work.name, work.mode, steps),
        other => panic!("no batch: {other:?}"),
    }
}

impl Fake {
    fn does(&mut self, (name, mode, steps): (String, Mode, Vec<Step>)) -> Result<Answer> {
        let name = name.as_str();
        let does = match name {
            "probe/gotox" if !self.gotox => Does::Refuses(errno::EINVAL, "unknown opcode 0d"),
            name if name.starts_with("probe/") => Does::Returns(0x0123_4567),
            _ => {
                self.batches.push((name.to_owned(), mode));
                self.does.pop_front().expect("the session asks for no more than was foreseen")
            }
        };
        if let Does::Dies(kind) = does {
            return Ok(Answer::Dead(Box::new(GuestFailure {
                kind,
                title: "it is gone".into(),
                case: Some(name.to_owned()),
                console_tail: vec!["last words".into()],
                console_log: PathBuf::new(),
            })));
        }
        let splats = if matches!(does, Does::Splats) { vec!["WARNING: it".into()] } else { vec![] };
        let mut outputs = Vec::new();
        for step in steps {
            let output = match (&step, &does) {
                (Step::LoadProgram(_), Does::Refuses(errno, log)) => {
                    Err(Failure { errno: *errno, log: (*log).to_owned() })
                }
                (Step::LoadProgram(load), _) => Ok(loaded(mode, &does, load.dump)),
                (Step::TestRun { .. }, Does::Returns(retval) | Does::Interprets(retval)) => {
                    Ok(Output::Ran { retval: *retval, data: vec![], ctx: vec![] })
                }
                (Step::TestRun { .. }, _) => {
                    Ok(Output::Ran { retval: 7, data: vec![], ctx: vec![] })
                }
                _ => Ok(Output::Done),
            };
            let failed = output.is_err();
            outputs.push(output);
            if failed {
                break;
            }
        }
        let (jit_enable, jit_harden) = mode.sysctls();
        let report = BatchReport { steps: outputs, jit_enable, jit_harden };
        Ok(Answer::batch(report, splats))
    }
}

/// Executes what it was sent when it is asked for the answer.
impl Executor for Fake {
    fn submit(&mut self, work: Work) -> Result<()> {
        self.events.push(format!("{} sent", work.name));
        self.sent.push_back(batch(work));
        Ok(())
    }

    fn answer(&mut self, _: &mut dyn FnMut(&str)) -> Result<Answer> {
        let sent = self.sent.pop_front().expect("only what was sent is answered");
        self.events.push(format!("{} answered", sent.0));
        self.does(sent)
    }

    fn abandon(&mut self) {
        self.events.extend(self.sent.drain(..).map(|(name, ..)| format!("{name} abandoned")));
    }
}

fn loaded(mode: Mode, does: &Does, dump: bool) -> Output {
    let interprets = mode == Mode::Interp || matches!(does, Does::Interprets(_));
    // r12 ^= 1, as blinding leaves it behind.
    let blinded = [0xa7, 0x0c, 0, 0, 1, 0, 0, 0];
    let xlated = if dump && mode == Mode::JitHardened { blinded.to_vec() } else { vec![] };
    Output::Loaded {
        log: String::new(),
        jited_len: if interprets { 0 } else { 64 },
        xlated_len: 8,
        verified_insns: 2,
        xlated,
        jited: if interprets { vec![] } else { vec![0xc3; 64] },
        jited_funcs: vec![(0, 64)],
    }
}

fn seven() -> Case {
    accepts("t/seven", "returns 7", "r0 = 7\nexit").run(vec![], 7).into()
}

fn refused() -> Case {
    rejects("t/refused", "returns nothing", "exit").log("R0 !read_ok").into()
}

fn rules(modes: &[Mode]) -> Rules {
    Rules {
        modes: modes.to_vec(),
        fail_fast: false,
        declared: false,
        patches: Some(vec![]),
        probe: true,
        too_strict: true,
        emission: Emission::default(),
        contain: None,
    }
}

fn records(cases: Vec<Case>, rules: &Rules, fake: &mut Fake) -> Vec<Record> {
    let prepared: Vec<_> = cases.into_iter().map(prepare).collect();
    run(&prepared, rules, fake).expect("the session goes on")
}

fn verdicts(cases: Vec<Case>, does: impl IntoIterator<Item = Does>) -> Vec<Verdict> {
    let records = records(cases, &rules(&[Mode::Jit]), &mut Fake::new(does));
    records.iter().map(|record| record.verdict).collect()
}

#[test]
fn a_case_holds_where_author_model_and_kernel_agree() {
    assert_eq!(verdicts(vec![seven()], [Does::Returns(7)]), [Verdict::Passed]);
}

#[test]
fn a_wrong_result_fails() {
    assert_eq!(verdicts(vec![seven()], [Does::Returns(8)]), [Verdict::Failed]);
}

#[test]
fn a_wrong_expectation_fails_though_kernel_and_model_agree() {
    let case = accepts("t/wrong", "states 8", "r0 = 7\nexit").run(vec![], 8).into();
    assert_eq!(verdicts(vec![case], [Does::Returns(7)]), [Verdict::Failed]);
}

#[test]
fn a_program_that_runs_in_another_mode_fails() {
    assert_eq!(verdicts(vec![seven()], [Does::Interprets(7)]), [Verdict::Failed]);
}

#[test]
fn a_fall_back_to_the_interpreter_holds_only_where_it_is_stated() {
    let case = |fails: bool| {
        let case = accepts("t/fall_back", "cannot be blinded", "r0 = 7\nexit").run(vec![], 7);
        if fails { case.blinding_fails().into() } else { Case::from(case) }
    };
    let verdict = |case, does| {
        records(vec![case], &rules(&[Mode::JitHardened]), &mut Fake::new([does]))[0].verdict
    };
    assert_eq!(verdict(case(true), Does::Interprets(7)), Verdict::Passed);
    assert_eq!(verdict(case(true), Does::Returns(7)), Verdict::Failed);
    assert_eq!(verdict(case(false), Does::Interprets(7)), Verdict::Failed);
}

#[test]
fn a_program_that_needs_the_jit_is_refused_where_it_cannot_be_blinded() {
    let verdict = |mode, does| {
        let case = accepts("t/refused", "cannot be blinded", "r0 = 7\nexit")
            .blinding_refused(errno::ENOTSUPP)
            .run(vec![], 7)
            .into();
        records(vec![case], &rules(&[mode]), &mut Fake::new([does]))[0].verdict
    };
    let hardened = Mode::JitHardened;
    assert_eq!(verdict(hardened, Does::Refuses(errno::ENOTSUPP, "")), Verdict::Passed);
    assert_eq!(verdict(hardened, Does::Refuses(errno::EINVAL, "")), Verdict::Failed);
    assert_eq!(verdict(hardened, Does::Interprets(7)), Verdict::Failed);
    assert_eq!(verdict(Mode::Jit, Does::Returns(7)), Verdict::Passed);
    assert_eq!(verdict(Mode::Jit, Does::Refuses(errno::ENOTSUPP, "")), Verdict::Failed);
}

#[test]
fn a_refusal_has_to_have_the_errno_and_the_words() {
    let with = |errno, log| verdicts(vec![refused()], [Does::Refuses(errno, log)])[0];
    assert_eq!(with(errno::EINVAL, "0: R0 !read_ok"), Verdict::Passed);
    assert_eq!(with(errno::EACCES, "0: R0 !read_ok"), Verdict::Failed);
    assert_eq!(with(errno::EINVAL, "something else"), Verdict::Failed);
    assert_eq!(verdicts(vec![refused()], [Does::Returns(0)]), [Verdict::Failed]);
    assert_eq!(verdicts(vec![seven()], [Does::Refuses(errno::EINVAL, "")]), [Verdict::Failed]);
}

#[test]
fn the_kernels_crash_fails_the_case_and_the_next_one_runs() {
    let cases = || vec![seven(), seven()];
    let with = |kind| verdicts(cases(), [Does::Dies(kind), Does::Returns(7)]);
    assert_eq!(with(FailureKind::Oops), [Verdict::Failed, Verdict::Passed]);
    assert_eq!(with(FailureKind::Silent), [Verdict::Failed, Verdict::Passed]);
    assert_eq!(with(FailureKind::QemuDied), [Verdict::Error, Verdict::Passed]);
}

#[test]
fn a_splat_fails_the_case_that_was_right_otherwise() {
    assert_eq!(verdicts(vec![seven()], [Does::Splats]), [Verdict::Failed]);
}

#[test]
fn what_the_kernel_lacks_is_unsupported_unless_it_is_declared_to_have_it() {
    let case =
        || accepts("t/needs", "r", "r0 = 7\nexit").needs(Feature::Gotox).run(vec![], 7).into();
    let mut fake = Fake { gotox: false, ..Fake::new([]) };
    let undeclared = records(vec![case()], &rules(&[Mode::Jit]), &mut fake);
    assert_eq!(undeclared[0].verdict, Verdict::Skipped);
    assert!(
        undeclared[0].problems[0].contains("unknown opcode 0d"),
        "{:?}",
        undeclared[0].problems
    );
    let declared = Rules { declared: true, ..rules(&[Mode::Jit]) };
    assert_eq!(records(vec![case()], &declared, &mut fake)[0].verdict, Verdict::Failed);
    assert!(fake.batches.is_empty(), "the case itself is not run");
}

#[test]
fn without_a_probe_what_the_kernel_lacks_makes_the_case_fail() {
    let case = accepts("t/needs", "r", "r0 = 7\nexit").needs(Feature::Gotox).run(vec![], 7);
    let rules = Rules { probe: false, ..rules(&[Mode::Jit]) };
    let mut fake = Fake { gotox: false, ..Fake::new([Does::Refuses(errno::EINVAL, "0d")]) };
    assert_eq!(records(vec![case.into()], &rules, &mut fake)[0].verdict, Verdict::Failed);
    assert_eq!(fake.batches.len(), 1, "the case itself is run, and nothing else");
}

#[test]
fn a_case_that_crashes_the_base_is_run_only_where_the_patch_may_be() {
    let case = || accepts("t/crash", "r", "r0 = 7\nexit").fixed_by(PATCH).run(vec![], 7).into();
    let verdict = |patches: Option<Vec<String>>| {
        let rules = Rules { patches, ..rules(&[Mode::Jit]) };
        records(vec![case()], &rules, &mut Fake::new([Does::Returns(7)]))[0].verdict
    };
    assert_eq!(verdict(Some(vec![])), Verdict::Skipped);
    assert_eq!(verdict(Some(vec![PATCH.into()])), Verdict::Passed);
    assert_eq!(verdict(None), Verdict::Passed);
}

#[test]
fn fail_fast_stops_behind_the_first_failure() {
    let rules = Rules { fail_fast: true, ..rules(&[Mode::Jit]) };
    let mut fake = Fake::new([Does::Returns(8)]);
    assert_eq!(records(vec![seven(), seven()], &rules, &mut fake).len(), 1);
}

#[test]
fn fail_fast_does_not_wait_for_a_hang_in_every_mode() {
    let with = |kind, fail_fast| {
        let rules = Rules { fail_fast, ..rules(&Mode::ALL) };
        let does = [Does::Dies(kind), Does::Returns(7), Does::Returns(7)];
        records(vec![seven()], &rules, &mut Fake::new(does)).len()
    };
    assert_eq!(with(FailureKind::Hung, true), 1);
    assert_eq!(with(FailureKind::Oops, true), 3);
    assert_eq!(with(FailureKind::Hung, false), 3);
}

#[test]
fn every_mode_that_was_asked_for_is_run() {
    let mut fake = Fake::new([Does::Returns(7), Does::Returns(7), Does::Returns(7)]);
    let records = records(vec![seven()], &rules(&Mode::ALL), &mut fake);
    assert_eq!(records.len(), 3);
    let modes: Vec<Mode> = fake.batches.iter().map(|(_, mode)| *mode).collect();
    assert_eq!(modes, Mode::ALL);
}

#[test]
fn a_case_that_does_not_compile_is_the_harness_own_fault() {
    let case = accepts("t/broken", "no such instruction", "frobnicate\nexit").run(vec![], 7).into();
    assert_eq!(verdicts(vec![case], []), [Verdict::Error]);
}

fn named(name: &str) -> Case {
    accepts(name, "returns 7", "r0 = 7\nexit").run(vec![], 7).into()
}

#[test]
fn the_guest_has_the_next_batch_while_one_is_judged() {
    let mut fake = Fake::new([Does::Returns(7), Does::Returns(7), Does::Returns(7)]);
    let rules = Rules { probe: false, ..rules(&[Mode::Jit]) };
    records(vec![named("a"), named("b"), named("c")], &rules, &mut fake);
    let expected = ["a sent", "b sent", "a answered", "c sent", "b answered", "c answered"];
    assert_eq!(fake.events, expected);
}

#[test]
fn what_was_sent_ahead_of_a_failure_is_given_up_and_not_recorded() {
    let mut fake = Fake::new([Does::Returns(7), Does::Returns(8)]);
    let rules = Rules { fail_fast: true, probe: false, ..rules(&[Mode::Jit]) };
    let records = records(vec![named("a"), named("b"), named("c")], &rules, &mut fake);
    let verdicts: Vec<_> = records.iter().map(|record| (&*record.name, record.verdict)).collect();
    assert_eq!(verdicts, [("a", Verdict::Passed), ("b", Verdict::Failed)]);
    assert_eq!(fake.events.last().unwrap(), "c abandoned");
}

/// Guests that are there for one session, and do with a batch what its name says.
struct Fakes {
    helpers: usize,
    employed: AtomicUsize,
}

/// Returns 7, or 8 in cases that are called `wrong`; fails to start another guest in `trouble`.
fn fake_by_name() -> impl Executor {
    Scripted::new(|work: Work, _: &mut dyn FnMut(&str)| {
        anyhow::ensure!(!work.name.contains("trouble"), "no guest can be started");
        let retval = if work.name.contains("wrong") { 8 } else { 7 };
        // So that the others get their turn.
        std::thread::yield_now();
        Fake::new([Does::Returns(retval)]).does(batch(work))
    })
}

impl Workers for Fakes {
    fn helpers(&self) -> usize {
        self.helpers
    }

    fn employ(
        &self,
        _: usize,
        work: &mut dyn FnMut(&mut dyn Executor) -> Result<()>,
    ) -> Result<()> {
        self.employed.fetch_add(1, Ordering::SeqCst);
        work(&mut fake_by_name())
    }
}

/// Name, mode and verdict.
type Brief = (String, &'static str, Verdict);

/// Is told the names of cases as they end.
struct Ended(Vec<String>);

impl Reporter for Ended {
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        if let Event::Finished(Finished { records, .. }) = event {
            assert_eq!(records.len(), Mode::ALL.len());
            self.0.push(records[0].name.clone());
        }
        Ok(())
    }
}

/// Names and verdicts in the order of the records, and of the cases as they ended.
fn with_helpers(
    helpers: usize,
    names: &[String],
    fail_fast: bool,
) -> Result<(Vec<Brief>, Vec<String>)> {
    let cases: Vec<_> = names.iter().map(|name| prepare(named(name))).collect();
    let rules = Rules { probe: false, fail_fast, ..rules(&Mode::ALL) };
    let workers = Fakes { helpers, employed: AtomicUsize::new(0) };
    let mut ended = Ended(Vec::new());
    let mut stream = Stream::new(vec![&mut ended]);
    let records = super::run("cases", &cases, &rules, &mut fake_by_name(), &workers, &mut stream)?;
    let Ended(ended) = ended;
    assert_eq!(workers.employed.into_inner(), helpers.min(names.len() - 1));
    Ok((records.into_iter().map(|it| (it.name, it.mode, it.verdict)).collect(), ended))
}

fn names(count: usize, wrong: &[usize]) -> Vec<String> {
    let name = |n| if wrong.contains(&n) { format!("t/wrong_{n}") } else { format!("t/{n}") };
    (0..count).map(name).collect()
}

#[test]
fn several_jobs_give_the_records_of_one_in_the_same_order() {
    let names = names(40, &[3, 17, 39]);
    let (one, _) = with_helpers(0, &names, false).unwrap();
    for helpers in [1, 3, 60] {
        let (several, mut ended) = with_helpers(helpers, &names, false).unwrap();
        assert_eq!(several, one);
        ended.sort();
        let mut sorted = names.clone();
        sorted.sort();
        assert_eq!(ended, sorted, "each case is told once");
    }
}

#[test]
fn a_failure_stops_all_jobs_behind_what_comes_before_it() {
    let names = names(4000, &[20]);
    for helpers in [0, 3] {
        let (records, ended) = with_helpers(helpers, &names, true).unwrap();
        let failed: Vec<_> = records.iter().filter(|it| it.2 == Verdict::Failed).collect();
        assert_eq!(failed.len(), Mode::ALL.len());
        let upto: Vec<_> = records.iter().take(21 * 3).map(|it| &it.0).step_by(3).collect();
        assert_eq!(upto, names[..21].iter().collect::<Vec<_>>());
        assert!(ended.len() < names.len(), "{} cases with {helpers} helpers", ended.len());
    }
}

#[test]
fn trouble_of_one_job_ends_the_session() {
    let mut names = names(4000, &[]);
    names[30] = "t/trouble".into();
    for helpers in [0, 1, 3] {
        let error = with_helpers(helpers, &names, false).unwrap_err();
        assert_eq!(error.to_string(), "no guest can be started");
    }
}
