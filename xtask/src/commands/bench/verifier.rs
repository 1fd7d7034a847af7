//! `cargo xtask bench verifier`: what the verifier takes for programs, on the base and with the series.
//!
//! As veristat does, by what the verifier says at the end of its log: nothing else is logged, so that
//! the time is the verifier's own. Programs are loaded, not run.

use anyhow::{Context, Result};
use bpf_case::Feature;
use bpf_wire::{BatchReport, Mode, Output, Request, Step};
use clap::Args;
use serde::Serialize;

use super::store;
use crate::cli::GuestArgs;
use harness_host::exit::{Status, Stop};
use harness_host::interrupt;
use harness_host::ui::{Progress, out};
use harness_kernel::series::Selection;
use harness_session::start::start;
use harness_session::{Answer, Executor, Test};
use harness_suites::lower::lower;
use harness_suites::select::{candidates, select};
use harness_suites::verifier::suite::{self, Reference};
use harness_suites::verifier::{compile, run};

/// `BPF_LOG_STATS` (`include/linux/bpf_verifier.h`): the numbers alone.
const LOG_STATS: u32 = 4;

/// What is measured if nothing is named.
const DEFAULT: [&str; 5] = ["^dispatch/", "^programs/", "^gotox/", "^callx/", suite::NAME];

/// Factor on the deadline of a case: the costliest programs take the verifier a million instructions.
const PATIENCE: u32 = 5;

/// Options of `bench verifier`.
#[derive(Debug, Args)]
pub(crate) struct Verifier {
    /// Regular expressions over names of cases; without any, loops that dispatch, the programs in Rust,
    /// the cases of both opcodes, and the kernel's own tests of the verifier.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// List every program, not only those that cost less or more than on the base.
    #[arg(long)]
    all: bool,
    /// Write the numbers to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
    #[command(flatten)]
    on: GuestArgs,
}

/// What the programs of a case took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Cost {
    /// Whether all of them were accepted.
    accepted: bool,
    /// Instructions that the verifier went through.
    insns: u64,
    /// States that it kept.
    states: u64,
    /// States that it kept at the same time.
    peak_states: u64,
    /// Microseconds.
    time: u64,
}

/// A case, or one of the kernel's own tests of the verifier.
struct Measured {
    name: String,
    /// Whether it needs an opcode that the base lacks.
    callx: bool,
    /// Whether the base gets it wrong, which may crash it.
    base_fails: bool,
    /// What it takes to load its programs.
    loads: Vec<Step>,
}

/// A case on both kernels; `None` where it was not tried or the guest died of it.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Whether it needs an opcode that the base lacks.
    callx: bool,
    base: Option<Cost>,
    series: Option<Cost>,
}

impl Row {
    /// Costs of a program that both kernels accept.
    fn both(&self) -> Option<(Cost, Cost)> {
        let accepted = |cost: Option<Cost>| cost.filter(|cost| cost.accepted);
        Some((accepted(self.base)?, accepted(self.series)?))
    }

    /// Whether the series makes it cost more than the base does.
    fn is_dearer(&self) -> bool {
        self.both().is_some_and(|(base, series)| series.insns > base.insns)
    }

    fn is_cheaper(&self) -> bool {
        self.both().is_some_and(|(base, series)| series.insns < base.insns)
    }
}

