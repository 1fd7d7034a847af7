//! Calls, indirect jumps and calls, `may_goto`, and the traps of control flow.

use bpf_model::{Input, Machine, TrapKind, ValueKind};
use bpf_object::LoadPlan;

use crate::common::*;

/// A `gotox` over the table, with the index in `ctx[0]`; target `n` returns `100 + n`.
///
/// Slots: 0 index, 1 shift, 2-3 table, 4 add, 5 load, 6 gotox, then pairs of move and exit.
fn dispatch(targets: &[u32], ways: i32) -> LoadPlan {
    let mut insns = vec![insn(0x61, 1, 1, 0, 0), insn(0x67, 1, 0, 0, 3)];
    insns.extend(pseudo(2, 2, 0, 0));
    insns.extend([insn(0x0f, 2, 1, 0, 0), insn(0x79, 2, 2, 0, 0), insn(0x0d, 2, 0, 0, 0)]);
    for way in 0..ways {
        insns.extend([mov(0, 100 + way), EXIT]);
    }
    with_map(plan(&insns), jump_table(targets), &[2])
}

fn index(index: u32) -> Input {
    Input { ctx: index.to_le_bytes().to_vec(), packet: Vec::new() }
}

#[test]
fn gotox_takes_each_target() {
    let plan = dispatch(&[11, 7, 9, 7], 3);
    for (at, expected) in [(0, 102), (1, 100), (2, 101), (3, 100)] {
        let outcome = run(&plan, &index(at)).expect("runs");
        assert_eq!(outcome.r0, expected, "index {at}");
        assert!(!outcome.address_leaked);
        assert_eq!(outcome.steps, 8);
    }
}

#[test]
fn gotox_past_the_table_is_out_of_bounds() {
    let trap = run(&dispatch(&[7, 9], 2), &index(2)).expect_err("traps");
    assert_eq!(trap.slot, 5);
    assert!(
        matches!(trap.kind, TrapKind::OutOfBounds { offset: 16, size: 8, len: 16, .. }),
        "{trap}"
    );
}

#[test]
fn gotox_to_what_is_no_instruction() {
    for (target, piece) in [(3, "wide"), (11, "outside"), (u32::MAX, "outside")] {
        let trap = run(&dispatch(&[target], 2), &index(0)).expect_err("traps");
        assert_eq!(trap.slot, 6);
        let TrapKind::BadJumpTarget { target: got, why } = trap.kind else { panic!("{trap}") };
        assert_eq!(got, i64::from(target));
        assert!(why.contains(piece), "{why}");
    }
}

#[test]
fn gotox_into_another_function() {
    // The call makes slot 9 a function of its own.
    let mut plan = dispatch(&[7], 2);
    plan.programs[0].insns[7] = insn(0x85, 0, 1, 0, 1);
    assert!(run(&plan, &index(0)).is_ok(), "a target in the same function");
    plan.maps[0].contents[0].value[0] = 9;
    let trap = run(&plan, &index(0)).expect_err("traps");
    assert_eq!(trap.kind, TrapKind::BadJumpTarget { target: 9, why: "in another function" });
}

#[test]
fn gotox_wants_an_unchanged_instruction_address() {
    let reg = 2;
    let mut plan = dispatch(&[7], 1);
    plan.programs[0].insns[5] = mov(2, 7);
    let (found, slot) = (ValueKind::Scalar, 6);
    let trap = run(&plan, &index(0)).expect_err("traps");
    assert_eq!((trap.slot, trap.kind), (slot, TrapKind::NotInstructionAddress { reg, found }));

    // The table's address itself.
    plan.programs[0].insns[5] = mov(3, 7);
    let trap = run(&plan, &index(0)).expect_err("traps");
    assert_eq!(trap.kind, TrapKind::NotInstructionAddress { reg, found: ValueKind::Pointer });

    // An address that was moved by 8 bytes.
    let mut insns = pseudo(2, 2, 0, 0).to_vec();
    insns.extend([insn(0x79, 2, 2, 0, 0), insn(0x07, 2, 0, 0, 8), insn(0x0d, 2, 0, 0, 0)]);
    insns.extend([mov(0, 1), EXIT]);
    let plan = with_map(crate::common::plan(&insns), jump_table(&[5]), &[0]);
    let found = ValueKind::Indeterminate;
    assert_eq!(trap_of(&plan), (4, TrapKind::NotInstructionAddress { reg, found }));
}

