//! What is wrong with a program before it runs.

use bpf_model::{Fault, Machine, TrapKind};
use bpf_object::LoadPlan;

use crate::common::*;

fn faults(plan: &LoadPlan) -> Vec<Fault> {
    Machine::new(plan).expect("the maps can be created").faults(0)
}

fn slots(plan: &LoadPlan) -> Vec<usize> {
    faults(plan).into_iter().map(|fault| fault.slot).collect()
}

#[test]
fn a_sound_program_has_none() {
    let code = [&pseudo(1, 2, 0, 0)[..], &[insn(0x79, 1, 1, 0, 0), insn(0x0d, 1, 0, 0, 0)]];
    let code = [&code.concat()[..], &[mov(0, 1), EXIT]].concat();
    assert_eq!(faults(&with_map(plan(&code), jump_table(&[4]), &[0])), []);
    assert_eq!(Machine::new(&plan(&code)).unwrap().faults(7), [], "there is no program 7");
}

#[test]
fn instructions_that_are_not_reached_count() {
    let unknown = insn(0xff, 0, 0, 0, 0);
    assert_eq!(slots(&plan(&[mov(0, 1), EXIT, unknown, EXIT])), [2]);
    let kfunc = insn(0x85, 0, 2, 0, 1);
    let found = faults(&plan(&[mov(0, 1), EXIT, kfunc, EXIT]));
    assert!(matches!(found[..], [Fault { slot: 2, kind: TrapKind::Unsupported(_) }]), "{found:?}");
}

#[test]
fn jumps_that_are_not_taken_count() {
    let out = insn(0x15, 0, 0, 20, 9);
    let found = faults(&plan(&[mov(0, 1), out, EXIT]));
    assert!(
        matches!(found[..], [Fault { slot: 1, kind: TrapKind::BadJumpTarget { target: 22, .. } }]),
        "{found:?}"
    );
}

#[test]
fn every_function_has_to_end() {
    assert_eq!(faults(&plan(&[])), [Fault { slot: 0, kind: TrapKind::FellOff }]);
    let mut plan = plan(&[mov(0, 1), EXIT, mov(0, 2), EXIT, mov(0, 3)]);
    plan.programs[0].functions.extend([function("a", 2), function("b", 4)]);
    assert_eq!(faults(&plan), [Fault { slot: 4, kind: TrapKind::FellOff }]);
}

#[test]
fn entries_of_a_jump_table_have_to_name_instructions() {
    let code = [&pseudo(1, 2, 0, 0)[..], &[mov(0, 1), EXIT]].concat();
    let with = |entries: &[u32]| faults(&with_map(plan(&code), jump_table(entries), &[0]));
    assert_eq!(with(&[2, 3]), []);
    let wrong =
        |target, why| vec![Fault { slot: 0, kind: TrapKind::BadJumpTarget { target, why } }];
    assert_eq!(with(&[2, 4]), wrong(4, "outside the program"));
    assert_eq!(with(&[2, 1]), wrong(1, "the second half of a wide instruction"));
}
