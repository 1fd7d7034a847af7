//! Programs that come out wrong if one static analysis takes an indirect call for something else.

use crate::Case;
use crate::builder::{accepts, frame, load_flag, rejects};

/// One or more cases for each analysis.
#[expect(clippy::too_many_lines, reason = "a list of programs")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/constant_dies_at_call",
            "constant folding: r0 is a constant before the call, not after it",
            "
                r6 = *(u64 *)(r1 +0)
                r2 = f ll
                r1 = r6
                r0 = 0
                callx r2
                if r0 == 0 goto zero
                r0 = 7
                exit
            zero:
                r0 = 8
                exit
            .func f
                r0 = r1
                exit
            ",
        )
        .runs(&[(0, 8), (1, 7)])
        .into(),
        accepts(
            "callx/pruning_tells_functions_apart",
            "state pruning: two states that differ only in the function are different",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = a ll
                if r6 == 0 goto go
                r7 = b ll
            go:
                r6 = 0
                r1 = 0
                r2 = 0
                r1 = 1
                callx r7
                exit
            .func a
                r0 = 1
                exit
            .func b
                r0 = 2
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 1), (1, 2)])
        .into(),
        rejects(
            "callx/pruning_second_function_is_verified",
            "state pruning: the function of the second path is verified, and is bad",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = a ll
                if r6 == 0 goto go
                r7 = b ll
            go:
                r6 = 0
                callx r7
                exit
            .func a
                r0 = 1
                exit
            .func b
                r0 = *(u64 *)(r9 +0)
                exit
            ",
        )
        .errno(13)
        .log("R9 !read_ok")
        .into(),
        rejects(
            "callx/spilled_function_kept_apart",
            "liveness of the stack: the slot that holds the function is alive until it is filled",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = a ll
                *(u64 *)(r10 -8) = r7
                if r6 == 0 goto go
                r7 = b ll
                *(u64 *)(r10 -8) = r7
            go:
                r7 = 0
                r6 = 0
                r2 = *(u64 *)(r10 -8)
                callx r2
                exit
            .func a
                r0 = 1
                exit
            .func b
                r0 = *(u64 *)(r9 +0)
                exit
            ",
        )
        .errno(13)
        .log("R9 !read_ok")
        .into(),
        rejects(
            "callx/callers_slot_alive_before_call",
            "liveness of the stack: only the callee reads the caller's slot, which differs by path",
            "
                r6 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -8) = -8
                if r6 == 0 goto go
                *(u64 *)(r10 -8) = -800
            go:
                r6 = 0
                r1 = r10
                r1 += -8
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                r2 = *(u64 *)(r1 +0)
                r3 = r10
                r3 += r2
                *(u64 *)(r3 +0) = 1
                r0 = 0
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(13)
        .log("invalid")
        .into(),
        rejects(
            "callx/callers_slot_alive_inside_callee",
            "liveness of the stack: the paths meet inside of the callee, before it reads the slot",
            "
                r6 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -8) = -8
                r1 = r10
                r1 += -8
                r2 = r6
                r3 = f ll
                callx r3
                r0 = 0
                exit
            .func f
                if r2 == 0 goto go
                *(u64 *)(r1 +0) = -800
            go:
                r2 = 0
                r2 = *(u64 *)(r1 +0)
                r3 = r10
                r3 += r2
                *(u64 *)(r3 +0) = 1
                r0 = 0
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(13)
        .log("invalid")
        .into(),
        rejects(
            "callx/precision_of_return_value",
            "precision: r0 of the call decides about the access, through the callee's exit",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                r2 = f ll
                callx r2
                r6 = 0
                r3 = r10
                r3 += r0
                *(u8 *)(r3 -8) = 1
                r0 = 0
                exit
            .func f
                r0 = 16
                if r1 == 0 goto out
                r0 = 0
            out:
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(13)
        .log("invalid")
        .into(),
        rejects(
            "callx/precision_of_argument",
            "precision: an argument of the call decides about the access in the callee",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = 16
                if r6 == 0 goto go
                r1 = 0
            go:
                r6 = 0
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                r3 = r10
                r3 += r1
                *(u8 *)(r3 -8) = 1
                r0 = 0
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(13)
        .log("invalid")
        .into(),
        rejects(
            "callx/packet_changed_by_callee",
            "effects: pointers to the packet die when the callee changes the packet",
            "
            .prog main tc
                r6 = r1
                r7 = *(u32 *)(r1 +76)
                r8 = *(u32 *)(r1 +80)
                r2 = r7
                r2 += 14
                if r2 > r8 goto out
                r1 = r6
                r2 = f ll
                callx r2
                r0 = *(u8 *)(r7 +0)
            out:
                r0 = 0
                exit
            .func f
                r2 = 0
                call bpf_skb_pull_data
                r0 = 0
                exit
            ",
        )
        .errno(13)
        .log("R7 invalid mem access 'scalar'")
        .into(),
        accepts(
            "callx/instructions_removed",
            "dead code before, inside and after the callees moves them",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = 1
                if r7 == 1 goto on
                r6 = 5
                r6 = 6
            on:
                r2 = a ll
                if r6 == 0 goto go
                r2 = b ll
            go:
                callx r2
                exit
            .func dead
                r0 = 13
                r0 = 14
                exit
            .func a
                r0 = 1
                if r0 == 1 goto ax
                r0 = 17
                r0 = 18
            ax:
                exit
            .func gone
                r0 = dead ll
                exit
            .func b
                r0 = gone ll
                r0 = 2
                exit
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "callx/packet_access_in_callee",
            "patched instructions: the callee and what is before it grow",
            "
            .prog main socket
                r6 = r1
                r0 = *(u8 *)skb[0]
                r7 = r0
                r1 = r6
                r2 = f ll
                callx r2
                r0 += r7
                exit
            .func f
                r0 = *(u32 *)(r1 +0)
                exit
            ",
        )
        .run_packet(frame(20, 7), 13)
        .into(),
    ]
}
