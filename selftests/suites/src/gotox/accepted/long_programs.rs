//! Long programs: long displacements, and many instructions to move.

use crate::Case;
use crate::builder::{accepts, ctx_u64s};
use crate::gotox::shape::dispatch;

/// `count` additions of r7, without constants that could be blinded.
fn filler(count: usize) -> String {
    "r0 += r7\n".repeat(count)
}

pub(super) fn cases() -> Vec<Case> {
    let jump = dispatch("JT", 1);
    vec![
        accepts(
            "gotox/far_forward",
            "33,000 instructions between two targets, more than the 16 bits of a direct jump reach",
            format!(
                "
                r7 = 1
                r0 = 0
                {jump}
            near:
                {}
            far:
                r0 += 5
                exit
            .jumptable JT: near, far
                ",
                filler(33_000)
            ),
        )
        .runs(&[(0, 33_005), (1, 5)])
        .into(),
        accepts(
            "gotox/far_backward",
            "a jump back over 12,000 instructions, once",
            format!(
                "
                r7 = 1
                r6 = 0
                r0 = 0
            head:
                r6 += 1
                if r6 > 1 goto skip
                {}
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                r0 += 3
                exit
            skip:
                r3 = JT ll
                r3 = *(u64 *)(r3 +8)
                gotox r3
            .jumptable JT: head, out
                ",
                filler(12_000)
            ),
        )
        .run(ctx_u64s(&[0]), 12_003)
        .into(),
        accepts(
            "gotox/many_constants",
            "600 constants before, between and behind the targets, all of which are blinded in mode \
             jit-hardened",
            format!(
                "
                r0 = 0
                {constants}
                {jump}
            a:
                r0 += 1000
                {constants}
                exit
            b:
                r0 += 2000
                {constants}
                exit
            .jumptable JT: a, b
                ",
                constants = "r0 += 3\n".repeat(200)
            ),
        )
        .runs(&[(0, 2200), (1, 3200)])
        .into(),
        accepts(
            "gotox/many_divisions",
            "200 divisions between the targets, each of which grows",
            format!(
                "
                r4 = *(u64 *)(r1 +8)
                r0 = 7
                {jump}
            a:
                {}
            b:
                r0 += 1
                exit
            .jumptable JT: a, b
                ",
                "r0 /= r4\n r0 += 7\n".repeat(200)
            ),
        )
        .run(ctx_u64s(&[0, 1]), 7 * 201 + 1)
        .run(ctx_u64s(&[0, 0]), 8)
        .run(ctx_u64s(&[1, 0]), 8)
        .into(),
        accepts(
            "gotox/many_jumps",
            "300 jumps in a row, all through one table of 300 entries: the verifier builds the table \
             anew at each of them",
            {
                let blocks: String = (0..300)
                    .map(|i| {
                        format!("t{i}:\n r3 = *(u64 *)(r8 +{})\n r0 += 1\n gotox r3\n", (i + 1) * 8)
                    })
                    .collect();
                let labels: Vec<String> = (0..=300).map(|i| format!("t{i}")).collect();
                format!(
                    "
                    r8 = JT ll
                    r0 = 0
                    {blocks}
                t300:
                    exit
                .jumptable JT: {}
                    ",
                    labels.join(", ")
                )
            },
        )
        .run(ctx_u64s(&[0]), 300)
        .into(),
    ]
}
