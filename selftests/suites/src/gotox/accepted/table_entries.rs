//! Selecting table and entry: tables chosen at run time, and ways to bound an index.

use crate::Case;
use crate::builder::{accepts, ctx_u64s};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = chosen();
    cases.extend(indexed());
    cases
}

fn chosen() -> Vec<Case> {
    vec![
        accepts(
            "gotox/two_tables_by_branch",
            "one jump, the table chosen by a branch (bpf_gotox: one_jump_two_maps)",
            r"
                r2 = *(u64 *)(r1 +0)
                r4 = *(u64 *)(r1 +8)
                r4 &= 1
                r4 <<= 3
                if r2 == 0 goto first
                r3 = SECOND ll
                goto load
            first:
                r3 = FIRST ll
            load:
                r3 += r4
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            c:
                r0 = 3
                exit
            d:
                r0 = 4
                exit
            .jumptable FIRST: a, b
            .jumptable SECOND: c, d
            ",
        )
        .run(ctx_u64s(&[0, 0]), 1)
        .run(ctx_u64s(&[0, 1]), 2)
        .run(ctx_u64s(&[1, 0]), 3)
        .run(ctx_u64s(&[1, 1]), 4)
        .into(),
        accepts(
            "gotox/two_tables_of_unlike_size_by_branch",
            "the register holds an entry of either table; the bound of the index differs",
            r"
                r2 = *(u64 *)(r1 +0)
                if r2 > 2 goto small
                r2 <<= 3
                r3 = LARGE ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                goto jump
            small:
                r3 = SMALL ll
                r3 = *(u64 *)(r3 +0)
            jump:
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            c:
                r0 = 3
                exit
            d:
                r0 = 4
                exit
            .jumptable LARGE: a, b, c
            .jumptable SMALL: d
            ",
        )
        .runs(&[(0, 1), (1, 2), (2, 3), (3, 4), (u64::MAX, 4)])
        .into(),
        accepts(
            "gotox/two_tables_by_spill",
            "the tables' addresses lie on the stack and one of them is filled at run time",
            r"
                r2 = FIRST ll
                *(u64 *)(r10 -8) = r2
                r2 = SECOND ll
                *(u64 *)(r10 -16) = r2
                r2 = *(u64 *)(r1 +0)
                if r2 == 0 goto first
                r3 = *(u64 *)(r10 -16)
                goto load
            first:
                r3 = *(u64 *)(r10 -8)
            load:
                r3 = *(u64 *)(r3 +8)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            c:
                r0 = 3
                exit
            d:
                r0 = 4
                exit
            .jumptable FIRST: a, b
            .jumptable SECOND: c, d
            ",
        )
        .runs(&[(0, 2), (1, 4)])
        .into(),
    ]
}

fn indexed() -> Vec<Case> {
    const TARGETS: &str = r"
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            c:
                r0 = 3
                exit
            .jumptable JT: a, b, c
    ";
    let with_targets = |head: &str| format!("{head}\n{TARGETS}");
    vec![
        accepts(
            "gotox/index_by_bounds_check",
            "the index is bounded by a comparison, as compilers do for a switch",
            with_targets(
                r"
                r2 = *(u64 *)(r1 +0)
                if r2 > 2 goto default
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            default:
                r0 = 9
                exit
                ",
            ),
        )
        .runs(&[(0, 1), (1, 2), (2, 3), (3, 9), (u64::MAX, 9)])
        .into(),
        accepts(
            "gotox/index_by_signed_bounds_check",
            "the index is bounded from both sides by signed comparisons",
            with_targets(
                r"
                r2 = *(u64 *)(r1 +0)
                if r2 s< -1 goto default
                if r2 s> 1 goto default
                r2 += 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            default:
                r0 = 9
                exit
                ",
            ),
        )
        .runs(&[(u64::MAX, 1), (0, 2), (1, 3), (2, 9), (u64::MAX - 1, 9)])
        .into(),
        accepts(
            "gotox/index_by_minimum",
            "the index is the smaller of the input and a constant",
            with_targets(
                r"
                r2 = *(u64 *)(r1 +0)
                if r2 < 3 goto small
                r2 = 2
            small:
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
                ",
            ),
        )
        .runs(&[(0, 1), (1, 2), (2, 3), (3, 3), (1 << 40, 3)])
        .into(),
        accepts(
            "gotox/index_in_32_bits",
            "the index is computed in the lower half of a register",
            with_targets(
                r"
                r2 = *(u32 *)(r1 +0)
                if w2 > 2 goto default
                w2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            default:
                r0 = 9
                exit
                ",
            ),
        )
        .runs(&[(1, 2), (0xffff_ffff_0000_0002, 3), (3, 9)])
        .into(),
        accepts(
            "gotox/index_from_byte_remainder",
            "the index is a remainder by a constant, whose bound the verifier knows \
             (scalar32_min_max_umod)",
            with_targets(
                r"
                r2 = *(u8 *)(r1 +0)
                w2 %= 3
                w2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
                ",
            ),
        )
        .runs(&[(0, 1), (1, 2), (2, 3), (254, 3), (255, 1)])
        .into(),
        accepts(
            "gotox/part_of_table",
            "the index reaches the middle of the table only; the other entries are never read and \
             their code is removed",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT + 8 ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            before:
                r0 = 1
                exit
            a:
                r0 = 2
                exit
            unused:
                r0 = 3
                exit
            b:
                r0 = 4
                exit
            .jumptable JT: before, a, b, unused
            ",
        )
        .runs(&[(0, 2), (1, 4)])
        .into(),
        accepts(
            "gotox/index_added_to_number",
            "the table's address is added to the index, not the other way round",
            with_targets(
                r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r2 += r3
                r2 = *(u64 *)(r2 +8)
                gotox r2
                ",
            ),
        )
        .runs(&[(0, 2), (1, 3)])
        .into(),
    ]
}