fn trap_of(plan: &LoadPlan) -> (usize, TrapKind) {
    crate::common::trap(plan)
}

#[test]
fn jump_tables_are_read_whole_and_never_written() {
    for (code, off) in [(0x61, 0), (0x79, 4)] {
        let mut insns = pseudo(2, 2, 0, 0).to_vec();
        insns.extend([insn(code, 2, 2, off, 0), EXIT]);
        let plan = with_map(plan(&insns), jump_table(&[0, 0]), &[0]);
        assert!(matches!(trap(&plan), (2, TrapKind::Misaligned { .. })));
    }
    let mut insns = pseudo(2, 2, 0, 0).to_vec();
    insns.extend([insn(0x7a, 2, 0, 0, 1), EXIT]);
    let plan = with_map(plan(&insns), jump_table(&[0, 0]), &[0]);
    assert!(matches!(trap(&plan), (2, TrapKind::ReadOnly { .. })));
}

#[test]
fn an_instruction_address_survives_the_stack_whole_only() {
    let through_stack = |store, load| {
        let mut insns = pseudo(2, 2, 0, 0).to_vec();
        insns.extend([insn(0x79, 2, 2, 0, 0), insn(0x7b, 10, 2, -8, 0), store, load]);
        insns.extend([insn(0x0d, 3, 0, 0, 0), mov(0, 5), EXIT]);
        with_map(plan(&insns), jump_table(&[7]), &[0])
    };
    let load = insn(0x79, 3, 10, -8, 0);
    assert_eq!(r0(&through_stack(mov(0, 0), load)), 5);
    let broken = through_stack(insn(0x72, 10, 0, -8, 0), load);
    let found = ValueKind::Indeterminate;
    assert_eq!(trap(&broken), (6, TrapKind::NotInstructionAddress { reg: 3, found }));
    let misaligned = through_stack(insn(0x7a, 10, 0, -16, 0), insn(0x79, 3, 10, -12, 0));
    assert_eq!(trap(&misaligned), (6, TrapKind::NotInstructionAddress { reg: 3, found }));
}

/// The entry calls a function at slot 5 with r1 = 3 and r6 = 40, then adds r6 to what it gives.
fn caller(callee: &[bpf_isa::Insn]) -> LoadPlan {
    let mut insns = vec![mov(1, 3), mov(6, 40), insn(0x85, 0, 1, 0, 2)];
    insns.extend([insn(0x0f, 0, 6, 0, 0), EXIT]);
    insns.extend(callee);
    plan(&insns)
}

#[test]
fn calls_keep_r6_to_r9_and_the_frame_pointer() {
    let callee = [mov(6, 7), insn(0x7b, 10, 6, -8, 0), mov_reg(0, 1), EXIT];
    assert_eq!(r0(&caller(&callee)), 43);
}

#[test]
fn a_callee_sees_arguments_only_and_destroys_them() {
    for reg in [0, 6, 7, 8, 9] {
        let plan = caller(&[mov_reg(0, reg), EXIT]);
        assert_eq!(trap(&plan), (5, TrapKind::UninitRegister { reg }));
    }
    for reg in 1..6 {
        let mut plan = caller(&[mov(0, 1), EXIT]);
        plan.programs[0].insns[3] = mov_reg(0, reg);
        assert_eq!(trap(&plan), (3, TrapKind::UninitRegister { reg }));
    }
}

