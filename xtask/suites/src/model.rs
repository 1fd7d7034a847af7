//! The model's own execution of a case: what the kernel's is compared with.

use std::collections::BTreeSet;

use bpf_case::{Case, Expect, Run};
use bpf_model::{Input, Machine, Outcome, TraceEntry, Trap};
use bpf_object::LoadPlan;

use super::lower::is_data;

/// Instructions that a run may execute in the model. The verifier gives up after a million
/// processed ones, but a loop that it can bound may run longer.
pub(super) const BUDGET: u64 = 64_000_000;

/// Steps of a run that are remembered.
const TRACED: usize = 1 << 16;

/// Keys and values of a map.
type Elements = Vec<(Vec<u8>, Vec<u8>)>;

/// What the model computed for a case.
#[derive(Debug, Default)]
pub struct Expected {
    /// One for each run of the case, up to the first trap.
    pub runs: Vec<Result<Outcome, Box<Trap>>>,
    /// Contents of each data map after the last run; `None` for the others.
    pub maps: Vec<Option<Elements>>,
    /// Why the model could not start at all.
    pub refused: Option<String>,
}

impl Expected {
    /// Whether a run made something of what is the kernel's choice, so that the maps may hold it.
    pub fn is_the_kernels_choice(&self) -> bool {
        self.runs.iter().flatten().any(is_the_kernels_choice)
    }
}

/// Whether what a run gave depends on an address, or on how long may_goto let a loop run. The model
/// can say nothing about it.
pub fn is_the_kernels_choice(outcome: &Outcome) -> bool {
    kernels_choice(outcome).is_some()
}

/// What the outcome of a run depends on that is the kernel's choice, if so.
pub fn kernels_choice(outcome: &Outcome) -> Option<&'static str> {
    match (outcome.address_leaked, outcome.may_goto_spent) {
        (true, _) => Some("an address"),
        // `BPF_MAX_LOOPS` of `include/linux/bpf.h`; `BPF_MAX_TIMED_LOOPS`.
        (false, true) => Some(
            "how long may_goto lets a loop run, which is 8,388,608 rounds in the interpreter and a \
             quarter of a second in the JIT",
        ),
        (false, false) => None,
    }
}

/// The slots that the case's runs go to by `gotox`, as far as the last steps of each are remembered.
/// Nothing where the case has several programs, whose slots could not be told apart.
pub fn gotox_targets(case: &Case, plan: &LoadPlan) -> BTreeSet<u32> {
    let mut targets = BTreeSet::new();
    let (Expect::Accepted(runs), [_], Ok(mut machine)) =
        (&case.expect, plan.programs.as_slice(), Machine::new(plan))
    else {
        return targets;
    };
    for run in runs {
        let Ok((_, trace)) = machine.run_traced(0, &input(run), BUDGET, TRACED) else { break };
        let gotox = |pair: &&[TraceEntry]| pair[0].insn.contains("gotox");
        targets.extend(trace.entries.windows(2).filter(gotox).map(|pair| pair[1].slot as u32));
    }
    targets
}

/// Executes every run of a case in the model, one after the other on the same maps.
pub fn expect(case: &Case, plan: &LoadPlan) -> Expected {
    let mut expected = Expected::default();
    let Expect::Accepted(runs) = &case.expect else { return expected };
    let mut machine = match Machine::new(plan) {
        Ok(machine) => machine,
        Err(error) => {
            expected.refused = Some(error.to_string());
            return expected;
        }
    };
    for run in runs {
        let outcome = machine.run(0, &input(run), BUDGET);
        let trapped = outcome.is_err();
        expected.runs.push(outcome);
        if trapped {
            break;
        }
    }
    expected.maps = plan
        .maps
        .iter()
        .enumerate()
        .map(|(index, map)| is_data(map).then(|| machine.map(index).map(|map| map.elements()))?)
        .collect();
    expected
}

/// What a run of a case is given.
pub(super) fn input(run: &Run) -> Input {
    Input { ctx: run.ctx.clone(), packet: run.packet.clone() }
}
