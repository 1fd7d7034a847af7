//! `cargo xtask test`: the job. Builds the kernel, boots it, runs the cases, judges them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bpf_wire::Mode;
use clap::Args;

use super::start::{Started, start};
use super::verifier;
use crate::annotated::{compile, suite};
use crate::cli::{GuestArgs, HostArgs, ModeArg};
use crate::exit::{Status, Stop};
use crate::kernel::build::{self, BuiltKernel};
use crate::kernel::series::Selection;
use crate::recorded::MadeWith;
use crate::report::facts::{HostFacts, KernelFacts, Times};
use crate::report::files::ReportArgs;
use crate::report::record::{Counts, Record, Report, SCHEMA, TooStrictCase, Verdict, traces};
use crate::report::repeat::Setting;
use crate::report::subject::Subject;
use crate::report::terminal;
use crate::run::guest::Guest;
use crate::run::helpers::{self, Helpers};
use crate::run::partition::Partition;
use crate::run::select::{Selected, select};
use crate::run::session::{self, Prepared, Rules};
use crate::run::test_bpf::recorded::Recorded;
use crate::run::test_bpf::{self, Reference};
use crate::ui::{Progress, err, errln, out, outln};

/// Steps that a trace shows unless the command line says something else.
const SHOWN_STEPS: usize = 20;

/// Options of `test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask test --install-deps           everything, from a bare machine
  cargo xtask test gotox/many               the cases whose name matches
  cargo xtask test --mode interp --list     what there is
  cargo xtask test --jobs 1                 in one guest, for quiet times
  cargo xtask test --series none            on the base without our patches
  cargo xtask test --linux ~/linux          on your own tree
  cargo xtask test kernel/test_bpf          the kernel's own lib/test_bpf.ko
  cargo xtask test kernel/verifier          the kernel's own progs/verifier_*.c, by clang

Exit status: 0 every case held, 1 a case failed, 2 wrong usage, 69 the host lacks something,
70 the harness itself failed.")]
pub(crate) struct Test {
    /// Regular expressions over names such as gotox/one_target; all cases without.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// List the selected cases and stop.
    #[arg(long)]
    list: bool,
    /// Run only in this mode; may be repeated.
    #[arg(long, value_enum)]
    mode: Vec<ModeArg>,
    /// Go on after a case that failed; the default.
    #[arg(long, conflicts_with = "fail_fast")]
    keep_going: bool,
    /// Stop at the first case that failed.
    #[arg(long)]
    fail_fast: bool,
    /// Guests to run the cases in at the same time, each with a processor and 256 MiB of memory, or what
    /// its config asks for; without, as many as this machine has processors and memory for. What
    /// kernel/test_bpf and kernel/verifier run stays in one.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Steps of the model that are shown of a program that did something else; 0 for none.
    #[arg(long, value_name = "N", default_value_t = SHOWN_STEPS)]
    trace: usize,
    /// List the programs that the kernel rejects though the model finds nothing wrong with them.
    #[arg(long)]
    too_strict: bool,
    #[command(flatten)]
    report: ReportArgs,
    /// Run only this shard of the selected cases: slice:M/N takes every Nth from the Mth on, hash:M/N
    /// goes by a hash of the name, as in cargo nextest.
    #[arg(long, value_name = "slice:M/N|hash:M/N")]
    partition: Option<Partition>,
    /// Record what kernel/test_bpf and kernel/verifier give as that of the base; with --series none
    /// alone.
    #[arg(long, conflicts_with_all = ["list", "linux"])]
    bless: bool,
    #[command(flatten)]
    on: GuestArgs,
}

impl Test {
    /// Every case on a kernel with further configs, by name.
    pub(crate) fn everything_on(config: &[&str], host: HostArgs) -> Self {
        let config = config.iter().map(|name| (*name).to_owned()).collect();
        let mut test = Self::everything(host);
        test.on.kernel.config = config;
        test
    }

    /// What one filter selects, on the default kernel.
    pub(crate) fn only(filter: &str, host: HostArgs) -> Self {
        Self { filters: vec![filter.to_owned()], ..Self::everything(host) }
    }

