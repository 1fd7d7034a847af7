//! A session from its kernel to its reports: what `cargo xtask test` and `check` run.
//!
//! However a session ends, its reporters are told what was found until then.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bpf_case::Suite;
use bpf_wire::Mode;

use crate::cases::{self, Prepared, Rules};
use crate::contain::{Contain, Tally};
use crate::inputs;
use crate::partition::Partition;
use crate::recorded::MadeWith;
use crate::select::{Selected, candidates, select};
use crate::test_bpf::recorded::Recorded;
use crate::test_bpf::{self, ModuleTest, Reference};
use crate::verifier::{compile, run, suite::Wanted};
use harness_host::exit::{Status, Stop};
use harness_host::ui::errln;
use harness_kernel::build::{self, BuiltKernel};
use harness_kernel::series::Selection;
use harness_results::event::{Event, Reporter, SessionFacts, Stream};
use harness_results::facts::{HostFacts, KernelFacts, Times};
use harness_results::record::Verdict;
use harness_session::guest::Guest;
use harness_session::helpers::{self, Helpers};
use harness_session::start::{On, Started, start};
use harness_session::{self as session, Alone, Part};

/// What to run, and on what.
#[derive(Clone, Debug)]
pub struct Job {
    /// The suites of cases there are.
    pub suites: &'static [Suite],
    /// Regular expressions over names; everything without.
    pub filters: Vec<String>,
    /// Modes; every one without.
    pub modes: Vec<Mode>,
    /// The shard, if not all of it.
    pub partition: Option<Partition>,
    /// Guests that run cases at the same time; as many as pay without.
    pub jobs: Option<usize>,
    /// Whether to stop at the first failure.
    pub fail_fast: bool,
    /// Whether to compare the model with what the verifier knows before each instruction.
    pub contain: bool,
    /// Whether to record what the kernel's own suites give as that of the base.
    pub bless: bool,
    /// The kernel, and how its guests are started.
    pub on: On,
}

impl Job {
    /// Everything on a kernel, in as many guests as pay.
    pub fn everything(suites: &'static [Suite], on: On) -> Self {
        Self {
            suites,
            filters: Vec::new(),
            modes: Vec::new(),
            partition: None,
            jobs: None,
            fail_fast: false,
            contain: false,
            bless: false,
            on,
        }
    }

    /// What is selected.
    ///
    /// # Errors
    ///
    /// [`Stop::Usage`] as of [`select`].
    pub fn selected(&self) -> Result<Selected, Stop> {
        let mut selected = select(candidates(self.suites, &self.filters), &self.filters)?;
        if let Some(partition) = self.partition {
            selected.keep(partition);
        }
        Ok(selected)
    }

    /// Runs it and tells the reporters.
    ///
    /// # Errors
    ///
    /// Whatever stands in the way of the kernel, the guests or the reports; Ctrl-C.
    pub fn run(&self, reporters: Vec<&mut dyn Reporter>) -> Result<Status> {
        let mut selected = self.selected()?;
        if self.bless
            && (self.on.kernel.selection != Some(Selection::None) || !self.modes.is_empty())
        {
            return Err(Stop::Usage(
                "--bless records what the base gives in every mode: it goes with --series none, \
                 and without --mode"
                    .to_owned(),
            )
            .into());
        }
        let started =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if selected.verifier.is_some() {
            compile::ensure()?;
        }
        let Started { built, mut guest, console, accel, qemu } = start(&self.on)?;
        let jobs = match self.jobs {
            Some(jobs) => {
                helpers::fit(jobs, guest.memory_mib())?;
                jobs
            }
            // The kernel's tests of the verifier are thousands.
            None if selected.verifier.as_ref().is_some_and(Wanted::is_all) => {
                helpers::most(guest.memory_mib(), usize::MAX)
            }
            None => helpers::most(guest.memory_mib(), selected.cases.len()),
        };
        let helpers = Helpers::new(&guest, jobs);
        let kernel = built.facts(built.release.clone())?;
        let host = HostFacts::new(accel, &qemu, inputs::SEED);
        let start = Instant::now();
        let cases: Vec<Prepared> =
            std::mem::take(&mut selected.cases).into_iter().map(cases::prepare).collect();
        let mut stream = Stream::new(reporters);
        stream.tell(&Event::Started { kernel: &kernel, host: &host });
        let mut parts = Parts { job: self, built: &built, guest: &mut guest, stream: &mut stream };
        let ran = parts.run(&cases, &selected, &helpers, &console);
        let times =
            Times { started, build_ms: built.took.map(millis), cases_ms: millis(start.elapsed()) };
        // How a guest ends tells nothing more once the session stopped.
        let ended = if ran.is_ok() { guest.end() } else { Ok(()) };
        let release = guest.info().map_or_else(String::new, |info| info.kernel_release.clone());
        let facts = SessionFacts {
            kernel: KernelFacts { release, ..kernel },
            host,
            times,
            guests: [guest.facts(), &helpers.facts()].concat(),
            stopped: ran.as_ref().err().map(|error| format!("{error:#}")),
        };
        let told = stream.end(facts, &console);
        if let (Err(_), Err(error)) = (&ran, &told) {
            errln!("error: {error:#}");
        }
        ran?;
        let status = told?.status();
        match ended.and_then(|()| helpers.ended()) {
            // An earlier failure says more.
            Err(error) if status == Status::Harness => {
                errln!("error: {error:#}");
                Ok(Status::Harness)
            }
            ended => ended.map(|()| status),
        }
    }

