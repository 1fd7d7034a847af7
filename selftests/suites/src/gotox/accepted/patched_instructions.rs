//! Targets that move because the verifier replaces one instruction with several.
//!
//! `bpf_patch_insn_data` in `kernel/bpf/fixups.c` moves every entry after the patched instruction;
//! an entry for that instruction itself then points to the first of the new ones.

use crate::Case;
use crate::builder::{Accepted, accepts, ctx_u64s, load_flag};
use crate::gotox::shape::dispatch;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = divisions();
    cases.extend(upper_halves());
    cases.extend(others());
    cases
}

/// Division by a register: `bpf_do_misc_fixups` adds checks for 0 and -1.
fn divisions() -> Vec<Case> {
    let jump = dispatch("JT", 1);
    vec![
        accepts(
            "gotox/division_before_the_jump",
            "divisions in front of the jump grow: all targets move up",
            format!(
                "
                r4 = *(u64 *)(r1 +8)
                r5 = 100
                r5 /= r4
                w6 = 55
                w6 %= w4
                {jump}
            a:
                r0 = r5
                exit
            b:
                r0 = r6
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .run(ctx_u64s(&[0, 7]), 14)
        .run(ctx_u64s(&[1, 7]), 6)
        .run(ctx_u64s(&[0, 0]), 0)
        .run(ctx_u64s(&[1, 0]), 55)
        .into(),
        accepts(
            "gotox/division_as_target",
            "each target is itself a division; the jump must reach the check in front of it, which \
             shows when the divisor is zero",
            format!(
                "
                r4 = *(u64 *)(r1 +8)
                r0 = 100
                {jump}
            a:
                r0 /= r4
                exit
            b:
                r0 %= r4
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .run(ctx_u64s(&[0, 7]), 14)
        .run(ctx_u64s(&[1, 7]), 2)
        .run(ctx_u64s(&[0, 0]), 0)
        .run(ctx_u64s(&[1, 0]), 100)
        .into(),
        accepts(
            "gotox/signed_division_as_target",
            "each target is a signed division, which gets checks for 0 and for -1",
            format!(
                "
                r4 = *(u64 *)(r1 +8)
                r0 = -100
                {jump}
            a:
                r0 s/= r4
                exit
            b:
                r0 s%= r4
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .run(ctx_u64s(&[0, 7]), (-14_i32).cast_unsigned())
        .run(ctx_u64s(&[1, 7]), (-2_i32).cast_unsigned())
        .run(ctx_u64s(&[0, 0]), 0)
        .run(ctx_u64s(&[0, u64::MAX]), 100)
        .run(ctx_u64s(&[1, u64::MAX]), 0)
        .into(),
        accepts(
            "gotox/division_behind_targets",
            "a division behind both targets grows: neither moves, the direct jumps to it do",
            format!(
                "
                r4 = *(u64 *)(r1 +8)
                {jump}
            a:
                r0 = 50
                goto divide
            b:
                r0 = 90
            divide:
                r0 /= r4
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .run(ctx_u64s(&[0, 5]), 10)
        .run(ctx_u64s(&[1, 5]), 18)
        .run(ctx_u64s(&[1, 0]), 0)
        .into(),
        accepts(
            "gotox/divisions_in_every_target",
            "each target moves by what the ones before it grew",
            format!(
                "
                r4 = *(u64 *)(r1 +8)
                {}
            a:
                r0 = 1000
                r0 /= r4
                r0 /= r4
                exit
            b:
                r0 = 2000
                r0 /= r4
                exit
            c:
                r0 = 3000
                w0 /= w4
                w0 /= w4
                w0 %= w4
                exit
            d:
                r0 = 4
                exit
            .jumptable JT: a, b, c, d
                ",
                dispatch("JT", 3)
            ),
        )
        .run(ctx_u64s(&[0, 10]), 10)
        .run(ctx_u64s(&[1, 10]), 200)
        .run(ctx_u64s(&[2, 7]), 61 % 7)
        .run(ctx_u64s(&[3, 10]), 4)
        .into(),
        accepts(
            "gotox/patched_and_removed",
            "instructions grow and go, in turn, before and between the targets: removal comes \
             first, then patching",
            format!(
                "
                r4 = *(u64 *)(r1 +8)
                goto +0
                r5 = 64
                r5 /= r4
                r6 = 1
                if r6 == 1 goto live
                r5 /= r4
                r5 /= r4
            live:
                goto +0
                {jump}
            a:
                r0 = r5
                goto +0
                r0 /= r4
                goto +0
                exit
            dead:
                r0 /= r4
                exit
            b:
                r0 = r5
                r0 %= r4
                exit
            .jumptable JT: a, b, dead
                "
            ),
        )
        .run(ctx_u64s(&[0, 4]), 4)
        .run(ctx_u64s(&[1, 6]), 4)
        .into(),
        accepts(
            "gotox/division_in_subprogram",
            "a division in the program moves the start of the subprogram, one in the subprogram its \
             targets",
            r"
                r6 = *(u64 *)(r1 +0)
                r7 = *(u64 *)(r1 +8)
                r8 = 84
                r8 /= r7
                r1 = r6
                r2 = r7
                call pick
                r0 += r8
                exit
            .func pick
                r1 &= 1
                r0 = 42
                r0 /= r2
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 /= r2
                exit
            b:
                r0 *= 3
                exit
            .jumptable JT: a, b
            ",
        )
        .run(ctx_u64s(&[0, 2]), 52)
        .run(ctx_u64s(&[1, 2]), 105)
        .run(ctx_u64s(&[1, 0]), 0)
        .into(),
    ]
}

/// `BPF_F_TEST_RND_HI32`: each 32-bit result of which the program only reads the lower half is
/// followed by three instructions that fill the upper half (`bpf_opt_subreg_zext_lo32_rnd_hi32`).
fn upper_halves() -> Vec<Case> {
    let program = |name: &str, about: &str| -> Accepted {
        accepts(
            name,
            about,
            format!(
                "
                r4 = *(u32 *)(r1 +8)
                w5 = w4
                w5 += 3
                {}
            a:
                w0 = w5
                w0 += 1
                exit
            b:
                w5 *= 2
                w0 = w5
                exit
            c:
                r0 = r5
                r0 >>= 32
                exit
            d:
                w0 = 7
                exit
            .jumptable JT: a, b, c, d
                ",
                dispatch("JT", 3)
            ),
        )
        .run(ctx_u64s(&[0, 10]), 14)
        .run(ctx_u64s(&[1, 10]), 26)
        .run(ctx_u64s(&[2, 0xffff_ffff_ffff_fff0]), 0)
        .run(ctx_u64s(&[3, 10]), 7)
    };
    vec![
        program(
            "gotox/halves_of_registers",
            "32-bit results before and at the targets, one of which reads the upper half",
        )
        .into(),
        program(
            "gotox/random_upper_halves",
            "the same with random upper halves: each 32-bit instruction becomes four, and one target \
             needs the zeros that the jump must not have lost",
        )
        .flags(load_flag::TEST_RND_HI32)
        .into(),
    ]
}

fn others() -> Vec<Case> {
    let jump = dispatch("JT", 1);
    vec![
        accepts(
            "gotox/may_goto",
            "may_goto becomes a counter on the stack (five to seven instructions, and its \
             initialisation at the start of the program)",
            r"
                r6 = *(u64 *)(r1 +0)
                r0 = 0
                r8 = JT ll
            head:
                may_goto out
                r0 += 1
                r2 = 0
                if r0 < r6 goto jump
                r2 = 8
            jump:
                r3 = r8
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            done:
                r0 += 100
                exit
            out:
                r0 = 9999
                exit
            .jumptable JT: head, done
            ",
        )
        .runs(&[(0, 101), (1, 101), (5, 105), (40, 140)])
        .into(),
        accepts(
            "gotox/compare_and_exchange_as_target",
            "a 32-bit compare-and-exchange may get a zero extension behind it \
             (bpf_opt_subreg_zext_lo32_rnd_hi32)",
            format!(
                "
                *(u64 *)(r10 -8) = 5
                r4 = 8
                r0 = 5
                {jump}
            a:
                r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r4)
                r5 = *(u64 *)(r10 -8)
                r0 += r5
                exit
            b:
                r0 = 6
                r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r4)
                r5 = *(u64 *)(r10 -8)
                r0 += r5
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .runs(&[(0, 13), (1, 10)])
        .into(),
        accepts(
            "gotox/constants_around_targets",
            "64-bit and 32-bit constants before, at and behind the targets: mode jit-hardened \
             blinds each of them, which makes three instructions out of one, or more \
             (bpf_jit_blind_constants; bpf_insn_array: blindness)",
            format!(
                "
                r6 = 0x1122334455667788 ll
                r7 = 0x12345678
                {}
            a:
                r0 = 0x11223344
                r0 += 0x01010101
                exit
            b:
                r0 = r6
                r0 >>= 32
                r0 ^= 0x7fffffff
                exit
            c:
                r0 = 0x123456789abcdef0 ll
                r0 &= 0x0ff0f00f
                if r0 == 0x0ab0d000 goto c_out
                r0 = 0x55aa55aa
            c_out:
                exit
            d:
                w7 -= 0x01010101
                w0 = w7
                *(u64 *)(r10 -8) = 0x1234
                r1 = *(u64 *)(r10 -8)
                r0 += r1
                exit
            .jumptable JT: a, b, c, d
                ",
                dispatch("JT", 3)
            ),
        )
        .runs(&[
            (0, 0x1223_3445),
            (1, 0x1122_3344 ^ 0x7fff_ffff),
            (2, 0x9abc_def0 & 0x0ff0_f00f),
            (3, 0x1234_5678 - 0x0101_0101 + 0x1234),
        ])
        .into(),
    ]
}
