//! Every arithmetic opcode with edge values, expectations worked out by hand from RFC 9669.

use crate::common::*;

const MIN64: u64 = 1 << 63;
const MIN32: u64 = 1 << 31;
const M1: u64 = u64::MAX;
/// -1 of 32 bits.
const N1: u64 = 0xffff_ffff;

/// `code`, offset, left operand, right operand, result. The code is that of the register form;
/// where the right operand is an immediate, the immediate form is run as well.
#[rustfmt::skip]
const BINARY: &[(u8, i16, u64, u64, u64)] = &[
    // add
    (0x0f, 0, 1, 2, 3),
    (0x0f, 0, M1, 1, 0),
    (0x0f, 0, MIN64, MIN64, 0),
    (0x0c, 0, N1, 1, 0),
    (0x0c, 0, 0xffff_ffff_0000_0001, 1, 2),
    // sub
    (0x1f, 0, 0, 1, M1),
    (0x1f, 0, MIN64, 1, 0x7fff_ffff_ffff_ffff),
    (0x1c, 0, 0, 1, N1),
    (0x1c, 0, 0xffff_ffff_0000_0005, 3, 2),
    // mul
    (0x2f, 0, M1, M1, 1),
    (0x2f, 0, 0x1_0000_0000, 0x1_0000_0000, 0),
    (0x2c, 0, 0x1_0000, 0x1_0000, 0),
    (0x2c, 0, 0xffff_ffff_0000_0003, 5, 15),
    // div, unsigned
    (0x3f, 0, 7, 2, 3),
    (0x3f, 0, 7, 0, 0),
    (0x3f, 0, M1, M1, 1),
    (0x3f, 0, MIN64, M1, 0),
    (0x3c, 0, 7, 0, 0),
    (0x3c, 0, 0xffff_ffff_0000_0007, 2, 3),
    (0x3c, 0, 7, 0xffff_ffff_0000_0000, 0),
    (0x3c, 0, N1, M1, 1),
    // div, signed
    (0x3f, 1, (-7i64) as u64, 2, (-3i64) as u64),
    (0x3f, 1, 7, (-2i64) as u64, (-3i64) as u64),
    (0x3f, 1, MIN64, M1, MIN64),
    (0x3f, 1, MIN64, 0, 0),
    (0x3c, 1, N1 - 6, 2, N1 - 2),
    (0x3c, 1, MIN32, M1, MIN32),
    (0x3c, 1, MIN32, 0, 0),
    // mod, unsigned
    (0x9f, 0, 7, 3, 1),
    (0x9f, 0, M1, 0, M1),
    (0x9f, 0, 5, M1, 5),
    (0x9c, 0, 0x1234_5678_9abc_def0, 0, 0x9abc_def0),
    (0x9c, 0, 0xffff_ffff_0000_0007, 4, 3),
    // mod, signed
    (0x9f, 1, (-7i64) as u64, 3, M1),
    (0x9f, 1, 7, (-3i64) as u64, 1),
    (0x9f, 1, MIN64, M1, 0),
    (0x9f, 1, MIN64, 0, MIN64),
    (0x9c, 1, N1 - 6, 3, N1),
    (0x9c, 1, MIN32, M1, 0),
    (0x9c, 1, 0x1_8000_0000, 0, MIN32),
    // or, and, xor
    (0x4f, 0, 0xf0f0, 0x0f0f, 0xffff),
    (0x4f, 0, 0, M1, M1),
    (0x4c, 0, M1, 0, N1),
    (0x5f, 0, M1, 0x1234, 0x1234),
    (0x5f, 0, MIN64, M1, MIN64),
    (0x5c, 0, M1, M1, N1),
    (0xaf, 0, M1, M1, 0),
    (0xaf, 0, MIN64, 1, MIN64 + 1),
    (0xac, 0, M1, 0, N1),
    // shifts: the count is masked to the width
    (0x6f, 0, 1, 63, MIN64),
    (0x6f, 0, 1, 64, 1),
    (0x6f, 0, 1, M1, MIN64),
    (0x6c, 0, 1, 31, MIN32),
    (0x6c, 0, 3, 32, 3),
    (0x6c, 0, 1, M1, MIN32),
    (0x7f, 0, MIN64, 63, 1),
    (0x7f, 0, MIN64, 64, MIN64),
    (0x7c, 0, M1, 31, 1),
    (0x7c, 0, M1, 32, N1),
    (0xcf, 0, MIN64, 63, M1),
    (0xcf, 0, MIN64, 64, MIN64),
    (0xcf, 0, 0x4000_0000_0000_0000, 62, 1),
    (0xcc, 0, MIN32, 31, N1),
    (0xcc, 0, 0xffff_ffff_4000_0000, 30, 1),
    (0xcc, 0, MIN32, 33, 0xc000_0000),
    // mov
    (0xbf, 0, 0, M1, M1),
    (0xbc, 0, 0, M1, N1),
    // mov, sign-extending
    (0xbf, 8, 0, 0x80, (-128i64) as u64),
    (0xbf, 8, 0, 0xffff_ff7f, 0x7f),
    (0xbf, 16, 0, 0x8000, (-32768i64) as u64),
    (0xbf, 32, 0, MIN32, 0xffff_ffff_8000_0000),
    (0xbf, 32, 0, 0xffff_ffff_7fff_ffff, 0x7fff_ffff),
    (0xbc, 8, 0, 0x80, 0xffff_ff80),
    (0xbc, 16, 0, 0x8000, 0xffff_8000),
    (0xbc, 16, 0, 0x1_7fff, 0x7fff),
];

