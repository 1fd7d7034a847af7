//! The suite `kernel/verifier` as `cargo xtask test` runs it: compiles, runs, compares, records.

use anyhow::Result;
use bpf_wire::Mode;

use crate::cli::KernelArgs;
use harness_host::exit::Stop;
use harness_host::ui::{Progress, err, errln};
use harness_kernel::build::BuiltKernel;
use harness_kernel::selftests;
use harness_report::object as shown;
use harness_results::record::{Record, Verdict};
use harness_suites::guest::Guest;
use harness_suites::recorded::MadeWith;
use harness_suites::verifier::compile;
use harness_suites::verifier::recorded::{Changes, Recorded};
use harness_suites::verifier::suite::{self, Reference, Wanted};

/// Factor on the deadline of one test.
const PATIENCE: u32 = 5;

/// A run of the suite.
#[derive(Debug)]
pub(crate) struct Suite<'a> {
    /// What kernel was asked for.
    pub(crate) kernel: &'a KernelArgs,
    /// The kernel.
    pub(crate) built: &'a BuiltKernel,
    /// Modes to run in.
    pub(crate) modes: Vec<Mode>,
    /// Which of its tests.
    pub(crate) wanted: &'a Wanted,
    /// Whether to record the results as those of the base.
    pub(crate) bless: bool,
    /// Whether to stop at the first failure.
    pub(crate) fail_fast: bool,
}

impl Suite<'_> {
    /// Runs it; a record for each test and mode.
    ///
    /// # Errors
    ///
    /// When the host has no compiler, nothing is recorded of the base, or the guest cannot be
    /// started.
    pub(crate) fn run(&self, guest: &mut Guest) -> Result<Vec<Record>> {
        let reference = self.reference()?;
        let tree = selftests::of(self.kernel.linux.as_deref(), &self.kernel.base)?;
        let progress = Progress::spinner("compiling progs/verifier_*.c");
        let compiled = compile::compile(&tree)?;
        progress.finish();
        let files = suite::files(compiled, |name| compile::without_sys_admin(&tree, name));
        let total = suite::programs(&files, self.wanted);
        if total == 0 && !self.wanted.is_all() {
            return Err(Stop::Usage(format!("no test of {} has such a name", suite::NAME)).into());
        }
        // Some tests make the verifier process a million instructions, twice where it refuses:
        // a minute is not enough for that where instructions are emulated.
        guest.wait_longer(PATIENCE);
        let progress = Progress::count(total as u64, suite::NAME);
        let ran = suite::run(&files, self.wanted, &self.modes, &reference, guest, |records| {
            progress.inc(1);
            for of_test in records.chunk_by(|one, other| one.name == other.name) {
                let bad = |it: &Record| matches!(it.verdict, Verdict::Failed | Verdict::Broken);
                if !self.bless && of_test.iter().any(bad) {
                    progress.line(&shown::annotated(&of_test[0].name, of_test));
                    return !self.fail_fast;
                }
            }
            true
        });
        let mut records = ran?;
        progress.finish();
        err!("{}", suite::summary(&files, self.wanted, &records));
        if self.wanted.is_all() {
            if self.bless {
                self.record(&mut records)?;
            } else if let Reference::Base(recorded, _) = &reference {
                records.extend(self.numbers(&records, recorded));
            }
        }
        Ok(records)
    }

    fn reference(&self) -> Result<Reference> {
        if self.bless || self.kernel.linux.is_some() {
            return Ok(Reference::None);
        }
        let recorded = Recorded::load(&self.built.base)?.ok_or_else(|| {
            Stop::Usage(format!(
                "nothing is recorded of {} on {}; record it with\n  \
                 cargo xtask test {} --series none --bless",
                suite::NAME,
                self.built.base,
                suite::NAME
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
        err!("{}", shown::annotated(suite::NAME, std::slice::from_ref(&record)));
        Some(record)
    }

    /// Records the results; what failed is then what the base lacks.
    fn record(&self, records: &mut [Record]) -> Result<()> {
        let made_with = MadeWith {
            base: self.built.base.clone(),
            patches: self.built.patches_applied,
            key: self.built.key.clone(),
        };
        let recorded = Recorded { made_with, modes: suite::tally(records) };
        errln!("recorded in {}", recorded.store()?.display());
        let none = Changes::default();
        records.iter_mut().for_each(|record| suite::compare(record, &recorded, &none));
        Ok(())
    }
}
