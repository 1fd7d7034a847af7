//! The suite `kernel/verifier` as `cargo xtask test` runs it: compiles, runs, compares, records.

use anyhow::Result;
use bpf_wire::Mode;

use crate::recorded::MadeWith;
use crate::verifier::compile;
use crate::verifier::recorded::{Changes, Recorded};
use crate::verifier::suite::{self, File, Reference, Wanted};
use harness_host::exit::Stop;
use harness_host::ui::Progress;
use harness_kernel::build::{BuiltKernel, KernelRequest};
use harness_kernel::selftests;
use harness_results::event::{Event, Finished, Sort, Stream};
use harness_results::record::{Record, Verdict};
use harness_session::{self as session, Executor, Part, Rules, Test, Workers};

/// Compiles the files of the suite, as they are in the tree of the kernel that is asked for.
///
/// # Errors
///
/// When there is no such tree, or the host has no compiler.
pub fn files(kernel: &KernelRequest) -> Result<Vec<File>> {
    let tree = selftests::of(kernel.linux.as_deref(), &kernel.base)?;
    let progress = Progress::spinner("compiling progs/verifier_*.c");
    let compiled = compile::compile(&tree)?;
    progress.finish();
    Ok(suite::files(compiled, |name| compile::without_sys_admin(&tree, name)))
}

/// A run of the suite.
#[derive(Debug)]
pub struct Suite<'a> {
    /// What kernel was asked for.
    pub kernel: &'a KernelRequest,
    /// The kernel.
    pub built: &'a BuiltKernel,
    /// Modes to run in.
    pub modes: Vec<Mode>,
    /// Which of its tests.
    pub wanted: &'a Wanted,
    /// Whether to record the results as those of the base.
    pub bless: bool,
    /// Whether to stop at the first failure.
    pub fail_fast: bool,
}

impl Suite<'_> {
    /// Runs it, and tells the stream a record for each test and mode.
    ///
    /// # Errors
    ///
    /// When the host has no compiler, nothing is recorded of the base, or the guest cannot be
    /// started.
    pub fn run(
        &self,
        guest: &mut dyn Executor,
        workers: &dyn Workers,
        stream: &mut Stream<'_>,
    ) -> Result<()> {
        let reference = self.reference()?;
        let files = files(self.kernel)?;
        let tests = suite::tests(&files, self.wanted, &reference);
        if tests.is_empty() && !self.wanted.is_all() {
            return Err(Stop::Usage(format!("no test of {} has such a name", suite::NAME)).into());
        }
        let all: Vec<&dyn Test> = tests.iter().map(|test| test as &dyn Test).collect();
        let part = Part { name: suite::NAME, total: None };
        let rules = Rules { modes: self.modes.clone(), fail_fast: self.fail_fast };
        let records = session::run(part, &all, &rules, guest, workers, stream)?;
        stream.tell(&Event::Note(&suite::summary(&tests, &records)));
        match &reference {
            _ if !self.wanted.is_all() => {}
            Reference::Base(recorded, _) => {
                if let Some(compared) = self.numbers(&records, recorded) {
                    let order = stream.next_order();
                    let records = vec![compared];
                    stream.finished(Finished { order, sort: Sort::Annotated, records });
                }
            }
            Reference::Recording => {
                let made_with = MadeWith {
                    base: self.built.base.clone(),
                    patches: self.built.patches_applied,
                    key: self.built.key.clone(),
                };
                let path = Recorded { made_with, modes: suite::tally(&records) }.store()?;
                stream.tell(&Event::Note(&format!("recorded in {}\n", path.display())));
            }
            Reference::None => {}
        }
        Ok(())
    }

    fn reference(&self) -> Result<Reference> {
        if self.bless && self.wanted.is_all() {
            return Ok(Reference::Recording);
        }
        if self.bless || self.kernel.linux.is_some() {
            return Ok(Reference::None);
        }
        let recorded = Recorded::load(&self.built.base)?.ok_or_else(|| {
            let base = &self.built.base;
            Stop::Usage(format!(
                "nothing is recorded of {} on {base}; record it with\n  {}",
                suite::NAME,
                Recorded::command(base)
            ))
        })?;
        Ok(Reference::Base(recorded, Changes::load()?))
    }

    /// A record with what is wrong with the numbers, if something is.
    fn numbers(&self, records: &[Record], recorded: &Recorded) -> Option<Record> {
        let problems = suite::numbers(records, recorded);
        let mode = self.modes.first().copied().filter(|_| !problems.is_empty())?;
        let mut record = Record::new(suite::NAME, mode);
        record.verdict = Verdict::Failed;
        record.problems = problems;
        Some(record)
    }
}
