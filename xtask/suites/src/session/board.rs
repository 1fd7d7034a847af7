//! The list of cases that the workers of a session share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Prepared;
use harness_results::record::Record;

/// Who is told a case with its records as soon as it is over.
pub(super) type Done<'a> = &'a mut (dyn FnMut(&Prepared, &[Record]) + Send);

/// What there is to do and what was done.
pub(super) struct Board<'a> {
    cases: &'a [Prepared],
    /// Index of the next case that nobody has taken.
    next: AtomicUsize,
    /// Index of the last case that is to be ended.
    last: AtomicUsize,
    given_up: AtomicBool,
    results: Mutex<Results<'a>>,
}

struct Results<'a> {
    records: BTreeMap<usize, Vec<Record>>,
    done: Done<'a>,
}

impl<'a> Board<'a> {
    /// All of the cases, none of them taken.
    pub(super) fn new(cases: &'a [Prepared], done: Done<'a>) -> Self {
        Self {
            cases,
            next: AtomicUsize::new(0),
            last: AtomicUsize::new(usize::MAX),
            given_up: AtomicBool::new(false),
            results: Mutex::new(Results { records: BTreeMap::new(), done }),
        }
    }

    /// The next case and its index; none when there is nothing more to begin.
    pub(super) fn take(&self) -> Option<(usize, &'a Prepared)> {
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        let prepared = self.cases.get(index)?;
        self.wants(index).then_some((index, prepared))
    }

    /// Whether a case that was taken is still to be ended.
    pub(super) fn wants(&self, index: usize) -> bool {
        index <= self.last.load(Ordering::SeqCst) && !self.given_up.load(Ordering::SeqCst)
    }

    /// A case is over; with `stop`, those behind it are not wanted any more.
    pub(super) fn finish(&self, index: usize, records: Vec<Record>, stop: bool) {
        if stop {
            self.last.fetch_min(index, Ordering::SeqCst);
        }
        let mut results = self.results();
        if let Some(prepared) = self.cases.get(index) {
            (results.done)(prepared, &records);
        }
        results.records.insert(index, records);
    }

    /// Nothing is wanted any more.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// The records in the order of the cases.
    pub(super) fn into_records(self) -> Vec<Record> {
        let results = self.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.records.into_values().flatten().collect()
    }

    fn results(&self) -> MutexGuard<'_, Results<'a>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