#[test]
fn a_callee_writes_the_callers_stack() {
    let mut insns = vec![insn(0x7a, 10, 0, -8, 1), mov_reg(1, 10), insn(0x85, 0, 1, 0, 2)];
    insns.extend([insn(0x79, 0, 10, -8, 0), EXIT]);
    insns.extend([insn(0x7a, 1, 0, -8, 77), mov(0, 0), EXIT]);
    assert_eq!(r0(&plan(&insns)), 77);
}

#[test]
fn a_frame_is_dead_after_its_return() {
    let mut plan = caller(&[insn(0x7a, 10, 0, -8, 1), mov_reg(0, 10), EXIT]);
    plan.programs[0].insns[3] = insn(0x79, 0, 0, -8, 0);
    assert_eq!(trap(&plan), (3, TrapKind::DeadFrame));
    // Nor is it the frame of the next call.
    let mut insns = vec![insn(0x85, 0, 1, 0, 3), mov_reg(1, 0), insn(0x85, 0, 1, 0, 3), EXIT];
    insns.extend([mov_reg(0, 10), EXIT]);
    insns.extend([insn(0x7a, 10, 0, -8, 1), insn(0x79, 0, 1, -8, 0), EXIT]);
    assert_eq!(trap(&crate::common::plan(&insns)), (7, TrapKind::DeadFrame));
}

#[test]
fn as_many_frames_as_there_are_and_one_more() {
    // Calls itself while r1 is not 0.
    let recursive = |depth: i32| {
        let mut insns = vec![mov(1, depth), insn(0x85, 0, 1, 0, 1), EXIT];
        insns.extend([mov(0, 5), insn(0x15, 1, 0, 2, 0), insn(0x07, 1, 0, 0, -1)]);
        insns.extend([insn(0x85, 0, 1, 0, -4), EXIT]);
        plan(&insns)
    };
    assert_eq!(r0(&recursive(30)), 5);
    assert_eq!(trap(&recursive(31)), (6, TrapKind::CallDepth));
}

#[test]
fn callx_calls_the_function_in_the_register() {
    let mut insns = pseudo(2, 4, 4, 0).to_vec();
    insns.extend([mov(1, 20), insn(0x8d, 2, 0, 0, 0), EXIT]);
    insns.extend([mov_reg(0, 1), insn(0x07, 0, 0, 0, 1), EXIT]);
    assert_eq!(r0(&plan(&insns)), 21);
    insns[0] = mov(2, 40);
    insns[1] = mov(3, 0);
    // Still two functions, but r2 is a number.
    let mut direct = plan(&insns);
    direct.programs[0].functions.push(crate::common::function("f", 5));
    let found = ValueKind::Scalar;
    assert_eq!(trap(&direct), (3, TrapKind::NotFunctionAddress { reg: 2, found }));
}

#[test]
fn jumps_that_leave_the_function() {
    for (jump, target, piece) in [
        (insn(0x05, 0, 0, 9, 0), 11, "outside"),
        (insn(0x05, 0, 0, -3, 0), -1, "outside"),
        (insn(0x06, 0, 0, 0, 0x7fff_ffff), 0x8000_0001, "outside"),
        (insn(0x15, 0, 0, 1, 1), 3, "wide"),
    ] {
        let mut insns = vec![mov(0, 1), jump];
        insns.extend(wide(0, 5));
        insns.push(EXIT);
        let (slot, kind) = trap(&plan(&insns));
        let TrapKind::BadJumpTarget { target: got, why } = kind else { panic!("{kind}") };
        assert_eq!((slot, got), (1, target));
        assert!(why.contains(piece), "{why}");
    }
    let mut plan = caller(&[mov(0, 1), EXIT]);
    plan.programs[0].insns[3] = insn(0x05, 0, 0, 1, 0);
    assert_eq!(trap(&plan).1, TrapKind::BadJumpTarget { target: 5, why: "in another function" });
}

