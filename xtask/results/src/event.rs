//! What happens in a session: one stream of events, which every report consumes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::facts::{GuestFacts, HostFacts, KernelFacts, Times};
use crate::object::ObjectRun;
use crate::record::{Counts, Record, Report, SCHEMA, TooStrictCase, traces};
use crate::subject::Subject;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The session begins.
    Started {
        /// The kernel under test.
        kernel: &'a KernelFacts,
        /// Where and with what it is run.
        host: &'a HostFacts,
    },
    /// A part of the session begins.
    Part {
        /// Its name.
        name: &'a str,
        /// How much there is to do, where that is known.
        total: Option<u64>,
    },
    /// So much of the part is done.
    Progress(u64),
    /// A test is over.
    Finished(&'a Finished),
    /// A part of the session ended in order.
    PartEnded,
    /// Something for the user to know, in whole lines.
    Note(&'a str),
    /// The session ended, however it did.
    Ended {
        /// All that was found.
        report: &'a Report,
        /// Console of the first guest; those of the others are beside it.
        console: &'a Path,
    },
}

/// A test that is over.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its place among the tests of the session.
    pub order: usize,
    /// What ran.
    pub sort: Sort,
    /// One record for each mode.
    pub records: Vec<Record>,
}

/// Sorts of tests, which reports for people show each in its way.
#[derive(Clone, Debug)]
pub enum Sort {
    /// A case; what it is, where it failed.
    Case(Option<Subject>),
    /// The tests of an annotated program.
    Annotated,
    /// A module that judges itself.
    Module,
    /// A program about which nothing is stated, and what its executions gave.
    Object(Box<ObjectRun>),
}

/// Consumes the events of a session.
pub trait Reporter: Send {
    /// Takes the next event.
    ///
    /// # Errors
    ///
    /// When what the reporter writes to cannot be written.
    fn event(&mut self, event: &Event<'_>) -> Result<()>;
}

/// The stream: tells every reporter, and keeps what the session finds.
pub struct Stream<'a> {
    reporters: Vec<&'a mut dyn Reporter>,
    finished: BTreeMap<usize, Finished>,
    /// Why a reporter failed first.
    failed: Option<anyhow::Error>,
}

impl<'a> Stream<'a> {
    /// A stream to these reporters.
    pub fn new(reporters: Vec<&'a mut dyn Reporter>) -> Self {
        Self { reporters, finished: BTreeMap::new(), failed: None }
    }

    /// Tells every reporter; that one fails does not keep the others from being told.
    pub fn tell(&mut self, event: &Event<'_>) {
        for reporter in &mut self.reporters {
            if let Err(error) = reporter.event(event) {
                self.failed.get_or_insert(error);
            }
        }
    }

    /// A test is over.
    pub fn finished(&mut self, finished: Finished) {
        self.tell(&Event::Finished(&finished));
        self.finished.insert(finished.order, finished);
    }

    /// The place of the next test, after all that are over.
    pub fn next_order(&self) -> usize {
        self.finished.last_key_value().map_or(0, |(order, _)| order + 1)
    }

    /// What was told of the tests that are over, in their order.
    pub fn into_finished(self) -> impl Iterator<Item = Finished> {
        self.finished.into_values()
    }

    /// The records of the tests that are over, from a place on.
    pub fn records_from(&self, order: usize) -> Vec<Record> {
        let finished = self.finished.range(order..);
        finished.flat_map(|(_, finished)| finished.records.iter().cloned()).collect()
    }

    /// Whether a test failed.
    pub fn any_failed(&self) -> bool {
        self.finished.values().any(|it| it.records.iter().any(Record::is_bad))
    }

    /// The session is over: makes its report, and tells it.
    ///
    /// # Errors
    ///
    /// That of the first reporter that failed.
    pub fn end(mut self, facts: SessionFacts, console: &Path) -> Result<Counts> {
        let SessionFacts { kernel, host, times, guests, stopped } = facts;
        let (mut cases, mut subjects) = (Vec::new(), Vec::new());
        for Finished { sort, records, .. } in std::mem::take(&mut self.finished).into_values() {
            cases.extend(records);
            if let Sort::Case(Some(subject)) = sort {
                subjects.push(subject);
            }
        }
        let report = Report {
            schema: SCHEMA,
            kernel,
            host,
            times,
            guests,
            stopped,
            subjects,
            too_strict: TooStrictCase::of(&cases),
            traces: traces(&cases),
            counts: Counts::of(&cases),
            cases,
        };
        self.tell(&Event::Ended { report: &report, console });
        self.failed.map_or(Ok(report.counts), Err)
    }
}

/// What a session ran on, and how it ended.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// The kernel under test.
    pub kernel: KernelFacts,
    /// Where and with what it was run.
    pub host: HostFacts,
    /// What it took.
    pub times: Times,
    /// The guests that were started.
    pub guests: Vec<GuestFacts>,
    /// Why it stopped before its end, if it did.
    pub stopped: Option<String>,
}
