//! `cargo xtask bench fuzz`: throughput of generated programs through the fuzzer, beside a bare loop of
//! the same loads and runs in the same guest ([`super::guest`]).
//!
//! The fuzzer's time is that of whole rounds: generating, compiling, modelling, executing, judging. The
//! bare loop has the programs that are accepted in every mode, in every mode; those that are not are left
//! out of both, except for the generating.

use std::time::Duration;

use anyhow::Result;
use bpf_generate::Features;
use bpf_wire::{Mode, Step};
use clap::Args;

use super::guest::{bare, is_bare};
use super::{Spread, processor};
use crate::cli::GuestArgs;
use harness_fuzz::campaign::{Guests, Timed, timed};
use harness_fuzz::programs::Programs;
use harness_host::exit::Status;
use harness_host::interrupt;
use harness_host::ui::outln;
use harness_session::Alone;
use harness_session::start::{Started, start};
use harness_suites::contain::Tally;

/// Options of `bench fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Programs of a round that are accepted.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    programs: u32,
    /// How often to measure both ways, one after the other.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The seed of the programs.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    on: GuestArgs,
}

impl Fuzz {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let Started { mut guest, accel, .. } = start(&self.on.on())?;
        let programs = Programs::new(self.seed, &[], Features::ALL);
        // Those that will do, and both ways once, to warm up.
        let mut chosen = Vec::new();
        let mut number = 0;
        while chosen.len() < self.programs as usize {
            interrupt::check()?;
            let some: Vec<_> = (number..number + u64::from(self.programs))
                .flat_map(|number| programs.take(number))
                .collect();
            number += u64::from(self.programs);
            let mut guests = Guests { first: &mut guest, workers: &Alone };
            let Timed { accepted, .. } = timed(&some, None, &mut guests)?;
            let fit = some.into_iter().zip(accepted);
            chosen.extend(fit.filter_map(|(program, steps)| Some((program, bare_steps(steps?)))));
        }
        chosen.truncate(self.programs as usize);
        let (some, steps): (Vec<_>, Vec<Vec<Step>>) = chosen.into_iter().unzip();
        outln!(
            "{} x {}, {accel}; {} generated programs in each mode, {} rounds",
            std::thread::available_parallelism().map_or(1, usize::from),
            processor(),
            some.len(),
            self.rounds
        );
        for (what, contain) in
            [("with containment", Some(Tally::default())), ("without containment", None)]
        {
            let (mut whole, mut ratios) = (Vec::new(), Vec::new());
            for _ in 0..self.rounds {
                interrupt::check()?;
                let mut guests = Guests { first: &mut guest, workers: &Alone };
                let took = timed(&some, contain.clone(), &mut guests)?.took;
                let loop_took = bare(&steps, &Mode::ALL, &mut guest)?;
                whole.push((took, loop_took));
                ratios.push(loop_took.as_secs_f64() / took.as_secs_f64());
            }
            let rate = |time: Duration| some.len() as f64 / time.as_secs_f64();
            let fuzzer = Spread::of(whole.iter().map(|(took, _)| rate(*took)));
            let bare = Spread::of(whole.iter().map(|(_, took)| rate(*took)));
            let ratio = Spread::of(ratios);
            outln!(
                "{what:<20} {:>6.1} programs/s, bare loop {:>6.1}, ratio {:.2} ({:.2}, {:.2})",
                fuzzer.median,
                bare.median,
                ratio.median,
                ratio.min,
                ratio.max
            );
        }
        guest.end()?;
        Ok(Status::Passed)
    }
}

fn bare_steps(steps: Vec<Step>) -> Vec<Step> {
    steps.into_iter().filter(is_bare).collect()
}