    /// Every case on the default kernel, with a report in JSON.
    pub(crate) fn everything_reported(report: PathBuf, host: HostArgs) -> Self {
        Self { report: ReportArgs::json(report), ..Self::everything(host) }
    }

    /// Every case on the default kernel.
    pub(crate) fn everything(host: HostArgs) -> Self {
        Self {
            filters: Vec::new(),
            list: false,
            mode: Vec::new(),
            keep_going: true,
            fail_fast: false,
            jobs: None,
            trace: SHOWN_STEPS,
            too_strict: false,
            report: ReportArgs::default(),
            partition: None,
            bless: false,
            on: GuestArgs::default_on(host),
        }
    }

    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let mut selected = select(bpf_suites::all(), &self.filters)?;
        if let Some(partition) = self.partition {
            selected.keep(partition);
        }
        if self.list {
            return Ok(list(&selected));
        }
        if self.bless && (self.on.kernel.series != Some(Selection::None) || !self.mode.is_empty()) {
            return Err(Stop::Usage(
                "--bless records what the base gives in every mode: it goes with --series none, \
                 and without --mode"
                    .to_owned(),
            )
            .into());
        }
        self.report.check()?;
        let started =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if selected.verifier.is_some() {
            compile::ensure()?;
        }
        let Started { built, mut guest, console, accel, qemu } = start(&self.on)?;
        let setting = Setting::new(&built, accel);
        let jobs = match self.jobs {
            Some(jobs) => {
                helpers::fit(jobs as usize, guest.memory_mib())?;
                jobs as usize
            }
            None => helpers::most(guest.memory_mib(), selected.cases.len()),
        };
        let rules = self.rules(&built, &mut guest)?;

        let start = Instant::now();
        let prepared: Vec<Prepared> = selected.cases.into_iter().map(session::prepare).collect();
        let progress = Progress::count(prepared.len() as u64, "cases");
        let helpers = Helpers::new(&guest, jobs);
        let ran =
            session::run_with(&prepared, &rules, &mut guest, &helpers, |prepared, records| {
                progress.inc(1);
                let bad =
                    |record: &Record| matches!(record.verdict, Verdict::Failed | Verdict::Broken);
                if records.iter().any(bad) {
                    let plan = prepared.plan.as_ref().ok();
                    let text =
                        terminal::failure(&prepared.case, plan, records, self.trace, &setting);
                    progress.line(&text);
                }
            });
        let mut records = ran?;
        progress.finish();
        let failed = |record: &Record| record.verdict != Verdict::Held;
        if selected.test_bpf && !(rules.fail_fast && records.iter().any(failed)) {
            records.extend(self.test_bpf(&built, &mut guest, &console, &setting)?);
        }
        if let Some(wanted) = &selected.verifier
            && !(rules.fail_fast && records.iter().any(failed))
        {
            let suite = verifier::Suite {
                kernel: &self.on.kernel,
                built: &built,
                modes: self.modes(&Mode::ALL),
                wanted,
                bless: self.bless,
                fail_fast: rules.fail_fast,
            };
            records.extend(suite.run(&mut guest)?);
        }
        let release = guest.info().map_or_else(String::new, |info| info.kernel_release.clone());
        let times =
            Times { started, build_ms: built.took.map(millis), cases_ms: millis(start.elapsed()) };
        let ended = guest.end();
        let guests = [guest.facts(), &helpers.facts()].concat();
        for (number, facts) in guests.iter().enumerate() {
            errln!("guest {}: {}", number + 1, terminal::guest(facts));
        }

