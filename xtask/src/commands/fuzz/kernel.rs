//! `cargo xtask fuzz kernel`: generated programs on a kernel, for a time; what is found is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bpf_case::{Case, Feature};
use bpf_generate::{Features, Sample};
use clap::Args;

use super::mutants;
use crate::cli::GuestArgs;
use harness_fuzz::campaign::{Campaign, Guests, Replayed, Rules, minimise, replay};
use harness_fuzz::finds::{Find, Finds};
use harness_fuzz::programs::Programs;
use harness_host::exit::{Status, Stop};
use harness_host::files::write_whole;
use harness_host::paths;
use harness_host::ui::{errln, out, outln};
use harness_session::Alone;
use harness_session::guest::Guest;
use harness_session::helpers::{self, Helpers};
use harness_session::start::{Started, start};
use harness_suites::contain::Tally;
use harness_suites::generated::{FIRST, Seen};
use harness_suites::probe::Support;

/// How often a line is written.
const TELL: Duration = Duration::from_secs(10);

/// Options of `fuzz kernel`.
#[derive(Debug, Args)]
#[command(after_help = "\
Programs are generated from the seed, run in every mode and in the model, and judged: results, maps,
splats, crashes, what the model traps on, what the verifier claims before each instruction, and
whether a program and a variant of it that means the same have one verdict. What is found is
minimised and kept in the cache, in a folder for each cause.

Examples:
  cargo xtask fuzz kernel --time 10m                the series, for ten minutes
  cargo xtask fuzz kernel --seed 7                  the same programs again
  cargo xtask fuzz kernel --series none             the base without the series
  cargo xtask fuzz kernel --config debug            with KASAN, lockdep, UBSAN
  cargo xtask fuzz kernel --replay program.bpf      one program, with its inputs
  cargo xtask fuzz kernel --on-mutants stride       which mutants are found, and after how long

Exit status: 0 nothing was found, 1 something was, 2 wrong usage, 69 the host lacks something, 70
the harness itself failed, 130 interrupted; what was found until then is kept.")]
pub(crate) struct Kernel {
    /// How long: seconds, or with m or h.
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = duration)]
    time: Duration,
    /// Guests at the same time, each with a processor.
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// The seed; a new one without.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Do not compare the model with what the verifier knows before each instruction.
    #[arg(long)]
    no_contain: bool,
    /// Run this program alone, on the inputs that it is kept with.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["time", "jobs", "seed"])]
    replay: Option<PathBuf>,
    /// Make the program smaller as long as it shows the same, and write it beside the file.
    #[arg(long, requires = "replay", conflicts_with = "on_mutants")]
    minimise: bool,
    /// Run on each mutant whose name matches, of all without a filter, up to what is found first; with
    /// --replay, only that program.
    #[arg(long, value_name = "FILTER", num_args = 0.., conflicts_with_all = ["series", "linux"])]
    on_mutants: Option<Vec<String>>,
    #[command(flatten)]
    on: GuestArgs,
}

/// A number of seconds, minutes or hours.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, factor) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(digits) if text.ends_with('h') => (digits, 3600),
        Some(digits) if text.ends_with('m') => (digits, 60),
        Some(digits) => (digits, 1),
        None => (text, 1),
    };
    match digits.parse::<u32>() {
        Ok(count) if count > 0 => Ok(Duration::from_secs(u64::from(count) * factor)),
        _ => Err("a time is a number of seconds, or with m or h: 90, 10m, 3h".to_owned()),
    }
}

