//! The list of tests that the workers of a session share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::test::Test;
use harness_results::event::{Event, Finished, Sort, Stream};
use harness_results::record::Record;

/// What there is to do and what was done.
pub(crate) struct Queue<'a, 's, 'r> {
    tests: &'a [&'a dyn Test],
    /// Index of the next test that nobody has taken.
    next: AtomicUsize,
    /// Index of the last test that is to be ended.
    last: AtomicUsize,
    given_up: AtomicBool,
    /// Place of the first test among all of the session.
    first: usize,
    told: Mutex<Told<'s, 'r>>,
}

struct Told<'s, 'r> {
    stream: &'s mut Stream<'r>,
    done: usize,
    /// How far those are that tell by themselves.
    inside: HashMap<usize, u64>,
}

impl<'a, 's, 'r> Queue<'a, 's, 'r> {
    /// All of the tests, none of them taken.
    pub(crate) fn new(tests: &'a [&'a dyn Test], stream: &'s mut Stream<'r>) -> Self {
        Self {
            tests,
            next: AtomicUsize::new(0),
            last: AtomicUsize::new(usize::MAX),
            given_up: AtomicBool::new(false),
            first: stream.next_order(),
            told: Mutex::new(Told { stream, done: 0, inside: HashMap::new() }),
        }
    }

    /// The next test and its index; none when there is nothing more to begin.
    pub(crate) fn take(&self) -> Option<(usize, &'a dyn Test)> {
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        let test = *self.tests.get(index)?;
        self.wants(index).then_some((index, test))
    }

    /// Whether a test that was taken is still to be ended.
    pub(crate) fn wants(&self, index: usize) -> bool {
        index <= self.last.load(Ordering::SeqCst) && !self.given_up.load(Ordering::SeqCst)
    }

    /// How far a test is that has a progress of its own.
    pub(crate) fn progress(&self, index: usize, done: u64) {
        let mut told = self.told();
        if done > 0 && told.inside.insert(index, done) != Some(done) {
            let all = told.inside.values().sum();
            told.stream.tell(&Event::Progress(all));
        }
    }

    /// A test is over; with `stop`, those after it are not wanted any more.
    pub(crate) fn finish(&self, index: usize, sort: Sort, records: Vec<Record>, stop: bool) {
        if stop {
            self.last.fetch_min(index, Ordering::SeqCst);
        }
        let mut told = self.told();
        told.done += 1;
        if told.inside.is_empty() {
            let done = told.done as u64;
            told.stream.tell(&Event::Progress(done));
        }
        if !records.is_empty() {
            told.stream.finished(Finished { order: self.first + index, sort, records });
        }
    }

    /// Nothing is wanted any more.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Whether every test is over.
    pub(crate) fn is_done(&self) -> bool {
        self.told().done == self.tests.len()
    }

    fn told(&self) -> MutexGuard<'_, Told<'s, 'r>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