/// `code`, immediate, operand, result.
#[rustfmt::skip]
const UNARY: &[(u8, i32, u64, u64)] = &[
    (0x87, 0, 1, M1),
    (0x87, 0, MIN64, MIN64),
    (0x84, 0, 1, N1),
    (0x84, 0, 0xffff_ffff_8000_0000, MIN32),
    // le: truncation on a little-endian machine
    (0xd4, 16, 0x1122_3344_5566_7788, 0x7788),
    (0xd4, 32, 0x1122_3344_5566_7788, 0x5566_7788),
    (0xd4, 64, 0x1122_3344_5566_7788, 0x1122_3344_5566_7788),
    // be
    (0xdc, 16, 0x1122_3344_5566_7788, 0x8877),
    (0xdc, 32, 0x1122_3344_5566_7788, 0x8877_6655),
    (0xdc, 64, 0x1122_3344_5566_7788, 0x8877_6655_4433_2211),
    // bswap
    (0xd7, 16, 0x1122_3344_5566_7788, 0x8877),
    (0xd7, 32, 0x1122_3344_5566_7788, 0x8877_6655),
    (0xd7, 64, 0x1122_3344_5566_7788, 0x8877_6655_4433_2211),
];

/// `code` of the register form, left operand, right operand, whether it jumps.
#[rustfmt::skip]
const JUMPS: &[(u8, u64, u64, bool)] = &[
    (0x1d, M1, M1, true), (0x1d, 0, 0x1_0000_0000, false), (0x1e, 0, 0x1_0000_0000, true),
    (0x1e, 0, 1, false), (0x5d, 1, 1, false), (0x5e, N1, 1, true),
    (0x5d, 0, 0x1_0000_0000, true), (0x5e, 0, 0x1_0000_0000, false), (0x5d, 1, 1, false),
    (0x2d, M1, 1, true), (0x2d, 1, 1, false), (0x2e, 0x1_0000_0000, 1, false), (0x2e, N1, 1, true),
    (0x3d, 1, 1, true), (0x3d, 1, M1, false), (0x3e, 0x1_0000_0000, 0, true), (0x3e, 0, N1, false),
    (0xad, 1, M1, true), (0xad, 1, 1, false), (0xae, 0x1_0000_0000, 1, true), (0xae, N1, 1, false),
    (0xbd, 1, 1, true), (0xbd, M1, 1, false), (0xbe, 0x1_0000_0001, 1, true), (0xbe, N1, 1, false),
    (0x6d, 1, M1, true), (0x6d, M1, 1, false), (0x6e, 0, N1, true), (0x6e, MIN32, 0, false),
    (0x7d, M1, M1, true), (0x7d, MIN64, 0, false), (0x7e, MIN32, MIN32, true), (0x7e, N1, 0, false),
    (0xcd, M1, 1, true), (0xcd, 1, M1, false), (0xce, N1, 0, true), (0xce, 0, N1, false),
    (0xdd, M1, M1, true), (0xdd, 0, MIN64, false), (0xde, MIN32, 0, true), (0xde, 0, N1, false),
    (0x4d, 6, 2, true), (0x4d, 5, 2, false), (0x4d, MIN64, MIN64, true),
    (0x4e, MIN64, MIN64, false), (0x4e, N1, MIN32, true),
];

