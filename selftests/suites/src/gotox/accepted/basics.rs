//! The jump itself: tables of one, two and more entries, and how an entry is reached.

use crate::Case;
use crate::builder::{accepts, ctx_u64s};

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "gotox/one_target",
            "a table of one entry: the jump goes there and does not fall through",
            r"
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            target:
                r0 = 2
                exit
            .jumptable JT: target
            ",
        )
        .run(ctx_u64s(&[0]), 2)
        .into(),
        accepts(
            "gotox/two_targets",
            "the index, known at run time only, selects the entry",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            even:
                r0 = 10
                exit
            odd:
                r0 = 11
                exit
            .jumptable JT: even, odd
            ",
        )
        .runs(&[(0, 10), (1, 11), (2, 10), (u64::MAX, 11)])
        .into(),
        accepts(
            "gotox/entries_out_of_order",
            "the order of the entries is the table's, not that of the instructions",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 3
                r2 <<= 3
                r3 = JT ll
                r3 += r2
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
            .jumptable JT: d, b, a, c
            ",
        )
        .runs(&[(0, 4), (1, 2), (2, 1), (3, 3)])
        .into(),
        accepts(
            "gotox/duplicate_targets",
            "several entries with one target (verifier_gotox: jump_table_contains_non_unique_values)",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 7
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b, a, b, b, a, a, b
            ",
        )
        .runs(&[(0, 1), (1, 2), (2, 1), (3, 2), (4, 2), (5, 1), (6, 1), (7, 2)])
        .into(),
        accepts(
            "gotox/all_entries_equal",
            "a table whose entries all name one target, read with a variable index",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 3
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            only:
                r0 = 5
                exit
            .jumptable JT: only, only, only, only
            ",
        )
        .runs(&[(0, 5), (3, 5)])
        .into(),
        accepts(
            "gotox/fall_through_code_is_a_target",
            "the instruction right behind the jump is reached through the table only",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r0 = 0
                r3 = *(u64 *)(r3 +0)
                gotox r3
            first:
                r0 += 1
            second:
                r0 += 2
                exit
            .jumptable JT: first, second
            ",
        )
        .runs(&[(0, 3), (1, 2)])
        .into(),
        accepts(
            "gotox/constant_index",
            "an entry at a constant offset; the other entry is never taken and its code is removed \
             (verifier_gotox: ok)",
            r"
                r0 = JT ll
                r0 += 8
                r0 = *(u64 *)(r0 +0)
                gotox r0
            a:
                r0 = 0
                exit
            b:
                r0 = 1
                exit
            .jumptable JT: a, b
            ",
        )
        .run(ctx_u64s(&[0]), 1)
        .into(),
        accepts(
            "gotox/offset_in_load",
            "the offset of the entry stands in the load (bpf_gotox: load_with_nonzero_offset)",
            r"
                r1 = JT ll
                r1 = *(u64 *)(r1 +16)
                gotox r1
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
            ",
        )
        .run(ctx_u64s(&[0]), 3)
        .into(),
        accepts(
            "gotox/offset_in_address",
            "the offset of the entry stands in the wide immediate, through the addend of the symbol",
            r"
                r1 = JT + 8 ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
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
            ",
        )
        .run(ctx_u64s(&[0]), 2)
        .into(),
        accepts(
            "gotox/offsets_add_up",
            "address, arithmetic and load each carry a part of the offset, one of them negative \
             (verifier_gotox: jump_table_add_sub_ok)",
            r"
                r1 = JT + 16 ll
                r1 -= 24
                r1 += 16
                r1 = *(u64 *)(r1 +8)
                gotox r1
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
            ",
        )
        .run(ctx_u64s(&[0]), 3)
        .into(),
        accepts(
            "gotox/negative_offset_in_load",
            "a load behind the address: the sum is inside the table",
            r"
                r1 = JT + 16 ll
                r1 = *(u64 *)(r1 -8)
                gotox r1
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
            ",
        )
        .run(ctx_u64s(&[0]), 2)
        .into(),
    ]
}