    /// Those of `all` that are asked for.
    fn modes(&self, all: &[Mode]) -> Vec<Mode> {
        let asked = |mode: &Mode| self.modes.is_empty() || self.modes.contains(mode);
        all.iter().copied().filter(asked).collect()
    }
}

/// The parts of a session, one after the other in the same guest.
struct Parts<'a, 'r> {
    job: &'a Job,
    built: &'a BuiltKernel,
    guest: &'a mut Guest,
    stream: &'a mut Stream<'r>,
}

impl Parts<'_, '_> {
    fn run(
        &mut self,
        cases: &[Prepared],
        selected: &Selected,
        helpers: &Helpers,
        console: &Path,
    ) -> Result<()> {
        let job = self.job;
        let rules = self.rules()?;
        cases::run("cases", cases, &rules, self.guest, helpers, self.stream)?;
        if let Some(Contain { tally, .. }) = &rules.contain {
            self.stream.tell(&Event::Note(&tally.to_string()));
        }
        if selected.test_bpf && !self.stops() {
            self.test_bpf(console)?;
        }
        if let Some(wanted) = &selected.verifier
            && !self.stops()
        {
            let suite = run::Suite {
                kernel: &job.on.kernel,
                built: self.built,
                modes: job.modes(&Mode::ALL),
                wanted,
                bless: job.bless,
                fail_fast: job.fail_fast,
            };
            suite.run(self.guest, helpers, self.stream)?;
        }
        Ok(())
    }

    fn stops(&self) -> bool {
        self.job.fail_fast && self.stream.any_failed()
    }

    /// The module `test_bpf`, in the modes that were asked for.
    fn test_bpf(&mut self, consoles: &Path) -> Result<()> {
        let job = self.job;
        let reference = match &job.on.kernel.linux {
            Some(_) => Reference::None,
            None if job.bless => Reference::None,
            None => Recorded::load(&self.built.base)?
                .map_or_else(|| Reference::Missing(self.built.base.clone()), Reference::Base),
        };
        let mut passed = true;
        let mut counts = BTreeMap::new();
        let module = self.built.test_bpf.as_deref();
        for mode in job.modes(Mode::EVERY) {
            let name = format!("{} {}", test_bpf::NAME, mode.name());
            let test = ModuleTest { module, reference: &reference, printed: Mutex::default() };
            let part = Part { name: &name, total: reference.tests(mode) };
            let rules = session::Rules { modes: vec![mode], fail_fast: job.fail_fast };
            let ran = session::run(part, &[&test], &rules, self.guest, &Alone, self.stream);
            let path = consoles.with_file_name(format!("test_bpf.{}.log", mode.name()));
            fs::write(&path, &test.printed().text)
                .with_context(|| format!("failed to write {}", path.display()))?;
            passed &= ran?.iter().all(|record| record.verdict == Verdict::Passed);
            counts.insert(mode.name().to_owned(), test.printed().tallies.clone());
            if self.stops() {
                break;
            }
        }
        if job.bless && passed {
            let (base, patches) = (self.built.base.clone(), self.built.patches_applied);
            let made_with = MadeWith { base, patches, key: self.built.key.clone() };
            let path = Recorded { made_with, modes: counts }.store()?;
            self.stream.tell(&Event::Note(&format!("recorded in {}\n", path.display())));
        }
        Ok(())
    }

    fn rules(&mut self) -> Result<Rules> {
        let (job, built) = (self.job, self.built);
        let linux = job.on.kernel.linux.is_some();
        Ok(Rules {
            fail_fast: job.fail_fast,
            too_strict: true,
            declared: !linux && built.series == Selection::All && built.patches_applied > 0,
            patches: if linux { None } else { Some(build::subjects(built)?) },
            contain: job.contain.then(|| Contain { tally: Tally::default(), alone: false }),
            ..Rules::on(self.guest, built, job.modes(&Mode::ALL))?
        })
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
