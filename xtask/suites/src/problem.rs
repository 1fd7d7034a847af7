//! What a judge looks at and what it finds wrong.

use bpf_case::Case;
use bpf_object::LoadPlan;
use bpf_wire::{BatchReport, Mode};

use super::explore::Finding;
use super::lower::Role;
use super::model::Expected;
use harness_results::record::{Difference, FailureClass};
use harness_session::test::Found;

/// What is wrong with a case in one mode. Nothing is wrong when there are none.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What it is about.
    pub class: FailureClass,
    /// One line: what was expected and what came.
    pub text: String,
    /// The verifier's log, where it has something to say.
    pub log: String,
    /// The first byte that is another one, where bytes were compared.
    pub difference: Option<Difference>,
    /// The run of the model that shows it.
    pub evidence: Option<Evidence>,
}

impl Problem {
    /// One without log, difference and evidence.
    pub fn new(class: FailureClass, text: impl Into<String>) -> Self {
        Self { class, text: text.into(), log: String::new(), difference: None, evidence: None }
    }

    /// What the kernel gave is not what was expected.
    pub fn result(text: impl Into<String>) -> Self {
        Self::new(FailureClass::Result, text)
    }

    /// Adds it to what is wrong with a test.
    pub fn tell(self, found: &mut Found<'_>) {
        found.push(self.class, [self.text]);
        found.record.differences.extend(self.difference);
        if found.record.log.is_empty() {
            found.record.log = self.log;
        }
    }

    /// Shown by the run of the case with this index.
    pub fn of_run(self, run: usize) -> Self {
        Self { evidence: Some(Evidence::Run(run)), ..self }
    }
}

/// Everything that a verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The case.
    pub case: &'a Case,
    /// Its plan.
    pub plan: &'a LoadPlan,
    /// The mode that was asked for.
    pub mode: Mode,
    /// What the agent was to do.
    pub roles: &'a [Role],
    /// The outcome.
    pub report: &'a BatchReport,
    /// What the model computed.
    pub expected: &'a Expected,
}

/// The run of the model that shows a problem.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// The run of the case with this index, of program 0.
    Run(usize),
    /// What was found on inputs that the case does not state.
    Found {
        /// The program that was run.
        program: usize,
        /// Whether prog arrays were filled.
        linked: bool,
        /// What was found.
        finding: Box<Finding>,
    },
}
