//! What a session runs: tests, each of which says what the guest is asked for and what its answer is
//! worth. Guests, deaths, splats, skipping, counting and reporting are the session's.

use bpf_wire::{Mode, Request, Response, Step};

use crate::executor::Work;
use harness_results::event::Sort;
use harness_results::record::{FailureClass, Record};

/// A test: a case, an object of a user's, an annotated program, a module of the kernel.
pub trait Test: Sync {
    /// Its name in reports, which filters match.
    fn name(&self) -> &str;

    /// Whether it is a test in this mode at all. Without, there is not a record of it.
    fn is_for(&self, _mode: Mode) -> bool {
        true
    }

    /// What it needs in a mode and there is not, if so.
    fn unmet(&self, _mode: Mode) -> Option<Unmet> {
        None
    }

    /// What the guest is asked for.
    ///
    /// # Errors
    ///
    /// What is wrong with the test itself.
    fn plan(&self, mode: Mode) -> Result<Plan, String>;

    /// The guest has answered in a mode; the plan of a later mode may depend on it. Plans are sent
    /// ahead, so that of the next mode may have been made before.
    fn answered(&self, _seen: &[Response]) {}

    /// Who judges it, in one mode after the other.
    fn judge(&self) -> Box<dyn Judge + '_>;
}

/// Judges a test. It lives for as long as the test runs, and may keep what is the same in every mode.
pub trait Judge {
    /// Takes what the kernel logs while a module is loaded. Gives how many tests of the module have
    /// started, to show.
    fn logged(&mut self, _text: &str) -> u64 {
        0
    }

    /// Judges what the guest answered, one response for each request of the plan. Splats are the
    /// session's to tell.
    fn judge(&mut self, mode: Mode, plan: &Plan, seen: &[Response], found: &mut Found<'_>);

    /// The guest did not survive it, which the record says already.
    fn lost(&mut self, _mode: Mode, _record: &mut Record) {}

    /// It has run in all modes. Gives what reports for people show of it.
    fn end(self: Box<Self>, records: &mut Vec<Record>) -> Sort;
}

/// Why a test is not run.
#[derive(Clone, Debug)]
pub struct Unmet {
    /// What is lacking.
    pub reason: String,
    /// Whether that is a failure: the kernel is declared to have it.
    pub declared: bool,
}

/// What the guest is asked for, for one test in one mode.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The requests. The session takes them when it sends them.
    pub requests: Vec<Request>,
    /// Factor on the deadline of each request.
    pub patience: u32,
    /// Where there is a batch, what each of its steps is for.
    pub roles: Vec<Role>,
}

impl Plan {
    /// A batch.
    pub fn batch(name: &str, mode: Mode, lowered: Lowered) -> Self {
        let Work { requests, patience, .. } = Work::batch(name, mode, lowered.steps);
        Self { requests, patience, roles: lowered.roles }
    }
}

/// What a step is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Loads the BTF.
    LoadBtf,
    /// Creates the map with this index.
    CreateMap(usize),
    /// Writes an element of the map with this index.
    UpdateElem(usize),
    /// Freezes the map with this index.
    Freeze(usize),
    /// Loads the program with this index.
    Load(usize),
    /// Makes the run with this index.
    Run(usize),
    /// Writes an entry of the prog array with this index.
    UpdateProgArray(usize),
    /// Opens the events of the array of perf events with this index.
    OpenEvents(usize),
    /// Reads the map with this index.
    DumpMap(usize),
    /// Takes out what programs have written into the map with this index.
    Drain(usize),
    /// Makes the check with this index.
    Check(usize),
    /// Reads the instruction array with this index, to see where it leads in the machine code.
    DumpTable(usize),
}

/// Steps and, for each, its role.
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    /// What the agent executes.
    pub steps: Vec<Step>,
    /// As many roles as steps.
    pub roles: Vec<Role>,
}

/// Gathers what is wrong with a test in a mode.
#[derive(Debug)]
pub struct Found<'a> {
    /// The record, for what is not wrong but worth telling.
    pub record: &'a mut Record,
    /// Whether what the kernel warned of counts; it does, unless a judge says otherwise.
    pub splats: bool,
    pub(crate) worst: Option<FailureClass>,
}

impl<'a> Found<'a> {
    /// Nothing yet.
    pub fn new(record: &'a mut Record) -> Self {
        Self { record, splats: true, worst: None }
    }

    /// Adds problems.
    pub fn push(&mut self, class: FailureClass, problems: impl IntoIterator<Item = String>) {
        for problem in problems {
            self.record.problems.push(problem);
            self.worst = Some(self.worst.map_or(class, |worst| worst.min(class)));
        }
    }
}
