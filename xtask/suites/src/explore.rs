//! Runs a program in the model on inputs of the harness' own, to tell whether it is safe.
//!
//! That judges the verifier both ways: what it accepts must not trap on any input, and what it
//! rejects though nothing goes wrong is worth knowing.

use std::collections::BTreeMap;

use bpf_model::{Input, Machine, Trap, TrapKind};
use bpf_object::LoadPlan;

use super::inputs::{inputs, longest_context};

/// Instructions that a run may execute. Fewer than in a run that a case states: there are many runs,
/// and a program may well be one that does not end.
const BUDGET: u64 = 1 << 20;

/// Runs that may use up the budget before the others are left out.
const SLOW: usize = 2;

/// The outcome of running a program.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Runs that were made.
    pub runs: usize,
    /// The first thing that a verifier has to prevent.
    pub unsound: Option<Finding>,
    /// Why the program cannot be called clean: the first trap of any kind, one line.
    pub unclean: Option<String>,
    /// Whether a run has handed out an address.
    pub leaks: bool,
}

/// Something that a verifier has to prevent.
#[derive(Clone, Debug)]
pub enum Finding {
    /// Whatever the program is run on: slot and reason.
    Fault(usize, TrapKind),
    /// In a run.
    Trap {
        /// The inputs on the same maps; the last one is that of the trap.
        inputs: Vec<Input>,
        /// What happened.
        trap: Box<Trap>,
    },
}

/// The programs of a case that were looked at, by index and whether prog arrays are filled.
#[derive(Debug, Default)]
pub struct Explorer(BTreeMap<(usize, bool), Explored>);

impl Explorer {
    /// The outcome of the program with this index, computed once.
    ///
    /// `linked` says whether all programs of the plan are there: if not, prog arrays are empty.
    pub fn program(&mut self, plan: &LoadPlan, program: usize, linked: bool) -> &Explored {
        self.0.entry((program, linked)).or_insert_with(|| {
            if linked {
                return explore(plan, program);
            }
            explore(&unlinked(plan), program)
        })
    }
}

/// The plan with nothing in its prog arrays.
pub fn unlinked(plan: &LoadPlan) -> LoadPlan {
    let mut plan = plan.clone();
    plan.maps.iter_mut().for_each(|map| map.programs.clear());
    plan
}

/// Runs a program on every input, each on fresh maps, and then on all of them on the same maps.
pub fn explore(plan: &LoadPlan, program: usize) -> Explored {
    let mut explored = Explored::default();
    let Some(prog_type) = plan.programs.get(program).map(|program| program.prog_type) else {
        explored.unclean = Some(format!("there is no program {program}"));
        return explored;
    };
    let pristine = match Machine::new(plan) {
        Ok(machine) => machine,
        Err(error) => {
            explored.unclean = Some(format!("the model refuses the plan: {error}"));
            return explored;
        }
    };
    for fault in pristine.faults(program) {
        let why = format!("slot {}: {}", fault.slot, fault.kind);
        explored.unclean.get_or_insert(why);
        if fault.kind.is_unsound() {
            explored.unsound = Some(Finding::Fault(fault.slot, fault.kind));
            return explored;
        }
    }
    // A test run gives a program at least as much context as it may access, however that is not
    // stated anywhere: the program shows it.
    let mut context = 0;
    while let Some(longer) = try_all(&pristine, program, prog_type, context, &mut explored) {
        context = longer;
        explored = Explored { unclean: explored.unclean, ..Explored::default() };
    }
    explored
}

/// Makes all runs, with contexts of at least `context` bytes. Gives a larger number where that was
/// too short.
fn try_all(
    pristine: &Machine,
    program: usize,
    prog_type: u32,
    context: usize,
    explored: &mut Explored,
) -> Option<usize> {
    let inputs = inputs(prog_type, context);
    let mut shared = pristine.clone();
    let mut slow = 0;
    for fresh in [true, false] {
        for number in 0..inputs.len() {
            let ran = if fresh {
                pristine.clone().run(program, &inputs[number], BUDGET)
            } else {
                shared.run(program, &inputs[number], BUDGET)
            };
            explored.runs += 1;
            let trap = match ran {
                Ok(outcome) => {
                    explored.leaks |= outcome.address_leaked;
                    continue;
                }
                Err(trap) => trap,
            };
            if let Some(longer) = longer_context(&trap.kind, prog_type, inputs[number].ctx.len()) {
                return Some(longer);
            }
            explored.unclean.get_or_insert_with(|| trap.to_string());
            if trap.kind.is_unsound() {
                let first = if fresh { number } else { 0 };
                let inputs = inputs[first..=number].to_vec();
                explored.unsound = Some(Finding::Trap { inputs, trap });
                return None;
            }
            slow += usize::from(matches!(trap.kind, TrapKind::Budget { .. }));
            if slow == SLOW {
                return None;
            }
        }
    }
    None
}

