//! Functions whose address is loaded by `ld_imm64` and travels to the call.

use crate::Case;
use crate::builder::accepts;

/// Accepted cases, from simple to hard.
#[expect(clippy::too_many_lines, reason = "a list of programs")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/one_callee",
            "the function's return value arrives in r0",
            "
                r2 = there ll
                callx r2
                r0 += 1
                exit
            .func there
                r0 = 41
                exit
            ",
        )
        .runs(&[(0, 42)])
        .into(),
        accepts(
            "callx/two_paths",
            "one of two functions, by the path",
            "
                r6 = *(u64 *)(r1 +0)
                r2 = a ll
                if r6 == 0 goto go
                r2 = b ll
            go:
                r1 = r6
                callx r2
                exit
            .func a
                r0 = 10
                exit
            .func b
                r0 = r1
                r0 += 20
                exit
            ",
        )
        .runs(&[(0, 10), (1, 21), (5, 25)])
        .into(),
        accepts(
            "callx/passed_as_argument",
            "a function gets the function as its argument",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = twice ll
                r2 = r6
                call apply
                r6 = r0
                r1 = inc ll
                r2 = r6
                call apply
                exit
            .func apply
                r3 = r1
                r1 = r2
                callx r3
                exit
            .func twice
                r0 = r1
                r0 += r1
                exit
            .func inc
                r0 = r1
                r0 += 1
                exit
            ",
        )
        .runs(&[(3, 7), (10, 21)])
        .into(),
        accepts(
            "callx/returned",
            "a function returns the function",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                call pick
                r1 = 5
                callx r0
                exit
            .func pick
                r0 = a ll
                if r1 == 0 goto out
                r0 = b ll
            out:
                exit
            .func a
                r0 = r1
                exit
            .func b
                r0 = r1
                r0 += 100
                exit
            ",
        )
        .runs(&[(0, 5), (1, 105)])
        .into(),
        accepts(
            "callx/spilled_and_filled",
            "the function waits on the stack, next to numbers, in a struct",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = a ll
                *(u64 *)(r10 -8) = r1
                r1 = b ll
                *(u64 *)(r10 -16) = r1
                *(u64 *)(r10 -24) = 7
                r2 = *(u64 *)(r10 -8)
                if r6 == 0 goto go
                r2 = *(u64 *)(r10 -16)
            go:
                r1 = *(u64 *)(r10 -24)
                callx r2
                exit
            .func a
                r0 = r1
                exit
            .func b
                r0 = r1
                r0 += 1
                exit
            ",
        )
        .runs(&[(0, 7), (1, 8)])
        .into(),
        accepts(
            "callx/struct_on_callers_stack",
            "a function calls what its caller's struct has",
            "
                r1 = mul ll
                *(u64 *)(r10 -16) = r1
                *(u64 *)(r10 -8) = 6
                r1 = r10
                r1 += -16
                call run
                exit
            .func run
                r2 = *(u64 *)(r1 +0)
                r1 = *(u64 *)(r1 +8)
                callx r2
                exit
            .func mul
                r0 = r1
                r0 *= 7
                exit
            ",
        )
        .runs(&[(0, 42)])
        .into(),
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
            "the callee stores through a pointer to the caller's stack",
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
            "callx/eight_frames",
            "frames in a chain, each called through a register",
            "
                r1 = f1 ll
                callx r1
                exit
            .func f1
                r1 = f2 ll
                callx r1
                exit
            .func f2
                r1 = f3 ll
                callx r1
                exit
            .func f3
                r1 = f4 ll
                callx r1
                exit
            .func f4
                r1 = f5 ll
                callx r1
                exit
            .func f5
                r1 = f6 ll
                callx r1
                exit
            .func f6
                r1 = f7 ll
                callx r1
                exit
            .func f7
                r0 = 77
                exit
            ",
        )
        .runs(&[(0, 77)])
        .into(),
        accepts(
            "callx/stack_at_the_limit",
            "512 bytes in three frames",
            "
                *(u64 *)(r10 -192) = 1
                r1 = f ll
                callx r1
                exit
            .func f
                *(u64 *)(r10 -160) = 2
                r1 = g ll
                callx r1
                exit
            .func g
                *(u64 *)(r10 -160) = 3
                r0 = *(u64 *)(r10 -160)
                exit
            ",
        )
        .runs(&[(0, 3)])
        .into(),
        accepts(
            "callx/stack_counted_where_called",
            "the function that loads the address has a large stack, but is gone at the call",
            "
                r6 = *(u64 *)(r1 +0)
                call pick
                r1 = r6
                callx r0
                exit
            .func pick
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
        accepts(
            "callx/false_cycle",
            "a calls b for one caller, b calls a for another: a cycle that nothing runs through",
            "
                r1 = b ll
                r2 = leaf ll
                call a
                r6 = r0
                r1 = a ll
                r2 = leaf ll
                call b
                r0 += r6
                exit
            .func a
                *(u64 *)(r10 -8) = r1
                r3 = r1
                r1 = r2
                r2 = r1
                callx r3
                r0 += 1
                exit
            .func b
                *(u64 *)(r10 -16) = r1
                r3 = r1
                r1 = r2
                r2 = r1
                callx r3
                r0 += 10
                exit
            .func leaf
                r0 = 100
                exit
            ",
        )
        .runs(&[(0, 222)])
        .into(),
        accepts(
            "callx/in_global_function",
            "a global function calls a static one through a register",
            "
                r1 = *(u64 *)(r1 +0)
                call g
                exit
            .global g
                r2 = f ll
                callx r2
                r0 += 1
                exit
            .func f
                r0 = r1
                r0 *= 2
                exit
            ",
        )
        .runs(&[(4, 9)])
        .into(),
        accepts(
            "callx/callee_calls_global",
            "the callee calls a global function",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = f ll
                callx r2
                exit
            .func f
                call g
                r0 += 1
                exit
            .global g
                r0 = r1
                r0 *= 2
                exit
            ",
        )
        .runs(&[(4, 9)])
        .into(),
        accepts(
            "callx/callee_with_gotox",
            "the callee jumps through a table",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = f ll
                callx r2
                exit
            .func f
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            x:
                r0 = 1
                exit
            y:
                r0 = 2
                exit
            .jumptable JT: x, y
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "callx/reached_by_gotox",
            "the jump through a table leads to indirect calls",
            "
                r6 = *(u64 *)(r1 +0)
                r6 &= 1
                r6 <<= 3
                r2 = f ll
                r3 = JT ll
                r3 += r6
                r3 = *(u64 *)(r3 +0)
                gotox r3
            x:
                r2 = g ll
            y:
                callx r2
                exit
            .jumptable JT: x, y
            .func f
                r0 = 1
                exit
            .func g
                r0 = 2
                exit
            ",
        )
        .runs(&[(0, 2), (1, 1)])
        .into(),
        accepts(
            "callx/never_called",
            "an address that is loaded and only compared belongs to a function that nobody calls",
            "
                r2 = f ll
                r3 = g ll
                r0 = 1
                if r2 == 0 goto out
                r0 = 2
                callx r3
            out:
                exit
            .func f
                r0 = 13
                exit
            .func g
                r0 = 3
                exit
            ",
        )
        .runs(&[(0, 3)])
        .into(),
        accepts(
            "callx/loop_of_calls",
            "a bounded loop calls alternately",
            "
                r6 = 0
                r7 = 0
            again:
                r2 = a ll
                r8 = r6
                r8 &= 1
                if r8 == 0 goto go
                r2 = b ll
            go:
                r1 = r7
                callx r2
                r7 = r0
                r7 &= 0xffff
                r6 += 1
                if r6 < 6 goto again
                r0 = r7
                exit
            .func a
                r0 = r1
                r0 += 1
                exit
            .func b
                r0 = r1
                r0 += 100
                exit
            ",
        )
        .runs(&[(0, 303)])
        .into(),
    ]
}
