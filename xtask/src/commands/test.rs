//! `cargo xtask test`: the job. Builds the kernel, boots it, runs the cases, judges them.

use anyhow::Result;
use bpf_wire::Mode;
use clap::Args;

use crate::cli::{self, GuestArgs, ReportArgs};
use harness_host::exit::Status;
use harness_host::ui::outln;
use harness_report::live::Live;
use harness_suites::job::Job;
use harness_suites::partition::Partition;
use harness_suites::select::Selected;
use harness_suites::test_bpf;
use harness_suites::verifier::suite;

/// Steps that a trace shows unless the command line says something else.
pub(crate) const SHOWN_STEPS: usize = 20;

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

Exit status: 0 every case passed, 1 a case failed, 2 wrong usage, 69 the host lacks something,
70 the harness itself failed.")]
pub(crate) struct Test {
    /// Regular expressions over names such as gotox/one_target; all cases without.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// List the selected cases and stop.
    #[arg(long)]
    list: bool,
    /// Run only in this mode; may be repeated.
    #[arg(long, value_parser = cli::mode())]
    mode: Vec<Mode>,
    /// Go on after a case that failed; the default.
    #[arg(long, conflicts_with = "fail_fast")]
    keep_going: bool,
    /// Stop at the first case that failed.
    #[arg(long)]
    fail_fast: bool,
    /// Guests to run the cases in at the same time, each with a processor and 256 MiB of memory, or what
    /// its config asks for; without, as many as this machine has processors and memory for.
    /// kernel/test_bpf stays in one.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Steps of the model that are shown of a program that did something else; 0 for none.
    #[arg(long, value_name = "N", default_value_t = SHOWN_STEPS)]
    trace: usize,
    /// Look at each instruction: whether what the model has before it is among what the verifier knows
    /// there.
    #[arg(long)]
    contain: bool,
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
    /// Runs the command.
    pub(crate) fn run(mut self) -> Result<Status> {
        let job = Job {
            suites: crate::suites(),
            filters: self.filters,
            modes: self.mode,
            partition: self.partition,
            jobs: self.jobs.map(|jobs| jobs as usize),
            fail_fast: self.fail_fast,
            contain: self.contain,
            bless: self.bless,
            on: self.on.on(),
        };
        if self.list {
            return Ok(list(&job.selected()?));
        }
        self.report.0.check()?;
        job.run(vec![&mut Live::new(self.trace, self.too_strict), &mut self.report.0])
    }
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
    Status::Passed
}