/// The length that a context should have, if a trap comes of its being too short: an access inside
/// of what the kernel lets programs of this type see. At least twice the length that it had, so that
/// a few attempts are enough.
pub(super) fn longer_context(trap: &TrapKind, prog_type: u32, len: usize) -> Option<usize> {
    let TrapKind::OutOfBounds { object, offset, size, .. } = trap else { return None };
    let end = usize::try_from(*offset).ok()?.checked_add(usize::try_from(*size).ok()?)?;
    let longest = longest_context(prog_type);
    (&**object == "the context" && end > len && end <= longest)
        .then(|| end.max(2 * len).min(longest))
}

#[cfg(test)]
mod tests {
    use bpf_object::compile;

    use super::*;

    fn explored(source: &str) -> Explored {
        explore(&compile(source).unwrap(), 0)
    }

    #[test]
    fn a_clean_program_is_run_twice_on_every_input() {
        let clean = explored("r0 = *(u64 *)(r1 +0)\nexit");
        assert_eq!(clean.runs, 128);
        assert!(clean.unsound.is_none() && clean.unclean.is_none() && !clean.leaks);
    }

    #[test]
    fn a_fault_that_depends_on_data_is_found_with_its_input() {
        let bad = explored("r2 = *(u64 *)(r1 +8)\nif r2 s> 3 goto +1\nr0 = 0\nexit");
        let Some(Finding::Trap { inputs, trap }) = bad.unsound else { panic!("{bad:?}") };
        assert_eq!(trap.kind, TrapKind::UninitRegister { reg: 0 });
        assert_eq!(inputs.len(), 1, "the maps do not matter");
        assert_eq!(inputs[0].ctx[8], 4);
        assert!(bad.unclean.unwrap().contains("r0 is read but was not written"));
    }

    #[test]
    fn a_fault_that_comes_of_the_run_before_has_the_runs_before() {
        let bad = explored(
            "r1 = counts ll
             r0 = *(u64 *)(r1 +0)
             if r0 == 2 goto bad
             r0 += 1
             *(u64 *)(r1 +0) = r0
             r0 = 0
             exit
             bad: r0 = *(u64 *)(r1 +8)
             exit
             .data counts .data: 0",
        );
        let Some(Finding::Trap { inputs, trap }) = bad.unsound else { panic!("{bad:?}") };
        assert_eq!((inputs.len(), trap.slot), (3, 8), "{trap}");
    }

    #[test]
    fn a_context_is_as_long_as_the_program_needs() {
        let far = explored("r0 = *(u64 *)(r1 +4096)\nexit");
        assert!(far.unclean.is_none(), "{far:?}");
        let out = explored("r0 = *(u64 *)(r1 -8)\nexit");
        assert!(out.unsound.is_some(), "{out:?}");
        let wild = explored("r2 = *(u64 *)(r1 +0)\nr1 += r2\nr0 = *(u8 *)(r1 +0)\nexit");
        assert!(wild.unsound.is_some(), "{wild:?}");
    }

    #[test]
    fn what_is_not_reached_is_looked_at_too() {
        let mut plan = compile("r0 = 0\nexit\nexit").unwrap();
        plan.programs[0].insns[2].code = 0xff;
        assert!(matches!(explore(&plan, 0).unsound, Some(Finding::Fault(2, _))));
    }

    #[test]
    fn what_the_model_cannot_judge_is_neither_clean_nor_unsound() {
        let endless = explored("a: goto a");
        assert!(endless.unsound.is_none());
        assert!(endless.unclean.unwrap().contains("budget"), "and only");
        assert_eq!(endless.runs, SLOW);
        let unknown = explored("call 14\nr0 = 0\nexit");
        assert!(unknown.unsound.is_none() && unknown.unclean.is_some());
    }

    #[test]
    fn programs_in_a_prog_array_are_reached_only_if_they_are_there() {
        let plan = compile(
            ".prog first syscall
             r3 = 0
             r2 = map progs ll
             call bpf_tail_call
             r0 = 0
             exit
             .prog second syscall
             r0 = r9
             exit
             .map progs prog_array key=4 value=4 entries=1: second",
        )
        .unwrap();
        let mut explorer = Explorer::default();
        let Some(Finding::Trap { trap, .. }) = &explorer.program(&plan, 0, true).unsound else {
            panic!("the second program traps")
        };
        assert_eq!(trap.program, 1);
        assert!(explorer.program(&plan, 0, false).unclean.is_none());
        assert!(explorer.program(&plan, 1, false).unsound.is_some());
    }
}
