//! Tables: sizes, numbers, and sharing between jumps.

use std::fmt::Write as _;

use crate::Case;
use crate::builder::{accepts, ctx_u64s};
use crate::gotox::shape::dispatch;

/// A program that jumps through a table of `count` entries (a power of two), entry `i` of which
/// returns `i + 1`.
pub(crate) fn counting_targets(count: u32) -> String {
    let mut source = dispatch("JT", count - 1);
    for i in 0..count {
        let _ = writeln!(source, "t{i}:\n r0 = {}\n exit", i + 1);
    }
    let labels: Vec<String> = (0..count).map(|i| format!("t{i}")).collect();
    let _ = writeln!(source, ".jumptable JT: {}", labels.join(", "));
    source
}

/// Like [`counting_targets`], with results from registers: entry `i` returns `i % 5`. Without
/// constants there is nothing to blind, which would take minutes for thousands of targets, as each
/// blinded instruction moves all that follow.
fn register_targets(count: u32) -> String {
    let mut source = String::from("r5 = 0\n r6 = 1\n r7 = 2\n r8 = 3\n r9 = 4\n");
    source.push_str(&dispatch("JT", count - 1));
    for i in 0..count {
        let _ = writeln!(source, "t{i}:\n r0 = r{}\n exit", 5 + i % 5);
    }
    let labels: Vec<String> = (0..count).map(|i| format!("t{i}")).collect();
    let _ = writeln!(source, ".jumptable JT: {}", labels.join(", "));
    source
}

/// A chain of `count` jumps, each through its own table with one entry.
pub(crate) fn chain_of_tables(count: u32) -> String {
    let mut source = String::from("r0 = 0\n");
    for i in 0..count {
        let _ = writeln!(
            source,
            "r1 = JT{i} ll\n r1 = *(u64 *)(r1 +0)\n gotox r1\n t{i}:\n r0 += 1\n .jumptable JT{i}: t{i}"
        );
    }
    source.push_str("exit\n");
    source
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = sizes();
    cases.extend(shared());
    cases
}

fn sizes() -> Vec<Case> {
    let sparse: Vec<&str> = (0..16_384_u32)
        .map(|i| match i {
            0 => "l0",
            11 => "l11",
            9_000 => "l9000",
            16_383 => "last",
            _ => "other",
        })
        .collect();
    vec![
        accepts(
            "gotox/many_targets_256",
            "256 entries, each with a target of its own",
            counting_targets(256),
        )
        .runs(&[(0, 1), (1, 2), (128, 129), (255, 256), (256, 1)])
        .into(),
        accepts(
            "gotox/many_targets",
            "1,024 entries, each with a target of its own",
            counting_targets(1024),
        )
        .runs(&[(0, 1), (511, 512), (1000, 1001), (1023, 1024)])
        .into(),
        accepts(
            "gotox/most_targets",
            "8,192 different targets: all but one wait on the verifier's stack, which holds \
             BPF_COMPLEXITY_LIMIT_JMP_SEQ = 8192 states",
            register_targets(8192),
        )
        .runs(&[(0, 0), (1, 1), (4096, 1), (8190, 0), (8191, 1)])
        .into(),
        accepts(
            "gotox/large_sparse_table",
            "16,384 entries with five targets (bpf_gotox: big_jump_table, which has 256)",
            format!(
                "{}
                l0:
                    r0 = 2
                    exit
                l11:
                    r0 = 3
                    exit
                l9000:
                    r0 = 4
                    exit
                last:
                    r0 = 5
                    exit
                other:
                    r0 = 19
                    exit
                .jumptable JT: {}
                ",
                dispatch("JT", 16_383),
                sparse.join(", ")
            ),
        )
        .runs(&[(0, 2), (11, 3), (9000, 4), (16_383, 5), (1, 19), (8999, 19)])
        .into(),
        accepts(
            "gotox/most_tables",
            "64 tables in one program, as many maps as a program may use (MAX_USED_MAPS)",
            chain_of_tables(64),
        )
        .run(ctx_u64s(&[0]), 64)
        .into(),
    ]
}

fn shared() -> Vec<Case> {
    vec![
        accepts(
            "gotox/two_jumps_one_table",
            "two jumps read one table, each with an index of its own (bpf_gotox: one_map_two_jumps)",
            r"
                r6 = r1
                r7 = 0
                r2 = *(u64 *)(r6 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            again:
                r2 = *(u64 *)(r6 +8)
                r2 &= 1
                r2 += 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            middle:
                r7 += 10
            end:
                r7 += 1
                r0 = r7
                exit
            .jumptable JT: again, middle, end
            ",
        )
        .run(ctx_u64s(&[0, 0]), 11)
        .run(ctx_u64s(&[0, 1]), 1)
        .run(ctx_u64s(&[1, 0]), 11)
        .into(),
        accepts(
            "gotox/two_switches",
            "two jumps with a table each, one after the other (bpf_gotox: two_switches)",
            r"
                r6 = *(u64 *)(r1 +8)
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = FIRST ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r7 = 100
                goto second
            b:
                r7 = 200
            second:
                r6 &= 1
                r6 <<= 3
                r3 = SECOND ll
                r3 += r6
                r3 = *(u64 *)(r3 +0)
                gotox r3
            c:
                r7 += 1
                r0 = r7
                exit
            d:
                r7 += 2
                r0 = r7
                exit
            .jumptable FIRST: a, b
            .jumptable SECOND: c, d
            ",
        )
        .run(ctx_u64s(&[0, 0]), 101)
        .run(ctx_u64s(&[0, 1]), 102)
        .run(ctx_u64s(&[1, 0]), 201)
        .run(ctx_u64s(&[1, 1]), 202)
        .into(),
        accepts(
            "gotox/two_tables_with_common_targets",
            "one target stands in two tables",
            r"
                r6 = *(u64 *)(r1 +0)
                r0 = 0
                r3 = FIRST ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            common:
                r0 += 1
                if r0 > 1 goto out
                r6 &= 1
                r6 <<= 3
                r3 = SECOND ll
                r3 += r6
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                r0 += 10
                exit
            .jumptable FIRST: common
            .jumptable SECOND: common, out
            ",
        )
        .runs(&[(0, 12), (1, 11)])
        .into(),
    ]
}
