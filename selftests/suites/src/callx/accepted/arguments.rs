//! What callers pass and get back: registers, stack, results.

use crate::Case;
use crate::builder::{accepts, ctx_u64s};

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/callee_saved_registers",
            "r6-r9 survive although the callee uses them",
            "
                r6 = 1
                r7 = 2
                r8 = 3
                r9 = 4
                r1 = f ll
                callx r1
                r0 += r6
                r0 += r7
                r0 += r8
                r0 += r9
                exit
            .func f
                r6 = 100
                r7 = 100
                r8 = 100
                r9 = 100
                r0 = 1000
                exit
            ",
        )
        .runs(&[(0, 1010)])
        .into(),
        accepts(
            "callx/callee_saved_registers_through_frames",
            "each of three frames keeps its own r6-r9",
            "
                r6 = 1
                r9 = 2
                r1 = f ll
                callx r1
                r0 += r6
                r0 += r9
                exit
            .func f
                r6 = 10
                r9 = 20
                r2 = g ll
                callx r2
                r0 += r6
                r0 += r9
                exit
            .func g
                r6 = 7
                r9 = 8
                r0 = r6
                r0 += r9
                exit
            ",
        )
        .runs(&[(0, 48)])
        .into(),
        accepts(
            "callx/five_arguments_in_order",
            "r1-r5 reach the callee, with the function in r0, r6 or r5 itself",
            "
                r1 = 1
                r2 = 20
                r3 = 300
                r4 = 4000
                r5 = 50000
                r0 = sum ll
                callx r0
                r7 = r0
                r1 = 1
                r2 = 1
                r3 = 1
                r4 = 1
                r5 = 1
                r6 = sum ll
                callx r6
                r7 += r0
                r5 = one ll
                callx r5
                r0 += r7
                exit
            .func sum
                r0 = r1
                r0 += r2
                r0 += r3
                r0 += r4
                r0 += r5
                exit
            .func one
                r0 = 1
                exit
            ",
        )
        .runs(&[(0, 54327)])
        .into(),
        accepts(
            "callx/callee_writes_callers_stack",
            "the callee changes a number on the caller's stack",
            "
                *(u64 *)(r10 -8) = 1
                r1 = r10
                r1 += -8
                r2 = f ll
                callx r2
                r0 = *(u64 *)(r10 -8)
                exit
            .func f
                r2 = *(u64 *)(r1 +0)
                r2 += 99
                *(u64 *)(r1 +0) = r2
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 100)])
        .into(),
        accepts(
            "callx/callee_writes_below_two_frames",
            "a pointer to the first frame's stack is handed through the second, which has its own",
            "
                *(u64 *)(r10 -8) = 1
                r1 = r10
                r1 += -8
                r2 = f ll
                callx r2
                r1 = *(u64 *)(r10 -8)
                r0 += r1
                exit
            .func f
                *(u64 *)(r10 -8) = 1000
                r2 = r10
                r2 += -8
                r3 = g ll
                callx r3
                r0 = *(u64 *)(r10 -8)
                exit
            .func g
                *(u64 *)(r1 +0) = 5
                *(u64 *)(r2 +0) = 600
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 605)])
        .into(),
        accepts(
            "callx/callee_writes_context",
            "the callee is handed the context",
            "
                r2 = f ll
                callx r2
                exit
            .func f
                r2 = *(u64 *)(r1 +0)
                r2 += 1
                *(u64 *)(r1 +8) = r2
                r0 = r2
                exit
            ",
        )
        .run_writing(ctx_u64s(&[41, 0]), 42, ctx_u64s(&[41, 42]))
        .into(),
        accepts(
            "callx/callee_returns_pointer_to_map",
            "a pointer that the callee got by a look-up is used by the caller",
            "
                r2 = find ll
                callx r2
                if r0 == 0 goto none
                *(u64 *)(r0 +0) = 17
                r1 = r0
                r2 = load ll
                callx r2
            none:
                exit
            .func find
                *(u32 *)(r10 -4) = 1
                r1 = map M ll
                r2 = r10
                r2 += -4
                call bpf_map_lookup_elem
                exit
            .func load
                r0 = *(u64 *)(r1 +0)
                exit
            .map M array key=4 value=8 entries=2
            ",
        )
        .runs(&[(0, 17)])
        .into(),
        accepts(
            "callx/callee_without_result",
            "the callee sets no r0, and the caller does not read it",
            "
                *(u64 *)(r10 -8) = 1
                r1 = r10
                r1 += -8
                r2 = f ll
                callx r2
                r0 = *(u64 *)(r10 -8)
                exit
            .func f
                *(u64 *)(r1 +0) = 9
                exit
            ",
        )
        .runs(&[(0, 9)])
        .into(),
        accepts(
            "callx/result_selects_next_function",
            "a machine of states: each function returns the next, until a counter ends",
            "
                r6 = ping ll
                r7 = 0
            again:
                r1 = r7
                callx r6
                r6 = r0
                r7 += 1
                if r7 < 6 goto again
                r1 = r7
                callx r6
                r0 = 30
                exit
            .func ping
                r0 = pong ll
                exit
            .func pong
                r0 = ping ll
                exit
            ",
        )
        .runs(&[(0, 30)])
        .into(),
    ]
}
