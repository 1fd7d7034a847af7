//! Frames and their stacks: how many, how large, and that each is separate.

use crate::Case;
use crate::builder::accepts;
use crate::callx::shape::{MAX_CALL_FRAMES, chain, pick};

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts("callx/eight_frames", "each called through a register", chain(8))
            .runs(&[(0, 7)])
            .into(),
        accepts(
            "callx/sixteen_frames",
            "as many frames as there may be (MAX_CALL_FRAMES)",
            chain(MAX_CALL_FRAMES),
        )
        .runs(&[(0, 15)])
        .into(),
        accepts(
            "callx/frames_do_not_overlap",
            "the callee fills 448 bytes of its stack; what the caller has on its own stays, and the \
             second call finds its frame as large as the first",
            format!(
                "
                    *(u64 *)(r10 -8) = 1
                    *(u64 *)(r10 -64) = 20
                    r2 = f ll
                    callx r2
                    r2 = f ll
                    callx r2
                    r1 = *(u64 *)(r10 -8)
                    r0 += r1
                    r1 = *(u64 *)(r10 -64)
                    r0 += r1
                    exit
                .func f
                    {}
                    r0 = *(u64 *)(r10 -448)
                    exit
                ",
                (1..=56).map(|word| format!("*(u64 *)(r10 -{}) = 300\n", word * 8)).collect::<String>()
            ),
        )
        .runs(&[(0, 321)])
        .into(),
        accepts(
            "callx/callees_with_different_stacks",
            "one call of a function without stack or of one with 480 bytes",
            format!(
                "
                {}
                    *(u64 *)(r10 -32) = 5
                    r1 = r6
                    callx r2
                    r1 = *(u64 *)(r10 -32)
                    r0 += r1
                    exit
                .func a
                    r0 = 1
                    exit
                .func b
                    *(u64 *)(r10 -480) = r1
                    *(u64 *)(r10 -8) = 100
                    r0 = *(u64 *)(r10 -480)
                    exit
                ",
                pick("r2")
            ),
        )
        .runs(&[(0, 6), (1, 6), (7, 12)])
        .into(),
        accepts(
            "callx/address_far_from_the_stack_that_counts",
            "the function that loads the address has a large stack, but is gone at the call: a walk \
             that counted where the address is taken would find 640 bytes",
            "
                r6 = *(u64 *)(r1 +0)
                call load
                r1 = r6
                callx r0
                exit
            .func load
                *(u64 *)(r10 -320) = 1
                r0 = f ll
                exit
            .func f
                *(u64 *)(r10 -320) = r1
                r0 = *(u64 *)(r10 -320)
                exit
            ",
        )
        .runs(&[(0, 0), (9, 9)])
        .into(),
    ]
}