/// Whether a value is the sign extension of an immediate.
fn is_immediate(value: u64) -> bool {
    i64::from(value as i32) as u64 == value
}

#[test]
fn binary_operations() {
    for &(code, off, left, right, result) in BINARY {
        let mut insns = Vec::new();
        insns.extend(wide(0, left));
        insns.extend(wide(1, right));
        insns.extend([insn(code, 0, 1, off, 0), EXIT]);
        assert_eq!(r0(&plan(&insns)), result, "{code:#x} off {off}: {left:#x}, {right:#x}");

        let moves_with_extension = code & 0xf0 == 0xb0 && off != 0;
        if is_immediate(right) && !moves_with_extension {
            let mut insns = wide(0, left).to_vec();
            insns.extend([insn(code & !8, 0, 0, off, right as i32), EXIT]);
            assert_eq!(r0(&plan(&insns)), result, "{code:#x} off {off}: {left:#x}, {right:#x}");
        }
    }
}

#[test]
fn unary_operations() {
    for &(code, imm, operand, result) in UNARY {
        let mut insns = wide(0, operand).to_vec();
        insns.extend([insn(code, 0, 0, 0, imm), EXIT]);
        assert_eq!(r0(&plan(&insns)), result, "{code:#x} {imm}: {operand:#x}");
    }
}

#[test]
fn conditional_jumps() {
    for &(code, left, right, jumps) in JUMPS {
        let mut insns = Vec::new();
        insns.extend(wide(2, left));
        insns.extend(wide(3, right));
        insns.extend([mov(0, 1), insn(code, 2, 3, 1, 0), mov(0, 0), EXIT]);
        assert_eq!(r0(&plan(&insns)), u64::from(jumps), "{code:#x}: {left:#x}, {right:#x}");
        if is_immediate(right) {
            let jump = insn(code & !8, 2, 0, 1, right as i32);
            let mut insns = wide(2, left).to_vec();
            insns.extend([mov(0, 1), jump, mov(0, 0), EXIT]);
            assert_eq!(r0(&plan(&insns)), u64::from(jumps), "{code:#x}: {left:#x}, {right:#x}");
        }
    }
}

#[test]
fn every_arithmetic_and_jump_opcode_stands_in_a_table() {
    let ops = [0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x9, 0xa, 0xb, 0xc];
    for op in ops {
        for class in [0x0c, 0x0f] {
            assert!(BINARY.iter().any(|row| row.0 == op << 4 | class), "{:#x}", op << 4 | class);
        }
    }
    for op in [0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc, 0xd] {
        for class in [0x0d, 0x0e] {
            for taken in [true, false] {
                let code = op << 4 | class;
                assert!(JUMPS.iter().any(|row| row.0 == code && row.3 == taken), "{code:#x}");
            }
        }
    }
}

#[test]
fn immediates_are_sign_extended() {
    assert_eq!(r0(&plan(&[mov(0, -1), EXIT])), M1);
    assert_eq!(r0(&plan(&[insn(0xb4, 0, 0, 0, -1), EXIT])), N1);
    let all_ones = wide(0, 0x8899_aabb_ccdd_eeff);
    assert_eq!(r0(&plan(&[all_ones[0], all_ones[1], EXIT])), 0x8899_aabb_ccdd_eeff);
}

#[test]
fn jumps_without_condition() {
    let over = |jump| r0(&plan(&[mov(0, 1), jump, mov(0, 2), EXIT]));
    assert_eq!(over(insn(0x05, 0, 0, 1, 0)), 1);
    assert_eq!(over(insn(0x06, 0, 0, 0, 1)), 1);
    // Backward: slot 1 jumps to 3, 3 to 2.
    let insns = [mov(0, 1), insn(0x05, 0, 0, 1, 0), EXIT, insn(0x06, 0, 0, 0, -2)];
    assert_eq!(r0(&plan(&insns)), 1);
}