impl Verifier {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let programs = self.programs()?;
        let base = self.measure(&programs, Selection::None)?;
        let series = self.measure(&programs, Selection::All)?;
        let rows: Vec<Row> = programs
            .into_iter()
            .zip(base.into_iter().zip(series))
            .map(|(Measured { name, callx, .. }, (base, series))| Row { name, callx, base, series })
            .collect();
        out!("{}", table(&rows, self.all));
        store(&rows, self.json.as_deref())?;
        Ok(if rows.iter().any(Row::is_dearer) { Status::CaseFailed } else { Status::Passed })
    }

    fn programs(&self) -> Result<Vec<Measured>> {
        let all = || candidates(crate::suites(), &self.filters);
        // Not every default is in every tree.
        let known = |filter: &String| select(all(), std::slice::from_ref(filter)).is_ok();
        let filters = match &self.filters[..] {
            [] => DEFAULT.map(str::to_owned).into_iter().filter(known).collect(),
            named => named.to_vec(),
        };
        let selected = select(all(), &filters)?;
        let mut programs = Vec::new();
        for case in &selected.cases {
            let plan = case.plan().with_context(|| format!("failed to compile {}", case.name))?;
            programs.push(Measured {
                name: case.name.clone(),
                callx: case.needs.contains(&Feature::Callx),
                base_fails: case.fixed_by.is_some(),
                loads: loads(lower(case, &plan).steps),
            });
        }
        if let Some(wanted) = &selected.verifier {
            compile::ensure()?;
            let files = run::files(&self.on.on().kernel)?;
            for test in suite::tests(&files, wanted, &Reference::None) {
                // What cannot be read or linked has no plan: the suite itself tells of it.
                let Ok(plan) = test.plan(Mode::Jit) else { continue };
                let steps = plan.requests.into_iter().filter_map(|request| match request {
                    Request::Batch(batch) => Some(batch.steps),
                    _ => None,
                });
                programs.push(Measured {
                    name: test.name().to_owned(),
                    callx: false,
                    base_fails: false,
                    loads: loads(steps.flatten().collect()),
                });
            }
        }
        if programs.is_empty() {
            return Err(Stop::Usage("no case has such a name".to_owned()).into());
        }
        Ok(programs)
    }

    /// What each program takes on the kernel with so much of the series.
    fn measure(&self, programs: &[Measured], series: Selection) -> Result<Vec<Option<Cost>>> {
        let is_base = matches!(series, Selection::None);
        let mut on = self.on.on();
        on.kernel.selection = Some(series);
        let mut guest = start(&on)?.guest;
        guest.wait_longer(PATIENCE);
        let progress = Progress::count(programs.len() as u64, "programs");
        let mut costs = Vec::new();
        for Measured { name, base_fails, loads, .. } in programs {
            interrupt::check()?;
            costs.push(match is_base && *base_fails {
                true => None,
                false => match guest.execute(name, Mode::Jit, loads.clone())? {
                    Answer::Dead(_) => None,
                    answer => sum(&answer.into_report()?.0),
                },
            });
            progress.inc(1);
        }
        progress.finish();
        guest.end()?;
        Ok(costs)
    }
}

/// The steps without those that run, with nothing in the log but the numbers.
fn loads(steps: Vec<Step>) -> Vec<Step> {
    let only = |step| match step {
        Step::LoadProgram(load) => {
            let load = bpf_wire::ProgramLoad { log_level: LOG_STATS, dump: false, ..*load };
            Some(Step::LoadProgram(Box::new(load)))
        }
        Step::LoadBtf { .. }
        | Step::CreateMap { .. }
        | Step::UpdateElem { .. }
        | Step::Freeze { .. } => Some(step),
        _ => None,
    };
    steps.into_iter().filter_map(only).collect()
}

/// The costs of all programs that were tried, if the verifier came to its end with each.
fn sum(report: &BatchReport) -> Option<Cost> {
    let mut sum = Cost { accepted: true, ..Cost::default() };
    for step in &report.steps {
        let (accepted, log) = match step {
            Ok(Output::Loaded { log, .. }) => (true, log),
            Ok(_) => continue,
            Err(failure) => (false, &failure.log),
        };
        let Cost { insns, states, peak_states, time, .. } = parse(log)?;
        sum = Cost {
            accepted: sum.accepted && accepted,
            insns: sum.insns + insns,
            states: sum.states + states,
            peak_states: sum.peak_states.max(peak_states),
            time: sum.time + time,
        };
    }
    Some(sum)
}

/// What `print_verification_stats()` of `kernel/bpf/verifier.c` says at the end of a log.
fn parse(log: &str) -> Option<Cost> {
    let line = |start: &str| log.lines().rev().find_map(|line| line.strip_prefix(start));
    let numbers = line("processed ")?;
    let after = |word: &str| {
        let mut words = numbers.split_whitespace().skip_while(|it| *it != word).skip(1);
        words.next()?.parse().ok()
    };
    Some(Cost {
        accepted: false,
        insns: numbers.split_whitespace().next()?.parse().ok()?,
        states: after("total_states")?,
        peak_states: after("peak_states")?,
        time: line("verification time ")?.split_whitespace().next()?.parse().ok()?,
    })
}

