//! The decoder rejects what the verifier rejects, with the same messages.

use bpf_isa::{Insn, Op, decode};

fn slot(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { code, dst, src, off, imm }
}

/// The error for the first instruction.
fn refusal(insns: &[Insn]) -> String {
    match decode(insns, 0) {
        Ok((op, _)) => format!("accepted as {op}"),
        Err(error) => error.kind.to_string(),
    }
}

#[test]
fn reserved_fields_are_named() {
    let cases = [
        (slot(0x87, 1, 1, 0, 0), "BPF_NEG uses reserved fields"),
        (slot(0x87, 1, 0, 0, 1), "BPF_NEG uses reserved fields"),
        (slot(0xd4, 1, 0, 0, 8), "BPF_END uses reserved fields"),
        (slot(0xd7, 1, 0, 1, 16), "BPF_END uses reserved fields"),
        (slot(0xb7, 1, 2, 0, 0), "BPF_MOV uses reserved fields"),
        (slot(0xb7, 1, 0, 8, 0), "BPF_MOV uses reserved fields"),
        (slot(0xbc, 1, 2, 32, 0), "BPF_MOV uses reserved fields"),
        (slot(0xbf, 1, 2, 0, 1), "BPF_MOV uses reserved fields"),
        (slot(0xbf, 1, 2, 24, 0), "BPF_MOV uses reserved fields"),
        (slot(0x07, 1, 0, 1, 0), "BPF_ALU uses reserved fields"),
        (slot(0x3f, 1, 2, 2, 0), "BPF_ALU uses reserved fields"),
        (slot(0x0f, 1, 2, 0, 1), "BPF_ALU uses reserved fields"),
        (slot(0x0f, 1, 2, 1, 0), "BPF_ALU uses reserved fields"),
        (slot(0x05, 1, 0, 0, 0), "BPF_JA uses reserved fields"),
        (slot(0x05, 0, 0, 0, 1), "BPF_JA uses reserved fields"),
        (slot(0x06, 0, 0, 1, 0), "BPF_JA uses reserved fields"),
        (slot(0x0d, 1, 1, 0, 0), "BPF_JA|BPF_X uses reserved fields"),
        (slot(0x0d, 1, 0, 1, 0), "BPF_JA|BPF_X uses reserved fields"),
        (slot(0x0d, 1, 0, 0, 1), "BPF_JA|BPF_X uses reserved fields"),
        (slot(0x8d, 1, 1, 0, 0), "BPF_CALL|BPF_X uses reserved fields"),
        (slot(0x8d, 1, 0, 1, 0), "BPF_CALL|BPF_X uses reserved fields"),
        (slot(0x8d, 1, 0, 0, 1), "BPF_CALL|BPF_X uses reserved fields"),
        (slot(0x85, 1, 0, 0, 1), "BPF_CALL uses reserved fields"),
        (slot(0x85, 0, 3, 0, 1), "BPF_CALL uses reserved fields"),
        (slot(0x85, 0, 1, 1, 1), "BPF_CALL uses reserved fields"),
        (slot(0x95, 1, 0, 0, 0), "BPF_EXIT uses reserved fields"),
        (slot(0x15, 1, 1, 0, 0), "BPF_JMP/JMP32 uses reserved fields"),
        (slot(0x1e, 1, 2, 0, 3), "BPF_JMP/JMP32 uses reserved fields"),
        (slot(0x79, 1, 2, 0, 3), "BPF_LDX uses reserved fields"),
        (slot(0x7b, 1, 2, 0, 3), "BPF_STX uses reserved fields"),
        (slot(0x7a, 1, 2, 0, 3), "BPF_ST uses reserved fields"),
        (slot(0x20, 1, 0, 0, 0), "BPF_LD_[ABS|IND] uses reserved fields"),
        (slot(0x20, 0, 1, 0, 0), "BPF_LD_[ABS|IND] uses reserved fields"),
        (slot(0x40, 0, 1, 1, 0), "BPF_LD_[ABS|IND] uses reserved fields"),
        (slot(0xe5, 0, 1, 0, 7), "invalid may_goto imm 7"),
        (slot(0xdb, 1, 2, 0, 0x99), "BPF_ATOMIC uses invalid atomic opcode 99"),
        (slot(0xd3, 1, 2, 0, 0), "invalid atomic operand size"),
        (
            slot(0xbf, 1, 2, 1, 2),
            "addr_space_cast insn can only convert between address space 1 and 0",
        ),
    ];
    for (insn, expected) in cases {
        assert_eq!(refusal(&[insn]), expected, "{insn:?}");
    }
}

