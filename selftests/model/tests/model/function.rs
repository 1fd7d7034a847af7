//! Bare instructions on memory: what is in r1 and r2, and what comes back.

use bpf_isa::{Insn, assemble};
use bpf_model::{Machine, Outcome, Trap, TrapKind, ValueKind};

use crate::common::plan_of;

fn insns(source: &str) -> Vec<Insn> {
    assemble(source).expect("the source is sound").functions.remove(0).insns
}

fn run(source: &str, memory: &[u8]) -> Result<Outcome, Box<Trap>> {
    Machine::of_insns(&insns(source)).expect("there are no maps").run_function(0, memory, 1000)
}

#[test]
fn r2_is_the_length_and_the_memory_comes_back() {
    let outcome = run("*(u16 *)(r1 +1) = 0x1234\n r0 = r2\n exit", &[7; 4]).unwrap();
    assert_eq!(outcome.r0, 4);
    assert_eq!(outcome.ctx, [7, 0x34, 0x12, 7]);
    assert!(!outcome.address_leaked);
}

#[test]
fn without_memory_both_are_zero() {
    let outcome = run("r0 = r1\n r0 |= r2\n exit", &[]).unwrap();
    assert_eq!((outcome.r0, outcome.address_leaked), (0, false));
    let trap = run("r0 = *(u8 *)(r1 +0)\n exit", &[]).unwrap_err();
    assert_eq!(trap.kind, TrapKind::NotAPointer { found: ValueKind::Scalar });
}

#[test]
fn the_memory_ends_where_it_ends() {
    let trap = run("r0 = *(u32 *)(r1 +1)\n exit", &[0; 4]).unwrap_err();
    let kind = TrapKind::OutOfBounds { object: "the memory".into(), offset: 1, size: 4, len: 4 };
    assert_eq!(trap.kind, kind);
}

#[test]
fn r3_is_not_readable() {
    let trap = run("r0 = r3\n exit", &[0; 4]).unwrap_err();
    assert_eq!(trap.kind, TrapKind::UninitRegister { reg: 3 });
}

#[test]
fn any_program_type_can_be_run_so() {
    let plan = plan_of(6, &insns("r0 = *(u8 *)(r1 +2)\n exit"));
    let mut machine = Machine::new(&plan).unwrap();
    assert_eq!(machine.run_function(0, &[1, 2, 3], 10).unwrap().r0, 3);
    assert_eq!(machine.run_function(0, &[4, 5, 6], 10).unwrap().r0, 6);
}

#[test]
fn bare_instructions_are_no_program() {
    let mut machine = Machine::of_insns(&insns("r0 = 0\n exit")).unwrap();
    let trap = machine.run(0, &bpf_model::Input::default(), 10).unwrap_err();
    assert_eq!(trap.kind, TrapKind::Unsupported("program type 0".into()));
}
