//! The disassembly matches the kernel's.

use bpf_isa::{Insn, disassemble, disassemble_one, helper_id, helper_name};

fn line(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> String {
    disassemble_one(&[Insn { code, dst, src, off, imm }]).expect("there is a slot")
}

/// Output of `kernel/bpf/disasm.c` of 7.3.4 for these slots.
#[test]
fn lines_are_those_of_the_kernel() {
    let cases = [
        ((0xb7, 0, 0, 0, 0), "(b7) r0 = 0"),
        ((0xb4, 0, 0, 0, -1), "(b4) w0 = -1"),
        ((0x0d, 3, 0, 0, 0), "(0d) gotox r3"),
        ((0x8d, 2, 0, 0, 0), "(8d) callx r2"),
        ((0x25, 2, 0, 4, 3), "(25) if r2 > 0x3 goto pc+4"),
        ((0x16, 2, 0, -4, -1), "(16) if w2 == 0xffffffff goto pc-4"),
        ((0x5d, 2, 3, 0, 0), "(5d) if r2 != r3 goto pc+0"),
        ((0x05, 0, 0, 7, 0), "(05) goto pc+7"),
        ((0x06, 0, 0, 0, -70000), "(06) gotol pc-70000"),
        ((0xe5, 0, 0, 2, 0), "(e5) may_goto pc+2"),
        ((0x85, 0, 0, 0, 5), "(85) call bpf_ktime_get_ns#5"),
        ((0x85, 0, 0, 0, 100_000), "(85) call unknown#100000"),
        ((0x85, 0, 1, 0, 9), "(85) call pc+9"),
        ((0x85, 0, 2, 0, 9), "(85) call kernel-function#9"),
        ((0x95, 0, 0, 0, 0), "(95) exit"),
        ((0x79, 1, 2, -8, 0), "(79) r1 = *(u64 *)(r2 -8)"),
        ((0x81, 1, 2, 0, 0), "(81) r1 = *(s32 *)(r2 +0)"),
        ((0x99, 1, 2, 0, 0), "BUG_ldx_99"),
        ((0x7b, 10, 2, -16, 0), "(7b) *(u64 *)(r10 -16) = r2"),
        ((0x62, 10, 0, -16, 5), "(62) *(u32 *)(r10 -16) = 5"),
        ((0xc2, 0, 0, 0, 0), "(c2) nospec"),
        ((0xdb, 1, 2, 8, 0), "(db) lock *(u64 *)(r1 +8) += r2"),
        ((0xc3, 1, 2, 8, 0x51), "(c3) r2 = atomic_fetch_and((u32 *)(r1 +8), r2)"),
        ((0xdb, 1, 2, 8, 0xf1), "(db) r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r2)"),
        ((0xdb, 1, 2, 8, 0xe1), "(db) r2 = atomic64_xchg((u64 *)(r1 +8), r2)"),
        ((0xd3, 1, 2, 8, 0x100), "(d3) r1 = load_acquire((u8 *)(r2 +8))"),
        ((0xcb, 1, 2, 8, 0x110), "(cb) store_release((u16 *)(r1 +8), r2)"),
        ((0x20, 0, 0, 0, 14), "(20) r0 = *(u32 *)skb[14]"),
        ((0x48, 0, 7, 0, 14), "(48) r0 = *(u16 *)skb[r7 + 14]"),
        ((0xbf, 1, 2, 8, 0), "(bf) r1 = (s8)r2"),
        ((0xbc, 1, 2, 16, 0), "(bc) w1 = (s16)w2"),
        ((0x3f, 1, 2, 1, 0), "(3f) r1 s/= r2"),
        ((0x94, 1, 0, 1, 3), "(94) w1 s%= 3"),
        ((0xdc, 1, 0, 0, 16), "(dc) r1 = be16 r1"),
        ((0xd7, 1, 0, 0, 64), "(d7) r1 = bswap64 r1"),
        ((0x87, 1, 0, 0, 0), "(87) r1 = -r1"),
        ((0xbf, 1, 2, 1, 0x1_0000), "(bf) r1 = addr_space_cast(r2, 1, 0)"),
        ((0xe4, 1, 0, 0, 3), "(e4) w1 (null) 3"),
    ];
    for ((code, dst, src, off, imm), expected) in cases {
        assert_eq!(line(code, dst, src, off, imm), expected);
    }
}

#[test]
fn wide_immediates_take_one_line() {
    let insns = [
        Insn { code: 0x18, dst: 1, imm: 0x5566_7788, ..Insn::default() },
        Insn { imm: 0x1122_3344, ..Insn::default() },
        Insn { code: 0x95, ..Insn::default() },
    ];
    assert_eq!(disassemble(&insns), "   0: (18) r1 = 0x1122334455667788\n   2: (95) exit\n");
    assert_eq!(disassemble(&insns[..1]), "   0: (18) r1 = 0x55667788\n");
    assert_eq!(disassemble_one(&[]), None);
}

#[test]
fn helpers_have_the_names_of_the_kernel() {
    assert_eq!(helper_name(1), Some("bpf_map_lookup_elem"));
    assert_eq!(helper_name(12), Some("bpf_tail_call"));
    assert_eq!(helper_name(181), Some("bpf_loop"));
    assert_eq!(helper_name(211), Some("bpf_cgrp_storage_delete"));
    assert_eq!(helper_name(212), None);
    assert_eq!(helper_name(-1), None);
    assert_eq!(helper_id("bpf_loop"), Some(181));
    assert_eq!(helper_id("loop"), Some(181));
    assert_eq!(helper_id("bpf_bpf_loop"), None);
    for id in 0..=211 {
        assert_eq!(helper_id(helper_name(id).unwrap()), Some(id));
    }
}