#[test]
fn registers_above_r10_are_invalid() {
    assert_eq!(refusal(&[slot(0xb7, 11, 0, 0, 0)]), "R11 is invalid");
    assert_eq!(refusal(&[slot(0xbf, 1, 15, 0, 0)]), "R15 is invalid");
    // Only aligned 64-bit accesses in the right direction from r11 are arguments.
    assert_eq!(refusal(&[slot(0x79, 1, 11, -8, 0)]), "R11 is invalid");
    assert_eq!(refusal(&[slot(0x79, 1, 11, 4, 0)]), "R11 is invalid");
    assert_eq!(refusal(&[slot(0x61, 1, 11, 8, 0)]), "R11 is invalid");
    assert_eq!(refusal(&[slot(0x7b, 11, 1, 8, 0)]), "R11 is invalid");
    assert_eq!(refusal(&[slot(0x7b, 11, 12, -8, 0)]), "R12 is invalid");
    assert_eq!(decode(&[slot(0x79, 1, 11, 8, 0)], 0), Ok((Op::LoadStackArg { dst: 1, off: 8 }, 1)));
}

/// `bpf_opcode_in_insntable` of 7.3.4, and 0x8d, which the series adds.
#[test]
fn exactly_the_public_opcodes_exist() {
    let unknown: Vec<u8> = (0..=u8::MAX)
        .filter(|&code| refusal(&[slot(code, 0, 0, 0, 0), Insn::default()]).starts_with("unknown"))
        .collect();
    let known = 256 - unknown.len();
    // ALU, ALU64, conditional jumps, goto and gotol, (call exit gotox may_goto callx), atomics,
    // STX, ST, LDX, ld_imm64, packet access.
    let expected = 27 + 26 + 44 + 2 + 5 + 4 + 4 + 4 + 7 + 1 + 6;
    assert_eq!(known, expected, "unknown: {unknown:02x?}");
    for code in
        [0x8e, 0x0e, 0x96, 0xe6, 0xed, 0x9d, 0x8f, 0xdf, 0x99, 0x38, 0x58, 0xc7 | 0x08 | 0x20, 0x00]
    {
        assert!(unknown.contains(&code), "{code:02x}");
    }
    assert_eq!(refusal(&[slot(0x8e, 0, 0, 0, 0)]), "unknown opcode 8e");
}

#[test]
fn wide_immediates_need_an_empty_second_slot() {
    let first = slot(0x18, 1, 0, 0, 5);
    let full = slot(0, 0, 0, 0, 1);
    assert_eq!(
        decode(&[first, full], 0).map(|(op, slots)| (op.to_string(), slots)),
        Ok(("r1 = 0x100000005 ll".to_owned(), 2))
    );
    assert_eq!(refusal(&[first]), "invalid bpf_ld_imm64 insn");
    for second in
        [slot(1, 0, 0, 0, 0), slot(0, 1, 0, 0, 0), slot(0, 0, 1, 0, 0), slot(0, 0, 0, 1, 0)]
    {
        assert_eq!(refusal(&[first, second]), "invalid bpf_ld_imm64 insn");
    }
    let off = Insn { off: 1, ..first };
    assert_eq!(refusal(&[off, full]), "BPF_LD_IMM64 uses reserved fields");
    let map_with_offset = Insn { src: 1, ..first };
    assert_eq!(refusal(&[map_with_offset, full]), "unrecognized bpf_ld_imm64 insn");
    assert_eq!(refusal(&[Insn { src: 7, ..first }, full]), "unrecognized bpf_ld_imm64 insn");
}

#[test]
fn slots_behind_the_end_are_errors() {
    let error = decode(&[], 3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot decode slot 3 ({0x00 dst=0 src=0 off=0 imm=0x0}): there are only 0 slots"
    );
    assert!(decode(&[Insn::default()], usize::MAX).is_err());
}
