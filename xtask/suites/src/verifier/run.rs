//! The suite `kernel/verifier` as `cargo xtask test` runs it: compiles, runs, compares, records.

use anyhow::Result;
use bpf_wire::Mode;

use crate::guest::Guest;
use crate::recorded::MadeWith;
use crate::verifier::compile;
use crate::verifier::recorded::{Changes, Recorded};
use crate::verifier::suite::{self, Reference, Wanted};
use harness_host::exit::Stop;
use harness_host::ui::Progress;
use harness_kernel::build::{BuiltKernel, KernelRequest};
use harness_kernel::selftests;
use harness_results::event::{Event, Finished, Sort, Stream};
use harness_results::record::{Record, Verdict};

/// Factor on the deadline of one test.
const PATIENCE: u32 = 5;

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
    pub fn run(&self, guest: &mut Guest, stream: &mut Stream<'_>) -> Result<()> {
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
        stream.tell(&Event::Part { name: suite::NAME, total: Some(total as u64) });
        let mut done = 0;
        let ran = suite::run(&files, self.wanted, &self.modes, &reference, guest, |records| {
            done += 1;
            stream.tell(&Event::Progress(done));
            if self.bless {
                return true;
            }
            finished(stream, records.to_vec());
            !(self.fail_fast && records.iter().any(Record::is_bad))
        });
        let mut records = ran?;
        stream.tell(&Event::PartEnded);
        stream.tell(&Event::Note(&suite::summary(&files, self.wanted, &records)));
        let compared = match &reference {
            _ if !self.wanted.is_all() => None,
            Reference::Base(recorded, _) => self.numbers(&records, recorded),
            Reference::None => None,
        };
        if self.bless {
            if self.wanted.is_all() {
                self.record(&mut records, stream)?;
            }
            finished(stream, records);
        }
        if let Some(compared) = compared {
            finished(stream, vec![compared]);
        }
        Ok(())
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
        Some(record)
    }

    /// Records the results; what failed is then what the base lacks.
    fn record(&self, records: &mut [Record], stream: &mut Stream<'_>) -> Result<()> {
        let made_with = MadeWith {
            base: self.built.base.clone(),
            patches: self.built.patches_applied,
            key: self.built.key.clone(),
        };
        let recorded = Recorded { made_with, modes: suite::tally(records) };
        let path = recorded.store()?;
        stream.tell(&Event::Note(&format!("recorded in {}\n", path.display())));
        let none = Changes::default();
        records.iter_mut().for_each(|record| suite::compare(record, &recorded, &none));
        Ok(())
    }
}

/// Tells the stream that tests are over.
fn finished(stream: &mut Stream<'_>, records: Vec<Record>) {
    let order = stream.next_order();
    stream.finished(Finished { order, sort: Sort::Annotated, records });
}