        let counts = Counts::of(&records);
        let too_strict = TooStrictCase::of(&records);
        out!("{}", terminal::too_strict(&too_strict, self.too_strict));
        out!("{}", terminal::summary(&records, counts, start.elapsed().as_secs_f64()));
        if counts.failed + counts.broken > 0 {
            outln!("consoles: {}", console.display());
        }
        self.report.write(&Report {
            schema: SCHEMA,
            kernel: KernelFacts::of(&built, release)?,
            host: HostFacts::new(accel, &qemu),
            times,
            guests,
            subjects: subjects(&prepared, &records),
            too_strict,
            traces: traces(&records),
            cases: records,
            counts,
        })?;
        match ended.and_then(|()| helpers.ended()) {
            // What broke before says more.
            Err(error) if counts.status() == Status::Harness => {
                errln!("error: {error:#}");
                Ok(Status::Harness)
            }
            ended => ended.map(|()| counts.status()),
        }
    }

    /// The kernel's own suite, in the modes that were asked for.
    fn test_bpf(
        &self,
        built: &BuiltKernel,
        guest: &mut Guest,
        consoles: &Path,
        setting: &Setting,
    ) -> Result<Vec<Record>> {
        let reference = match &self.on.kernel.linux {
            _ if self.bless => Reference::None,
            Some(_) => Reference::None,
            None => Recorded::load(&built.base)?.map_or(Reference::Missing, Reference::Base),
        };
        let mut records = Vec::new();
        let mut counts = BTreeMap::new();
        for mode in self.modes(&test_bpf::MODES) {
            let total = reference.tests(mode);
            let progress = Progress::count(total, format!("{} {}", test_bpf::NAME, mode.name()));
            let module = built.test_bpf.as_deref();
            let mut log = String::new();
            let ran = test_bpf::run(module, mode, &reference, guest, &mut |tests, text| {
                progress.set(tests.into());
                log.push_str(text);
            });
            let path = consoles.with_file_name(format!("test_bpf.{}.log", mode.name()));
            std::fs::write(&path, log)
                .with_context(|| format!("failed to write {}", path.display()))?;
            let (record, printed) = ran?;
            progress.finish();
            err!("{}", terminal::suite(&record, setting));
            let stop = record.verdict != Verdict::Held && self.fail_fast;
            records.push(record);
            counts.insert(mode.name().to_owned(), printed.tallies);
            if stop {
                break;
            }
        }
        if self.bless && records.iter().all(|record| record.verdict == Verdict::Held) {
            let (base, patches) = (built.base.clone(), built.patches_applied);
            let made_with = MadeWith { base, patches, key: built.key.clone() };
            let path = Recorded { made_with, modes: counts }.store()?;
            errln!("recorded in {}", path.display());
        }
        Ok(records)
    }

    /// Those of `all` that the command line asks for.
    fn modes(&self, all: &[Mode]) -> Vec<Mode> {
        let asked =
            |mode: &Mode| self.mode.is_empty() || self.mode.iter().any(|m| Mode::from(*m) == *mode);
        all.iter().copied().filter(asked).collect()
    }

    fn rules(&self, built: &BuiltKernel, guest: &mut Guest) -> Result<Rules> {
        let emission = guest.emission(built)?;
        Ok(Rules {
            modes: self.modes(&Mode::ALL),
            fail_fast: self.fail_fast && !self.keep_going,
            probe: true,
            too_strict: true,
            declared: self.on.kernel.linux.is_none()
                && built.series == Selection::All
                && built.patches_applied > 0,
            patches: match self.on.kernel.linux {
                Some(_) => None,
                None => Some(build::subjects(built)?),
            },
            emission,
        })
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// What the cases are that did not hold in some mode.
fn subjects(prepared: &[Prepared], records: &[Record]) -> Vec<Subject> {
    let bad = |record: &&Record| matches!(record.verdict, Verdict::Failed | Verdict::Broken);
    let bad: HashSet<&str> = records.iter().filter(bad).map(|record| &*record.name).collect();
    let of = |prepared: &Prepared| Subject::of(&prepared.case, prepared.plan.as_ref().ok());
    prepared.iter().filter(|prepared| bad.contains(&*prepared.case.name)).map(of).collect()
}

fn list(selected: &Selected) -> Status {
    for case in &selected.cases {
        outln!("{}: {}", case.name, case.about);
    }
    if selected.test_bpf {
        outln!("{}: {}", test_bpf::NAME, test_bpf::ABOUT);
    }
    if selected.verifier.is_some() {
        outln!("{}: {}", suite::NAME, suite::ABOUT);
    }
    Status::Held
}