/// The programs that the series makes cheaper or dearer, or all, and how many there are of each.
fn table(rows: &[Row], all: bool) -> String {
    let shown: Vec<&Row> =
        rows.iter().filter(|row| all || row.is_dearer() || row.is_cheaper()).collect();
    let mut text = String::new();
    if !shown.is_empty() {
        let width = shown.iter().map(|row| row.name.len()).max().unwrap_or_default();
        text += &format!(
            "{:<width$}  {:>18} {:>15} {:>15} {:>19}\n",
            "base -> series", "instructions", "states", "peak", "ms"
        );
        for Row { name, base, series, .. } in shown {
            let pair = |width: usize, of: fn(&Cost) -> u64| {
                let one = |cost: &Option<Cost>| {
                    let number = cost.as_ref().map_or("-".to_owned(), |cost| of(cost).to_string());
                    let refused = cost.is_some_and(|cost| !cost.accepted);
                    if refused { format!("({number})") } else { number }
                };
                let pair = format!("{} -> {}", one(base), one(series));
                format!("{pair:>width$}")
            };
            text += &format!(
                "{name:<width$}  {} {} {} {}\n",
                pair(18, |cost| cost.insns),
                pair(15, |cost| cost.states),
                pair(15, |cost| cost.peak_states),
                pair(19, |cost| cost.time / 1000),
            );
        }
    }
    let both: Vec<(Cost, Cost)> = rows.iter().filter_map(Row::both).collect();
    let total = |of: fn(&(Cost, Cost)) -> u64| both.iter().map(of).sum::<u64>();
    text + &format!(
        "{} programs, {} on both: {} cost less, {} cost more; instructions {} -> {}\n",
        rows.len(),
        both.len(),
        rows.iter().filter(|row| row.is_cheaper()).count(),
        rows.iter().filter(|row| row.is_dearer()).count(),
        total(|(base, _)| base.insns),
        total(|(_, series)| series.insns),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "verification time 1520 usec\nstack depth max 8\n\
                       subprog 0 (main) main insns_self 7 insns_total 12 stack 8\n\
                       processed 12 insns (limit 1000000) max_states_per_insn 1 total_states 3 \
                       peak_states 2 mark_read 0\n";

    fn cost(accepted: bool, insns: u64) -> Option<Cost> {
        Some(Cost { accepted, insns, states: 3, peak_states: 2, time: 1520 })
    }

    #[test]
    fn the_end_of_a_log_has_the_numbers() {
        assert_eq!(parse(LOG), cost(false, 12));
        assert_eq!(parse(&format!("0: exit\nprocessed nothing\n{LOG}")), cost(false, 12));
        assert_eq!(parse(""), None);
        assert_eq!(parse("processed 12 insns (limit 1000000)\n"), None);
    }

    #[test]
    fn what_costs_more_is_told_from_what_is_refused() {
        let row =
            |name: &str, base, series| Row { name: name.to_owned(), callx: false, base, series };
        let rows = [
            row("a/same", cost(true, 5), cost(true, 5)),
            row("a/dearer", cost(true, 5), cost(true, 6)),
            row("a/cheaper", cost(true, 5), cost(true, 4)),
            row("a/refused", cost(true, 5), cost(false, 9)),
            row("a/new", None, cost(true, 7)),
        ];
        let dearer: Vec<bool> = rows.iter().map(Row::is_dearer).collect();
        assert_eq!(dearer, [false, true, false, false, false]);
        let text = table(&rows, false);
        assert!(
            text.ends_with(
                "5 programs, 3 on both: 1 cost less, 1 cost more; instructions 15 -> 15\n"
            )
        );
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(table(&rows, true).contains("5 -> (9)"));
        assert!(table(&rows, true).contains("- -> 7"));
    }
}
