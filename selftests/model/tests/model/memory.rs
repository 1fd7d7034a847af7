//! Loads, stores and atomics: values, bounds, what is initialised, what is a pointer.

use bpf_isa::Insn;
use bpf_model::{Input, TrapKind, ValueKind};

use crate::common::*;

const STORE64: u8 = 0x7b;
const LOAD64: u8 = 0x79;

/// Runs on a context of 8 bytes, 0x80 to 0x87.
fn on_context(insns: &[Insn]) -> Result<bpf_model::Outcome, Box<bpf_model::Trap>> {
    run(&plan(insns), &Input { ctx: (0x80..0x88).collect(), packet: Vec::new() })
}

#[test]
fn loads_of_every_size() {
    for (code, off, expected) in [
        (0x71, 1, 0x81),
        (0x69, 1, 0x8281),
        (0x61, 1, 0x8483_8281),
        (0x79, 0, 0x8786_8584_8382_8180),
        (0x91, 1, 0xffff_ffff_ffff_ff81),
        (0x89, 1, 0xffff_ffff_ffff_8281),
        (0x81, 1, 0xffff_ffff_8483_8281),
    ] {
        let outcome = on_context(&[insn(code, 0, 1, off, 0), EXIT]).expect("runs");
        assert_eq!(outcome.r0, expected, "{code:#x}");
    }
}

