//! `cargo xtask fuzz kernel --on-mutants`: whether fuzzing alone finds each mutant, and after how long.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use bpf_generate::Sample;

use crate::cli::GuestArgs;
use crate::commands::mutate;
use crate::mutants::mutant::{self, Mutant};
use harness_fuzz::campaign::{Campaign, Guests, Rules, replay};
use harness_fuzz::finds::{Find, Finds};
use harness_fuzz::programs::Programs;
use harness_host::exit::{Status, Stop};
use harness_host::ui::outln;
use harness_host::{interrupt, needs};
use harness_kernel::build::{self, BuiltKernel, KernelRequest};
use harness_kernel::series::{Selection, Series};
use harness_session::guest::Guest;
use harness_session::{Alone, consoles};
use harness_suites::contain::Tally;
use harness_vm::accel::{self, Accel};
use harness_vm::{MachineConfig, image};

/// What came of a mutant.
enum Outcome {
    /// After this time and so many programs.
    Found(Duration, u64, Find),
    /// The kernel does not boot, or not for long.
    Dead(String),
    Survived(u64),
}

/// Runs on the mutants that match. The status is 1 if one survived.
///
/// # Errors
///
/// When a mutant does not build, or the host lacks something.
pub(super) fn run(
    filters: &[String],
    rules: &Rules,
    programs: &Programs,
    on: &GuestArgs,
) -> Result<Status> {
    let (series, mutants) = mutate::load(&on.kernel.base)?;
    let mutants = mutant::select(mutants, filters)?;
    needs::ensure(on.host.install_deps)?;
    let lab = Lab {
        series,
        base: on.kernel.base.clone(),
        config: on.kernel.config.clone(),
        initramfs: image::build()?,
        accel: accel::decide(on.accel.into())?.accel,
        consoles: consoles::folder()?,
        doubts: RefCell::default(),
    };
    let mut survivors = 0;
    let mut found = 0;
    outln!("seed {}, {} s for each of {} mutants", rules.seed, rules.time.as_secs(), mutants.len());
    for mutant in &mutants {
        interrupt::check()?;
        match lab.judge(mutant, rules, programs)? {
            Outcome::Found(after, count, find) => {
                found += 1;
                outln!(
                    "found     {:<44} {:>6.1} s {count:>6} programs  {}",
                    mutant.name,
                    after.as_secs_f64(),
                    find.cause
                );
            }
            Outcome::Dead(why) => {
                found += 1;
                outln!("found     {:<44} {why}", mutant.name);
            }
            Outcome::Survived(count) => {
                survivors += 1;
                outln!("SURVIVED  {:<44} {count} programs: {}", mutant.name, mutant.fault);
            }
        }
    }
    outln!("{found} of {} mutants found", found + survivors);
    Ok(if survivors == 0 { Status::Passed } else { Status::CaseFailed })
}

struct Lab {
    series: Series,
    base: String,
    config: Vec<String>,
    initramfs: PathBuf,
    accel: Accel,
    consoles: PathBuf,
    /// Whether the series without a mutant shows what was found, by cause and program: the programs are
    /// the same on each mutant.
    doubts: RefCell<BTreeMap<(String, String), bool>>,
}

impl Lab {
    fn build(&self, mutant: Option<&Mutant>) -> Result<BuiltKernel> {
        let mut config = self.config.clone();
        config.extend(mutant.into_iter().flat_map(|mutant| mutant.config.iter().cloned()));
        build::build(&KernelRequest {
            selection: Some(Selection::All),
            config,
            series: Some(self.series.clone()),
            mutant: mutant.map(Mutant::patch),
            ..KernelRequest::of_base(&self.base)
        })
    }

    fn guest(&self, built: &BuiltKernel, name: &str) -> Guest {
        let console = self.consoles.join(name).with_extension("log");
        let (vmlinux, initramfs) = (built.vmlinux.clone(), self.initramfs.clone());
        Guest::new(MachineConfig::new(vmlinux, initramfs, self.accel, console), &built.boot)
    }

    fn judge(&self, mutant: &Mutant, rules: &Rules, programs: &Programs) -> Result<Outcome> {
        let built = self.build(Some(mutant))?;
        let mut guest = self.guest(&built, &format!("fuzz-{}", mutant.name));
        let finds = Finds::new(self.consoles.clone());
        let mut campaign = Campaign::new(rules.clone(), programs, finds);
        let mut doubts = Duration::ZERO;
        loop {
            let mut guests = Guests { first: &mut guest, workers: &Alone };
            let ran = campaign.run(&mut guests, &mut |_| {}, &mut |_| {});
            let found = match ran {
                Ok(found) if found.is_empty() => {
                    return Ok(Outcome::Survived(campaign.tally.programs));
                }
                Ok(found) => found,
                Err(error) if is_kernels(&error) => return Ok(Outcome::Dead(format!("{error:#}"))),
                Err(error) => return Err(error),
            };
            let after = campaign.took().saturating_sub(doubts);
            let began = Instant::now();
            for (find, sample) in found {
                if !self.is_there_without(&find, &sample)? {
                    return Ok(Outcome::Found(after, campaign.tally.programs, find));
                }
            }
            let doubted = began.elapsed();
            doubts += doubted;
            campaign.prolong(doubted);
        }
    }

    /// Whether the series without a mutant shows the same.
    fn is_there_without(&self, find: &Find, sample: &Sample) -> Result<bool> {
        let key = (find.cause.clone(), sample.to_text());
        if let Some(known) = self.doubts.borrow().get(&key) {
            return Ok(*known);
        }
        let built = self.build(None)?;
        let mut guest = self.guest(&built, "fuzz-without-a-mutant");
        let mut guests = Guests { first: &mut guest, workers: &Alone };
        let again = replay("fuzz/doubt", sample, Some(Tally::default()), &mut guests)?;
        let mut again = again.records.iter().filter_map(Find::of);
        let known = again.any(|again| again.cause == find.cause);
        self.doubts.borrow_mut().insert(key, known);
        Ok(known)
    }
}

fn is_kernels(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(Stop::CaseFailed(_))))
}
