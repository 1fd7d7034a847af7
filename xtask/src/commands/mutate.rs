//! `cargo xtask mutate`: proves that the cases notice deliberate faults in the kernel series.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use bpf_wire::Mode;
use clap::Args;

use crate::cli::{AccelChoice, HostArgs};
use crate::mutants::campaign::{self, Lab};
use crate::mutants::mutant::{self, Mutant};
use crate::mutants::refresh;
use crate::mutants::report::{self, Counts, Report, SCHEMA};
use harness_host::exit::{Status, Stop};
use harness_host::ui::{errln, out, outln};
use harness_host::{interrupt, needs, paths};
use harness_kernel::bases;
use harness_kernel::build::{self, BaseTree, BuiltKernel, KernelRequest};
use harness_kernel::series::{Patch, Selection, Series};
use harness_report::json;
use harness_report::live::Bar;
use harness_results::record::Record;
use harness_session::consoles;
use harness_session::guest::Guest;
use harness_suites::cases::{self, Prepared, Rules};
use harness_suites::contain::{Contain, Tally};
use harness_suites::select::{candidates, select};
use harness_vm::MachineConfig;
use harness_vm::accel::{self, Accel};
use harness_vm::image;

/// Options of `mutate`.
#[derive(Debug, Args)]
#[command(after_help = "\
A mutant is a small patch in kernel-patches/mutants that puts one fault into the kernel with the
whole series: an analysis forgotten, a bound off by one. The cases have to notice: with a mutant at
least one must fail, or the kernel crash or hang. First the series without a mutant must be green.
The cases that a mutant's header names run first, the others after them.

Examples:
  cargo xtask mutate                        every mutant, each up to the first case that fails
  cargo xtask mutate interp --all           those whose name matches, and all cases that fail
  cargo xtask mutate --cases gotox/nop      whether these cases notice
  cargo xtask mutate bounds --no-contain    whether results alone notice what containment has to
  cargo xtask mutate --list                 what there is
  cargo xtask mutate --refresh              after the series changed

Exit status: 0 every mutant was killed, 1 one survived or the series is not green without one,
2 wrong usage, 69 the host lacks something, 70 a mutant does not apply, does not build or could not
be judged.")]
pub(crate) struct Mutate {
    /// Regular expressions over names of mutants and subjects of the patches that they attack; all
    /// mutants without.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// List the selected mutants and stop.
    #[arg(long, conflicts_with_all = ["check", "refresh"])]
    list: bool,
    /// Only check that headers are right and patches apply.
    #[arg(long, conflicts_with = "refresh")]
    check: bool,
    /// Write the patches anew for the series as it is now, merging where lines have moved.
    #[arg(long)]
    refresh: bool,
    /// Run every case on each mutant, not only up to the first that fails.
    #[arg(long)]
    all: bool,
    /// Judge by containment alone, as for the mutants whose header says so: whether what the model has
    /// before each instruction is among what the verifier knows there.
    #[arg(long)]
    contain: bool,
    /// Judge by everything but containment, whatever the header says.
    #[arg(long, conflicts_with = "contain")]
    no_contain: bool,
    /// Run only the cases whose name matches this regular expression; may be repeated.
    #[arg(long, value_name = "FILTER")]
    cases: Vec<String>,
    /// How the guest's instructions are executed.
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Base of the kernel, a name in kernel-patches/bases.toml.
    #[arg(long, value_name = "VERSION", default_value_t = bases::default_name())]
    base: String,
    #[command(flatten)]
    host: HostArgs,
}

impl Mutate {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let (series, mutants) = load(&self.base)?;
        let mutants = mutant::select(mutants, &self.filters)?;
        if self.list {
            for Mutant { name, fault, attacks, .. } in &mutants {
                outln!("{name}: {fault} (attacks \"{attacks}\")");
            }
            return Ok(Status::Passed);
        }
        if self.refresh {
            return self.refresh(&series, &mutants);
        }
        check_headers(&series, &mutants)?;
        if self.check {
            check_patches(&self.base, &series, &mutants)?;
            return Ok(Status::Passed);
        }
        self.campaign(&series, &mutants)
    }

    fn refresh(&self, series: &Series, mutants: &[Mutant]) -> Result<Status> {
        let base = BaseTree::open(&self.base)?;
        let folder = folder(&self.base)?;
        let done = refresh::refresh(&base.tree, &base.base, series, mutants, &folder)?;
        for name in &done.written {
            outln!("{name} is written anew");
        }
        for (name, reason) in &done.left {
            outln!("{name} has to be written by hand: {reason}");
        }
        if done.written.is_empty() && done.left.is_empty() {
            outln!("{} mutants fit the series as they are", mutants.len());
        }
        Ok(if done.left.is_empty() { Status::Passed } else { Status::CaseFailed })
    }

    fn campaign(&self, series: &Series, mutants: &[Mutant]) -> Result<Status> {
        let cases = select(candidates(crate::suites(), &self.cases), &self.cases)?.cases;
        needs::ensure(self.host.install_deps)?;
        let initramfs = image::build()?;
        let decision = accel::decide(self.accel.into())?;
        if let Some(note) = &decision.note {
            errln!("{note}");
        }
        let mut lab = Guests {
            base: self.base.clone(),
            series: series.clone(),
            initramfs,
            accel: decision.accel,
            consoles: consoles::folder()?,
            built: BTreeMap::new(),
            contain: if self.no_contain { Some(false) } else { self.contain.then_some(true) },
            contains: self.contain,
        };
        let start = Instant::now();
        let prepared: Vec<Prepared> = cases.into_iter().map(cases::prepare).collect();
        let records = campaign::run(mutants, prepared, self.all, &mut lab, |record| {
            out!("{}", report::lines(record));
        })?;
        let counts = Counts::of(&records);
        out!("{}", report::summary(counts, start.elapsed().as_secs_f64()));
        outln!("consoles: {}", lab.consoles.display());
        if let Some(path) = &self.json {
            let report = Report {
                schema: SCHEMA,
                base: self.base.clone(),
                patches: series.patches.len(),
                accel: decision.accel.name().to_owned(),
                all: self.all,
                mutants: records,
                counts,
            };
            json::write(&report, path)?;
        }
        Ok(status(counts))
    }
}