#[test]
fn stores_of_every_size() {
    for (register, immediate, expected) in [
        (0x73, 0x72, [0xfe, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87]),
        (0x6b, 0x6a, [0xfe, 0xff, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87]),
        (0x63, 0x62, [0xfe, 0xff, 0xff, 0xff, 0x84, 0x85, 0x86, 0x87]),
        (0x7b, 0x7a, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ] {
        let by_register = [mov(0, -2), insn(register, 1, 0, 0, 0), EXIT];
        assert_eq!(on_context(&by_register).expect("runs").ctx, expected);
        let by_immediate = [mov(0, 0), insn(immediate, 1, 0, 0, -2), EXIT];
        assert_eq!(on_context(&by_immediate).expect("runs").ctx, expected);
    }
}

#[test]
fn bounds_of_the_context() {
    for (off, inside) in [(0, true), (1, false), (-1, false), (8, false), (i16::MIN, false)] {
        let ran = on_context(&[insn(LOAD64, 0, 1, off, 0), EXIT]);
        match ran {
            Ok(_) => assert!(inside, "{off}"),
            Err(trap) => {
                let (offset, size, len) = (i64::from(off), 8, 8);
                let object = "the context".into();
                assert_eq!(trap.kind, TrapKind::OutOfBounds { object, offset, size, len });
                assert!(!inside);
            }
        }
    }
    // Far outside, by arithmetic that wraps.
    let mut insns = wide(2, u64::MAX - 3).to_vec();
    insns.extend([insn(0x0f, 1, 2, 0, 0), insn(0x71, 0, 1, 0, 0), EXIT]);
    let trap = on_context(&insns).expect_err("traps");
    assert!(matches!(trap.kind, TrapKind::OutOfBounds { offset: -4, .. }), "{trap}");
}

#[test]
fn bounds_of_the_stack() {
    let store = |off| plan(&[insn(0x7a, 10, 0, off, 1), mov(0, 0), EXIT]);
    assert_eq!(r0(&store(-512)), 0);
    assert_eq!(trap(&store(-513)), (0, TrapKind::StackOverflow { offset: -513, size: 8 }));
    assert!(matches!(trap(&store(-7)).1, TrapKind::OutOfBounds { offset: 505, .. }));
    assert!(matches!(trap(&store(0)).1, TrapKind::OutOfBounds { offset: 512, .. }));
}

#[test]
fn stack_bytes_have_to_be_written_before_they_are_read() {
    let kind = TrapKind::UninitStack { offset: -8, size: 8 };
    assert_eq!(trap(&plan(&[insn(LOAD64, 0, 10, -8, 0), EXIT])), (0, kind.clone()));
    assert!(!kind.is_unsound(), "the kernel allows it to privileged programs");
    let partly = [insn(0x62, 10, 0, -8, 1), insn(LOAD64, 0, 10, -8, 0), EXIT];
    assert_eq!(trap(&plan(&partly)), (1, kind));
    let across = [insn(0x62, 10, 0, -8, 1), insn(0x69, 0, 10, -5, 0), EXIT];
    assert_eq!(trap(&plan(&across)), (1, TrapKind::UninitStack { offset: -5, size: 2 }));
    let whole = [insn(0x62, 10, 0, -8, 1), insn(0x62, 10, 0, -4, 2), insn(LOAD64, 0, 10, -8, 0)];
    assert_eq!(r0(&plan(&[&whole[..], &[EXIT]].concat())), 0x2_0000_0001);
    let misaligned = [insn(0x7a, 10, 0, -13, -1), insn(0x61, 0, 10, -10, 0), EXIT];
    assert_eq!(r0(&plan(&misaligned)), 0xffff_ffff);
}

#[test]
fn a_frame_starts_uninitialised() {
    // The first call writes fp-8, the second reads what would be the same bytes.
    let mut insns = vec![insn(0x85, 0, 1, 0, 2), insn(0x85, 0, 1, 0, 4), EXIT];
    insns.extend([insn(0x7a, 10, 0, -8, 1), mov(0, 0), EXIT]);
    insns.extend([insn(LOAD64, 0, 10, -8, 0), EXIT]);
    assert_eq!(trap(&plan(&insns)), (6, TrapKind::UninitStack { offset: -8, size: 8 }));

    let insns = [insn(0x79, 0, 1, 0, 0), insn(0x15, 0, 0, 1, 0), insn(0x7a, 10, 0, -8, 1)];
    let insns = [&insns[..], &[insn(LOAD64, 0, 10, -8, 0), EXIT]].concat();
    let mut machine = bpf_model::Machine::new(&plan(&insns)).expect("a sound plan");
    let input = |first| Input { ctx: vec![first, 0, 0, 0, 0, 0, 0, 0], packet: Vec::new() };
    assert_eq!(machine.run(0, &input(1), 10).expect("runs").r0, 1);
    assert!(machine.run(0, &input(0), 10).is_err(), "stack of the run before");
}

#[test]
fn registers_have_to_be_written_before_they_are_read() {
    for (read, reg) in [
        (insn(0x0f, 0, 3, 0, 0), 3),
        (insn(0x07, 2, 0, 0, 1), 2),
        (insn(0x87, 2, 0, 0, 0), 2),
        (insn(0xd4, 2, 0, 0, 16), 2),
        (insn(0xbc, 0, 4, 0, 0), 4),
        (insn(0xbf, 0, 4, 8, 0), 4),
        (insn(0x1d, 0, 5, 0, 0), 5),
        (insn(0x15, 5, 0, 0, 0), 5),
        (insn(LOAD64, 0, 6, 0, 0), 6),
        (insn(STORE64, 10, 7, -8, 0), 7),
        (insn(0x7a, 8, 0, 0, 0), 8),
        (insn(0x0d, 9, 0, 0, 0), 9),
        (insn(0x8d, 9, 0, 0, 0), 9),
        (insn(0xdb, 10, 7, -8, 0), 7),
    ] {
        let plan = plan(&[mov(0, 1), read, EXIT]);
        assert_eq!(trap(&plan), (1, TrapKind::UninitRegister { reg }), "{read:?}");
    }
}

#[test]
fn only_pointers_are_accessed() {
    let found = ValueKind::Scalar;
    let number = plan(&[mov(1, 0), insn(LOAD64, 0, 1, 0, 0), EXIT]);
    assert_eq!(trap(&number), (1, TrapKind::NotAPointer { found }));
    // A truncated pointer is none.
    let cut = on_context(&[insn(0xbc, 1, 1, 0, 0), insn(LOAD64, 0, 1, 0, 0), EXIT]);
    let found = ValueKind::Indeterminate;
    assert_eq!(cut.expect_err("traps").kind, TrapKind::NotAPointer { found });
}

#[test]
fn pointers_survive_the_stack_whole_only() {
    let spill = insn(STORE64, 10, 1, -8, 0);
    let fill = insn(LOAD64, 2, 10, -8, 0);
    let read = insn(0x71, 0, 2, 0, 0);
    assert_eq!(on_context(&[spill, fill, read, EXIT]).expect("runs").r0, 0x80);
    for (broken, byte) in [(insn(0x72, 10, 0, -8, 0), 1), (insn(0x62, 10, 0, -4, -1), 4)] {
        let trap = on_context(&[spill, broken, fill, read, EXIT]).expect_err("traps");
        let found = ValueKind::Indeterminate;
        assert_eq!(trap.kind, TrapKind::NotAPointer { found }, "{byte}");
    }
    // Overwritten in two halves, the slot holds a plain number.
    let halves = [insn(0x62, 10, 0, -8, 3), insn(0x62, 10, 0, -4, 0)];
    let outcome = on_context(&[spill, halves[0], halves[1], insn(LOAD64, 0, 10, -8, 0), EXIT]);
    let outcome = outcome.expect("runs");
    assert_eq!((outcome.r0, outcome.address_leaked), (3, false));
}

#[test]
fn addresses_that_get_out_are_marked() {
    let leaked = |insns: &[Insn]| on_context(insns).expect("runs").address_leaked;
    assert!(leaked(&[mov_reg(0, 1), EXIT]));
    assert!(leaked(&[mov_reg(0, 10), insn(0x77, 0, 0, 0, 60), EXIT]));
    assert!(leaked(&[mov(0, 0), insn(STORE64, 1, 10, 0, 0), EXIT]));
    assert!(leaked(&[mov_reg(0, 1), insn(0x25, 0, 0, 0, 5), mov(0, 0), EXIT]));
    assert!(!leaked(&[mov_reg(0, 1), insn(0x15, 0, 0, 0, 0), mov(0, 0), EXIT]));
    assert!(!leaked(&[mov_reg(0, 1), insn(0x1f, 0, 1, 0, 0), EXIT]));
    // A partial read of a spilled pointer.
    assert!(leaked(&[insn(STORE64, 10, 1, -8, 0), insn(0x71, 0, 10, -8, 0), EXIT]));
}

#[test]
fn clocks_may_be_read_as_long_as_nothing_depends_on_them() {
    let clock = insn(0x85, 0, 0, 0, 5);
    assert!(on_context(&[clock, EXIT]).expect("runs").address_leaked);
    assert!(!on_context(&[clock, mov(0, 1), EXIT]).expect("runs").address_leaked);
    let trap = on_context(&[clock, insn(0x71, 0, 0, 0, 0), EXIT]).expect_err("traps");
    assert_eq!(trap.kind.to_string(), "memory access through an indeterminate scalar");
}

#[test]
fn addresses_do_not_depend_on_the_run() {
    let insns = [mov_reg(0, 1), insn(0x0f, 0, 10, 0, 0), EXIT];
    let first = on_context(&insns).expect("runs").r0;
    assert_eq!(on_context(&insns).expect("runs").r0, first);
}

/// `code`, operation, memory before, operand, r0 before; memory, operand, r0 after.
type Row = (u8, i32, u64, u64, u64, u64, u64, u64);

#[rustfmt::skip]
const ATOMICS: &[Row] = &[
    (0xdb, 0x00, u64::MAX, 2, 9, 1, 2, 9),
    (0xdb, 0x40, 0xf0, 0x0f, 9, 0xff, 0x0f, 9),
    (0xdb, 0x50, 0xff, 0x0f, 9, 0x0f, 0x0f, 9),
    (0xdb, 0xa0, 0xff, 0x0f, 9, 0xf0, 0x0f, 9),
    (0xdb, 0x01, 5, 7, 9, 12, 5, 9),
    (0xdb, 0x41, 0xf0, 0x0f, 9, 0xff, 0xf0, 9),
    (0xdb, 0x51, 0xff, 0x0f, 9, 0x0f, 0xff, 9),
    (0xdb, 0xa1, 0xff, 0x0f, 9, 0xf0, 0xff, 9),
    (0xdb, 0xe1, 5, 7, 9, 7, 5, 9),
    (0xdb, 0xf1, 9, 7, 9, 7, 7, 9),
    (0xdb, 0xf1, 5, 7, 9, 5, 7, 5),
    // 32 bits: the upper half of memory stays, what is fetched is zero-extended.
    (0xc3, 0x00, 0x1_ffff_ffff, 1, 9, 0x1_0000_0000, 1, 9),
    (0xc3, 0x01, 0x1_ffff_ffff, 0xff_0000_0001, 9, 0x1_0000_0000, 0xffff_ffff, 9),
    (0xc3, 0x51, 0x2_0000_00ff, 0x0f, 9, 0x2_0000_000f, 0xff, 9),
    (0xc3, 0xe1, 0x3_0000_0005, 0x4_0000_0007, 9, 0x3_0000_0007, 5, 9),
    // r0 is compared by its low half, and replaced also when equal.
    (0xc3, 0xf1, 0x3_0000_0009, 7, 0x5_0000_0009, 0x3_0000_0007, 7, 9),
    (0xc3, 0xf1, 0x3_0000_0008, 7, 0x5_0000_0009, 0x3_0000_0008, 7, 8),
    // store-release
    (0xdb, 0x110, 1, 0x1122_3344_5566_7788, 9, 0x1122_3344_5566_7788, 0x1122_3344_5566_7788, 9),
    (0xc3, 0x110, 0, u64::MAX, 9, 0xffff_ffff, u64::MAX, 9),
    (0xcb, 0x110, 0, u64::MAX, 9, 0xffff, u64::MAX, 9),
    (0xd3, 0x110, 0, u64::MAX, 9, 0xff, u64::MAX, 9),
];

#[test]
fn atomic_operations() {
    for &(code, op, before, operand, r0_before, after, operand_after, r0_after) in ATOMICS {
        let mut insns = Vec::new();
        insns.extend(wide(3, before));
        insns.extend(wide(2, operand));
        insns.extend(wide(0, r0_before));
        insns.extend([insn(STORE64, 10, 3, -8, 0), insn(code, 10, 2, -8, op)]);
        insns.extend([insn(LOAD64, 4, 10, -8, 0), insn(STORE64, 1, 4, 0, 0)]);
        insns.extend([insn(STORE64, 1, 2, 8, 0), insn(STORE64, 1, 0, 16, 0), EXIT]);
        let input = Input { ctx: vec![0; 24], packet: Vec::new() };
        let outcome = run(&plan(&insns), &input).expect("runs");
        let words: Vec<_> = outcome
            .ctx
            .chunks(8)
            .map(|c| u64::from_le_bytes(c.try_into().expect("8 bytes")))
            .collect();
        assert_eq!(words, [after, operand_after, r0_after], "{code:#x} {op:#x}");
    }
}

#[test]
fn load_acquire() {
    for (code, expected) in
        [(0xd3, 0x80), (0xcb, 0x8180), (0xc3, 0x8382_8180), (0xdb, 0x8786_8584_8382_8180)]
    {
        let outcome = on_context(&[insn(code, 0, 1, 0, 0x100), EXIT]).expect("runs");
        assert_eq!(outcome.r0, expected);
    }
}

#[test]
fn atomics_demand_alignment_and_plain_accesses_do_not() {
    let setup = [insn(0x7a, 10, 0, -8, 0), insn(0x7a, 10, 0, -16, 0), mov(2, 1), mov(0, 0)];
    let with = |access| plan(&[&setup[..], &[access, EXIT]].concat());
    assert_eq!(r0(&with(insn(STORE64, 10, 2, -12, 0))), 0);
    for access in
        [insn(0xdb, 10, 2, -12, 0), insn(0xc3, 10, 2, -7, 1), insn(0xdb, 3, 10, -12, 0x100)]
    {
        assert!(matches!(trap(&with(access)), (4, TrapKind::Misaligned { .. })), "{access:?}");
    }
}
