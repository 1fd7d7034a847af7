//! What one guest's thread does: takes tests, keeps the guest busy, judges.
//!
//! Every test in every mode is an item of a list, in the order in which it will be recorded. Those that
//! go to the guest are sent up to [`AHEAD`] at a time; the oldest is waited for, another one is sent, and
//! only then the answer is judged, while the guest is at the next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use bpf_wire::Mode;

use crate::Rules;
use crate::executor::{Answer, Executor, Work};
use crate::queue::Queue;
use crate::test::{Found, Judge, Plan, Test};
use harness_results::record::{FailureClass, Record, Verdict};
use harness_vm::FailureKind;

/// Tests that a guest has at a time: one that it executes and one that waits.
const AHEAD: usize = 2;

/// A test in a mode.
struct Item<'a> {
    index: usize,
    test: &'a dyn Test,
    mode: Mode,
    /// Whether it is the last of its test.
    last: bool,
    what: What,
}

enum What {
    /// There is nothing to execute.
    Known(Box<Record>),
    /// The guest has it.
    Sent(Plan, Instant),
}

/// The test whose items are being judged.
#[derive(Default)]
struct Judged<'a> {
    judge: Option<Box<dyn Judge + 'a>>,
    records: Vec<Record>,
}

/// The test that is being sent, and the modes in which it was not sent yet.
struct Sending<'a> {
    index: usize,
    test: &'a dyn Test,
    modes: VecDeque<Mode>,
}

struct Worker<'a, 'w, 's, 'r> {
    queue: &'w Queue<'a, 's, 'r>,
    rules: &'w Rules,
    executor: &'w mut dyn Executor,
    items: VecDeque<Item<'a>>,
    /// Items that the guest has.
    sent: usize,
    sending: Option<Sending<'a>>,
    judged: Judged<'a>,
    /// When the guest's last answer was taken.
    answered: Option<Instant>,
}

/// Takes tests from the queue until there are none that are wanted.
///
/// # Errors
///
/// When the guest cannot be started, or the session was interrupted.
pub(crate) fn work<'a>(
    queue: &Queue<'a, '_, '_>,
    rules: &Rules,
    executor: &mut dyn Executor,
) -> Result<()> {
    let mut worker = Worker {
        queue,
        rules,
        executor,
        items: VecDeque::new(),
        sent: 0,
        sending: None,
        judged: Judged::default(),
        answered: None,
    };
    worker.fill()?;
    while let Some(item) = worker.items.pop_front() {
        if !queue.wants(item.index) {
            // Nor is what comes after it.
            worker.abandon();
            break;
        }
        worker.take(item)?;
        worker.fill()?;
    }
    Ok(())
}

impl<'a> Worker<'a, '_, '_, '_> {
    /// Queues items until the guest has enough.
    fn fill(&mut self) -> Result<()> {
        while self.sent < AHEAD {
            let Some(mut sending) = self.sending.take().or_else(|| self.next()) else { break };
            let Some(mode) = sending.modes.pop_front() else {
                let sort = sending.test.judge().end(&mut Vec::new());
                self.queue.finish(sending.index, sort, Vec::new(), false);
                continue;
            };
            let Sending { index, test, ref modes } = sending;
            let last = modes.is_empty();
            let what = self.send(test, mode)?;
            self.items.push_back(Item { index, test, mode, last, what });
            self.sending = (!last).then_some(sending);
        }
        Ok(())
    }

    fn next(&self) -> Option<Sending<'a>> {
        let (index, test) = self.queue.take()?;
        let modes = self.rules.modes.iter().copied().filter(|mode| test.is_for(*mode)).collect();
        Some(Sending { index, test, modes })
    }

    fn send(&mut self, test: &'a dyn Test, mode: Mode) -> Result<What> {
        let mut record = Record::new(test.name(), mode);
        if let Some(unmet) = test.unmet(mode) {
            record.verdict = if unmet.declared { Verdict::Failed } else { Verdict::Skipped };
            record.failure = unmet.declared.then_some(FailureClass::Unsupported);
            record.problems.push(unmet.reason);
            return Ok(What::Known(Box::new(record)));
        }
        let mut plan = match test.plan(mode) {
            Ok(plan) => plan,
            Err(error) => {
                record.verdict = Verdict::Error;
                record.problems.push(error);
                return Ok(What::Known(Box::new(record)));
            }
        };
        // The judges need the roles alone.
        let requests = std::mem::take(&mut plan.requests);
        let (name, patience) = (record.name, plan.patience);
        self.executor.submit(Work { name, mode, requests, patience })?;
        self.sent += 1;
        Ok(What::Sent(plan, Instant::now()))
    }

    /// Waits for the outcome of the oldest item, and judges it.
    fn take(&mut self, item: Item<'a>) -> Result<()> {
        let Item { index, test, mode, last, what } = item;
        let mut filled = Ok(());
        let judge = self.judged.judge.get_or_insert_with(|| test.judge());
        let record = match what {
            What::Known(record) => *record,
            What::Sent(plan, sent) => {
                let queue = self.queue;
                let mut logged = |text: &str| queue.progress(index, judge.logged(text));
                let answer = self.executor.answer(&mut logged)?;
                let free = self.answered.map_or(sent, |answered| answered.max(sent));
                let waited = free.elapsed();
                self.answered = Some(Instant::now());
                self.sent -= 1;
                if let Answer::Done { responses, .. } = &answer {
                    test.answered(responses);
                }
                // A guest that cannot be started is no reason to lose what the last one said.
                filled = self.fill();
                let mut record = Record::new(test.name(), mode);
                if let Some(judge) = &mut self.judged.judge {
                    judge_answer(judge.as_mut(), mode, &plan, answer, waited, &mut record);
                }
                if record.is_bad() {
                    record.console = self.executor.console();
                }
                record
            }
        };
        let fail_fast = self.rules.fail_fast;
        // Each further mode would take until its deadline as well.
        let hangs = fail_fast && record.guest.is_some_and(FailureKind::is_by_time);
        self.judged.records.push(record);
        if last || hangs {
            let Judged { judge, mut records } = std::mem::take(&mut self.judged);
            let sort = judge.unwrap_or_else(|| test.judge()).end(&mut records);
            let stop = hangs || fail_fast && records.iter().any(Record::is_bad);
            self.queue.finish(index, sort, records, stop);
            if hangs {
                self.abandon();
            }
        }
        filled
    }

    fn abandon(&mut self) {
        self.items.clear();
        self.sent = 0;
        self.sending = None;
        self.executor.abandon();
    }
}

/// Judges the outcome of a test in a mode, `waited` after the guest was free for it: the one way from an
/// answer, or a guest that died, to a verdict.
fn judge_answer(
    judge: &mut dyn Judge,
    mode: Mode,
    plan: &Plan,
    answer: Answer,
    waited: Duration,
    record: &mut Record,
) {
    record.millis = waited.as_millis().try_into().unwrap_or(u64::MAX);
    let (responses, splats) = match answer {
        Answer::Done { responses, splats } => (responses, splats),
        Answer::Dead(failure) => {
            failure.judge(record);
            judge.lost(mode, record);
            return;
        }
    };
    let mut found = Found::new(record);
    judge.judge(mode, plan, &responses, &mut found);
    if found.splats {
        found.push(FailureClass::Guest, splats.into_iter().map(|title| format!("splat: {title}")));
    }
    if let Some(worst) = found.worst {
        record.verdict = Verdict::Failed;
        record.failure = Some(worst);
    }
}
