//! Runs a plan in every possible way, and compares the results.

use bpf_model::{Input, Machine};
use bpf_object::LoadPlan;

/// Step limit of a run, so that looping inputs are not slower than others.
const BUDGET: u64 = 2000;

/// Size limit, in entries, of maps that are compared afterwards: a list of pairs takes a multiple
/// of the map's memory, which is limited.
const MAX_ENTRIES: u32 = 1 << 16;

/// Runs each program of a plan, if its maps can be created.
///
/// # Panics
///
/// If a run differs from the same run with a trace.
pub(crate) fn exercise(plan: &LoadPlan, input: &Input) {
    let Ok(mut machine) = Machine::new(plan) else { return };
    // One more than there are: an error, too.
    for program in 0..=plan.programs.len().min(4) {
        let plain = machine.clone().run(program, input, BUDGET);
        let traced = machine.run_traced(program, input, BUDGET, 8);
        match (plain, traced) {
            (Ok(plain), Ok((traced, trace))) => {
                assert_eq!(plain, traced, "the trace changes the outcome");
                assert!(trace.entries.len() <= 8);
                trace.entries.iter().for_each(|step| drop(step.to_string()));
            }
            (Err(plain), Err(traced)) => {
                assert_eq!(plain.kind, traced.kind, "the trace changes the trap");
                assert!(!plain.to_string().is_empty());
            }
            (plain, traced) => panic!("{plain:?} but traced {traced:?}"),
        }
    }
    for program in 0..plan.programs.len().min(4) {
        let slots = plan.programs[program].insns.len();
        assert!(machine.faults(program).iter().all(|fault| fault.slot < slots.max(1)));
    }
    let _ = machine.run_function(0, &input.packet, BUDGET);
    for (index, map) in plan.maps.iter().enumerate() {
        let small = map.max_entries <= MAX_ENTRIES;
        if let Some(map) = machine.map(index).filter(|_| small) {
            let elements = map.elements();
            assert!(elements.iter().all(|(key, value)| map.lookup(key) == Some(value)));
        }
    }
}