/// A survivor outweighs a mutant that could not be judged: it is the finding.
fn status(counts: Counts) -> Status {
    match (counts.survived, counts.trouble) {
        (0, 0) => Status::Passed,
        (0, _) => Status::Harness,
        _ => Status::CaseFailed,
    }
}

/// Checks that every mutant of a base has a header that is right and applies to the series.
///
/// # Errors
///
/// Every mutant that does not apply; the first header that is wrong.
pub(crate) fn check(base: &str) -> Result<()> {
    let (series, mutants) = load(base)?;
    check_headers(&series, &mutants)?;
    check_patches(base, &series, &mutants)
}

fn folder(base: &str) -> Result<PathBuf> {
    Ok(mutant::folder(&bases::find(base)?.series))
}

pub(super) fn load(base: &str) -> Result<(Series, Vec<Mutant>)> {
    let series = Series::load(&bases::find(base)?.series_dir())?;
    Ok((series, mutant::load(&folder(base)?)?))
}

fn check_headers(series: &Series, mutants: &[Mutant]) -> Result<()> {
    let cases = candidates(crate::suites(), &[]);
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let fragments = paths::repository().join("images/kernel");
    for mutant in mutants {
        mutant.check(series, &names, &fragments)?;
    }
    Ok(())
}

fn check_patches(base: &str, series: &Series, mutants: &[Mutant]) -> Result<()> {
    let tree = BaseTree::open(base)?;
    let objections = refresh::objections(&tree.tree, &tree.base, series, mutants)?;
    if objections.is_empty() {
        outln!("{} mutants apply to the series", mutants.len());
        return Ok(());
    }
    Err(Stop::CaseFailed(format!(
        "{}\ntry `cargo xtask mutate --refresh`, which merges where it can",
        objections.join("\n")
    ))
    .into())
}

/// The lab that has make and QEMU.
struct Guests {
    base: String,
    /// As it was when the command began: it may be edited while mutants are built.
    series: Series,
    initramfs: PathBuf,
    accel: Accel,
    consoles: PathBuf,
    /// What was built, by the path of its vmlinux.
    built: BTreeMap<PathBuf, BuiltKernel>,
    /// Whether containment is the only judge of a mutant, or none, whatever its header says.
    contain: Option<bool>,
    /// Whether it is of any.
    contains: bool,
}

impl Lab for Guests {
    fn build(&mut self, config: &[String], mutant: Option<&Mutant>) -> Result<PathBuf> {
        let request = KernelRequest {
            selection: Some(Selection::All),
            config: config.to_vec(),
            series: Some(self.series.clone()),
            mutant: mutant.map(Mutant::patch),
            ..KernelRequest::of_base(&self.base)
        };
        let built = build::build(&request)?;
        interrupt::check()?;
        let vmlinux = built.vmlinux.clone();
        self.built.insert(vmlinux.clone(), built);
        Ok(vmlinux)
    }

    fn run(
        &mut self,
        mutant: Option<&Mutant>,
        kernel: &Path,
        cases: &[Prepared],
        fail_fast: bool,
    ) -> Result<Vec<Record>> {
        let name = mutant.map_or_else(
            || "the series without a mutant".to_owned(),
            |mutant| format!("mutant {}", mutant.name),
        );
        let console = self.consoles.join(name.replace(' ', "-")).with_extension("log");
        let config =
            MachineConfig::new(kernel.to_owned(), self.initramfs.clone(), self.accel, console);
        let built = self
            .built
            .get(kernel)
            .with_context(|| format!("{} was not built here", kernel.display()))?;
        let alone = mutant.is_some_and(|mutant| self.contain.unwrap_or(mutant.contain));
        let contains = alone || mutant.is_none() && self.contains;
        // The verifier does the same in the others.
        let modes = if alone { vec![Mode::Jit] } else { Mode::ALL.to_vec() };
        let rules = |guest: &mut Guest| {
            Ok(Rules {
                fail_fast,
                // The baseline has shown that the kernel supports everything; a mutant that it makes
                // fail has to be noticed by a case.
                probe: mutant.is_none(),
                declared: true,
                patches: Some(self.series.patches.iter().map(Patch::subject).collect()),
                contain: contains.then(|| Contain { tally: Tally::default(), alone }),
                ..Rules::on(guest, built, modes)?
            })
        };
        let part = format!("cases on {name}");
        cases::run_alone(&part, cases, config, built, rules, &mut Bar::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_outweighs_trouble() {
        let counts = |survived, trouble| Counts { killed: 3, survived, trouble };
        assert_eq!(status(counts(0, 0)), Status::Passed);
        assert_eq!(status(counts(0, 1)), Status::Harness);
        assert_eq!(status(counts(1, 1)), Status::CaseFailed);
    }

    #[test]
    fn the_headers_of_the_repositorys_mutants_are_right() {
        let (series, mutants) = load(&bases::default_name()).unwrap();
        check_headers(&series, &mutants).unwrap();
        assert!(!mutants.is_empty());
    }
}