impl Kernel {
    /// Runs the command. [`Status::CaseFailed`] when something was found.
    pub(crate) fn run(self) -> Result<Status> {
        let given = self.replay.as_deref().map(|path| Ok::<_, anyhow::Error>((path, read(path)?)));
        let given = given.transpose()?;
        // Said once, as it is the time where nobody says it.
        let seed = self.seed();
        if let Some(filters) = &self.on_mutants {
            let programs = match &given {
                Some((_, sample)) => Programs::only(sample.clone()),
                None => Programs::new(seed, &cases(), Features::ALL),
            };
            return mutants::run(filters, &self.rules(seed, true), &programs, &self.on);
        }
        if let Some((path, sample)) = given {
            return self.replay(path, &sample);
        }
        let Started { built, mut guest, console, .. } = start(&self.on.on())?;
        let jobs = self.jobs as usize;
        helpers::fit(jobs, guest.memory_mib())?;
        let helpers = Helpers::new(&guest, jobs);
        let rules = self.rules(seed, false);
        let programs = Programs::new(seed, &cases(), features(&mut guest)?);
        let kernel = format!("{}-{}", built.release, built.patches_applied);
        let folder = folder()?.join("finds").join(kernel);
        outln!("seed {}; finds go to {}", rules.seed, folder.display());
        let mut campaign = Campaign::new(rules, &programs, Finds::new(folder));
        let mut told = Instant::now();
        let mut guests = Guests { first: &mut guest, workers: &helpers };
        let ran = campaign.run(&mut guests, &mut |find| outln!("{find}"), &mut |campaign| {
            if told.elapsed() >= TELL {
                told = Instant::now();
                errln!("{}", campaign.tally.line(campaign.took(), campaign.finds.count()));
            }
        });
        let Campaign { tally, finds, .. } = &campaign;
        out!("{}", tally.table());
        out!("{}", campaign.contained());
        for (cause, count) in &finds.causes {
            outln!("found {count} times: {cause}");
        }
        outln!("{}", tally.line(campaign.took(), finds.count()));
        ran?;
        if finds.count() > 0 {
            outln!("consoles: {}", console.display());
            return Ok(Status::CaseFailed);
        }
        guest.end()?;
        helpers.ended()?;
        Ok(Status::Passed)
    }

    fn seed(&self) -> u64 {
        let now =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.seed.unwrap_or_else(now)
    }

    fn rules(&self, seed: u64, first: bool) -> Rules {
        Rules { seed, time: self.time, contain: !self.no_contain, first }
    }

    fn replay(&self, path: &Path, sample: &Sample) -> Result<Status> {
        let Started { mut guest, .. } = start(&self.on.on())?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = format!("fuzz/{}", name.unwrap_or_default());
        let contain = (!self.no_contain).then(Tally::default);
        let mut guests = Guests { first: &mut guest, workers: &Alone };
        let Replayed { seen, records } = replay(&name, sample, contain.clone(), &mut guests)?;
        for (mode, seen) in &seen {
            match seen {
                Seen::Accepted { verified } => {
                    outln!("{}: accepted, {verified} instructions verified", mode.name());
                }
                Seen::Rejected { reason, errno } => {
                    outln!("{}: rejected with {errno}: {reason}", mode.name());
                }
                Seen::Lost => outln!("{}: the guest did not survive it", mode.name()),
            }
        }
        let finds: Vec<Find> = records.iter().filter_map(Find::of).collect();
        for find in &finds {
            outln!("{}: {}", find.mode, find.problems.join("\n"));
        }
        if let Some(record) = records.iter().find(|record| !record.log.is_empty()) {
            outln!("{}", record.log);
        }
        if self.minimise
            && let Some(find) = finds.first()
            && let Some((_, small)) = minimise(find, sample, contain, &mut guests)?
        {
            let path = path.with_extension("small.bpf");
            write_whole(&path, small.to_text().as_bytes())?;
            outln!("{} lines in {}", small.source.lines().count(), path.display());
        }
        Ok(if finds.is_empty() { Status::Passed } else { Status::CaseFailed })
    }
}

/// Reads a program with its inputs.
fn read(path: &Path) -> Result<Sample> {
    let text = fs::read_to_string(path)
        .map_err(|error| Stop::Usage(format!("failed to read {}: {error}", path.display())))?;
    let sample = Sample::parse(&text);
    Ok(sample.map_err(|error| Stop::Usage(format!("{}: {error}", path.display())))?)
}

/// What the kernel of a guest has.
fn features(guest: &mut Guest) -> Result<Features> {
    let support = Support::probe(guest, &[FIRST], &[Feature::Callx, Feature::Gotox])?;
    let has = |feature| support.lacks(feature, FIRST).is_none();
    Ok(Features { callx: has(Feature::Callx), gotox: has(Feature::Gotox) })
}

/// The cases whose programs are edited.
fn cases() -> Vec<Case> {
    crate::suites().iter().flat_map(|(_, cases)| cases()).collect()
}

/// Where everything is kept.
fn folder() -> Result<PathBuf> {
    Ok(paths::cache()?.join("fuzz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("3h"), Ok(Duration::from_secs(10_800)));
        assert!(duration("0").is_err() && duration("m").is_err() && duration("3d").is_err());
    }
}