#[test]
fn a_jump_not_taken_does_not_matter() {
    assert_eq!(r0(&plan(&[mov(0, 1), insn(0x15, 0, 0, 99, 2), EXIT])), 1);
}

#[test]
fn falling_off_the_end() {
    assert_eq!(trap(&plan(&[mov(0, 1)])), (0, TrapKind::FellOff));
    assert_eq!(trap(&plan(&[])), (0, TrapKind::FellOff));
    // Nor does one function run into the next.
    let mut plan = caller(&[mov(0, 1), EXIT]);
    plan.programs[0].insns[4] = mov(3, 0);
    assert_eq!(trap(&plan), (4, TrapKind::FellOff));
}

#[test]
fn the_budget_counts_instructions() {
    let plan = plan(&[mov(0, 1), mov(0, 2), EXIT]);
    let mut machine = Machine::new(&plan).expect("a sound plan");
    assert_eq!(machine.run(0, &Input::default(), 3).expect("runs").steps, 3);
    let trap = machine.run(0, &Input::default(), 2).expect_err("traps");
    assert_eq!((trap.slot, trap.steps), (2, 2));
    assert_eq!(trap.kind, TrapKind::Budget { budget: 2 });
}

#[test]
fn may_goto_falls_through_eight_million_times() {
    // r0 += 1; may_goto +1; goto -3; exit
    let insns =
        [mov(0, 0), insn(0x07, 0, 0, 0, 1), insn(0xe5, 0, 0, 1, 0), insn(0x05, 0, 0, -3, 0)];
    let plan = plan(&[&insns[..], &[EXIT]].concat());
    let mut machine = Machine::new(&plan).expect("a sound plan");
    let outcome = machine.run(0, &Input::default(), 100_000_000).expect("runs");
    assert_eq!(outcome.r0, 8 * 1024 * 1024 + 1);
    assert!(outcome.may_goto_spent);
}

#[test]
fn refused_instructions_trap_when_they_are_reached() {
    let unknown = insn(0xff, 0, 0, 0, 0);
    assert!(matches!(trap(&plan(&[unknown, EXIT])), (0, TrapKind::InvalidInstruction { .. })));
    assert_eq!(r0(&plan(&[mov(0, 1), EXIT, unknown])), 1);
    assert!(matches!(trap(&plan(&[mov(10, 1), EXIT])), (0, TrapKind::InvalidInstruction { .. })));
    let (_, kind) = trap(&plan(&[insn(0x85, 0, 0, 0, 14), EXIT]));
    assert!(matches!(kind, TrapKind::Unsupported(_)) && !kind.is_unsound(), "{kind}");
}

#[test]
fn exit_needs_r0() {
    assert_eq!(trap(&plan(&[EXIT])), (0, TrapKind::UninitRegister { reg: 0 }));
}

#[test]
fn traces_show_the_path_and_what_it_changed() {
    let plan =
        plan(&[mov(0, 1), insn(0x05, 0, 0, 1, 0), EXIT, insn(0x07, 0, 0, 0, 4), mov_reg(0, 4)]);
    let mut machine = Machine::new(&plan).expect("a sound plan");
    let trap = machine.run_traced(0, &Input::default(), 100, 3).expect_err("traps");
    let shown: Vec<_> = trap.trace.entries.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["   1: (05) goto pc+1", "   3: (07) r0 += 4  ; r0 = 0x5", "   4: (bf) r0 = r4"]
    );
    assert_eq!(trap.trace.left_out, 1);
    assert_eq!(trap.regs[0].bits(), 5);
    assert_eq!(trap.insn, "(bf) r0 = r4");
    assert_eq!(
        trap.to_string(),
        "slot 4 `(bf) r0 = r4`: r4 is read but was not written \
         (r0 = 0x5, r1 = context +0, r10 = stack frame 0 +0)"
    );
}
