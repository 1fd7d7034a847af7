//! What one guest's thread does: takes cases, keeps the guest busy, judges.
//!
//! Every case in every mode is an item of a queue, in the order in which it will be recorded. Those that
//! go to the guest are sent up to [`AHEAD`] at a time; the oldest is waited for, another one is sent, and
//! only then the answer is judged, while the guest is at the next.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use anyhow::Result;
use bpf_object::LoadPlan;
use bpf_wire::Mode;

use super::board::Board;
use super::{Contain, Modelled, Pipeline, Prepared, Rules, judge_answer, unsupported};
use crate::contain;
use crate::lower::{Lowered, lower};
use crate::model;
use crate::probe::Support;
use harness_results::record::{FailureClass, Record, Verdict};
use harness_vm::FailureKind;

/// Batches that a guest has at a time: one that it executes and one that waits.
const AHEAD: usize = 2;

/// A case in a mode.
struct Item<'a> {
    index: usize,
    prepared: &'a Prepared,
    mode: Mode,
    /// Whether it is the last of its case.
    last: bool,
    what: What<'a>,
}

enum What<'a> {
    /// There is nothing to execute.
    Known(Box<Record>),
    /// The guest has it.
    Sent(&'a LoadPlan, Lowered, Instant),
}

/// The case whose items are being judged.
#[derive(Default)]
struct Judged {
    modelled: Option<Modelled>,
    records: Vec<Record>,
}

struct Worker<'a, 'w> {
    board: &'w Board<'a>,
    rules: &'w Rules,
    support: &'w Support,
    executor: &'w mut dyn Pipeline,
    queue: VecDeque<Item<'a>>,
    /// Items of the queue that the guest has.
    sent: usize,
    /// The case that is being sent, and how many of its modes are in the queue.
    sending: Option<(usize, &'a Prepared, usize)>,
    judged: Judged,
    /// Instructions that the verifier went through for a case, as an earlier mode has shown.
    verified: HashMap<usize, u64>,
    /// When the guest's last answer was taken.
    answered: Option<Instant>,
}

/// Takes cases from the board until there are none that are wanted.
///
/// # Errors
///
/// When the guest cannot be started, or the session was interrupted.
pub(super) fn work<'a>(
    board: &Board<'a>,
    rules: &Rules,
    support: &Support,
    executor: &mut dyn Pipeline,
) -> Result<()> {
    let mut worker = Worker {
        board,
        rules,
        support,
        executor,
        queue: VecDeque::new(),
        sent: 0,
        sending: None,
        judged: Judged::default(),
        verified: HashMap::new(),
        answered: None,
    };
    worker.fill()?;
    while let Some(item) = worker.queue.pop_front() {
        if !board.wants(item.index) {
            // Nor is what comes behind it.
            worker.abandon();
            break;
        }
        worker.take(item)?;
        worker.fill()?;
    }
    Ok(())
}

impl<'a> Worker<'a, '_> {
    /// Queues items until the guest has enough.
    fn fill(&mut self) -> Result<()> {
        while self.sent < AHEAD {
            let (index, prepared, queued) = match self.sending.take() {
                Some(sending) => sending,
                None => match self.board.take() {
                    Some((index, prepared)) => (index, prepared, 0),
                    None => break,
                },
            };
            let Some(mode) = self.rules.modes.get(queued).copied() else {
                self.board.finish(index, Vec::new(), false);
                continue;
            };
            let last = queued + 1 == self.rules.modes.len();
            let what = self.send(index, prepared, mode)?;
            self.queue.push_back(Item { index, prepared, mode, last, what });
            if !last {
                self.sending = Some((index, prepared, queued + 1));
            }
        }
        Ok(())
    }

    fn send(&mut self, index: usize, prepared: &'a Prepared, mode: Mode) -> Result<What<'a>> {
        let mut record = Record::new(&prepared.case.name, mode);
        let plan = match &prepared.plan {
            Ok(plan) => plan,
            Err(error) => {
                record.verdict = Verdict::Broken;
                record.problems.push(format!("the case does not compile: {error}"));
                return Ok(What::Known(Box::new(record)));
            }
        };
        if let Some(reason) = unsupported(&prepared.case, mode, self.rules, self.support) {
            let declared = self.rules.declared;
            record.verdict = if declared { Verdict::Failed } else { Verdict::Skipped };
            record.failure = declared.then_some(FailureClass::Unsupported);
            record.problems.push(reason);
            return Ok(What::Known(Box::new(record)));
        }
        let mut lowered = lower(&prepared.case, plan);
        if let Some(Contain { tally, .. }) = &self.rules.contain
            && self.rules.modes.last() == Some(&mode)
        {
            tally.ask(&prepared.case, &mut lowered, self.verified.remove(&index));
        }
        // The judges need the roles alone.
        let steps = std::mem::take(&mut lowered.steps);
        self.executor.submit(&prepared.case.name, mode, steps)?;
        self.sent += 1;
        Ok(What::Sent(plan, lowered, Instant::now()))
    }

    /// Waits for what comes of the oldest item, and judges it.
    fn take(&mut self, item: Item<'a>) -> Result<()> {
        let Item { index, prepared, mode, last, what } = item;
        let mut filled = Ok(());
        let record = match what {
            What::Known(record) => *record,
            What::Sent(plan, lowered, sent) => {
                let mut record = Record::new(&prepared.case.name, mode);
                let answer = self.executor.answer()?;
                let free = self.answered.map_or(sent, |answered| answered.max(sent));
                let waited = free.elapsed();
                self.answered = Some(Instant::now());
                self.sent -= 1;
                if self.rules.contain.is_some() && !last {
                    self.verified.insert(index, contain::verified(&answer));
                }
                // A guest that cannot be started is no reason to lose what the last one said.
                filled = self.fill();
                let modelled = self.judged.modelled.get_or_insert_with(|| Modelled {
                    expected: model::expect(&prepared.case, plan),
                    ..Modelled::default()
                });
                let subject = (&prepared.case, plan, mode);
                judge_answer(subject, &lowered, answer, waited, self.rules, modelled, &mut record);
                if bad(&record) {
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
            let Judged { records, .. } = std::mem::take(&mut self.judged);
            let stop = hangs || fail_fast && records.iter().any(bad);
            self.board.finish(index, records, stop);
            if hangs {
                self.abandon();
            }
        }
        filled
    }

    fn abandon(&mut self) {
        self.queue.clear();
        self.sent = 0;
        self.sending = None;
        self.executor.abandon();
    }
}

fn bad(record: &Record) -> bool {
    record.is_bad()
}
