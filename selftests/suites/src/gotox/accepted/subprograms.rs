//! Tables in subprograms: targets are relative to the subprogram in the object, to the program in
//! the map, and to the subprogram's image once it is JITed.

use crate::Case;
use crate::builder::{accepts, ctx_u64s};

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "gotox/in_static_subprogram",
            "the only table belongs to a static subprogram (bpf_gotox: use_static_global1)",
            r"
                r1 = *(u64 *)(r1 +0)
                call pick
                r0 += 100
                exit
            .func pick
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 101), (1, 102)])
        .into(),
        accepts(
            "gotox/in_global_subprogram",
            "the only table belongs to a subprogram with a global symbol \
             (bpf_gotox: use_nonstatic_global1)",
            r"
                r1 = *(u64 *)(r1 +0)
                call pick
                r0 += 100
                exit
            .global pick
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 101), (1, 102)])
        .into(),
        accepts(
            "gotox/in_program_and_subprogram",
            "the program and its subprogram each jump through a table; the shapes are the same, \
             the targets are not",
            r"
                r6 = *(u64 *)(r1 +0)
                r1 = *(u64 *)(r1 +8)
                r6 &= 1
                r6 <<= 3
                r3 = OUTER ll
                r3 += r6
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                call pick
                r0 += 10
                exit
            b:
                call pick
                r0 += 20
                exit
            .jumptable OUTER: a, b
            .func pick
                r1 &= 1
                r1 <<= 3
                r3 = INNER ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable INNER: a, b
            ",
        )
        .run(ctx_u64s(&[0, 0]), 11)
        .run(ctx_u64s(&[0, 1]), 12)
        .run(ctx_u64s(&[1, 0]), 21)
        .run(ctx_u64s(&[1, 1]), 22)
        .into(),
        accepts(
            "gotox/in_two_subprograms",
            "two subprograms with equal instructions and equal tables: each table must count from \
             its own subprogram",
            r"
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                call first
                r7 = r0
                r1 = r6
                call second
                r0 += r7
                exit
            .func first
                r1 &= 1
                r1 <<= 3
                r3 = ONE ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable ONE: a, b
            .func second
                r1 &= 1
                r1 <<= 3
                r3 = TWO ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 10
                exit
            b:
                r0 = 20
                exit
            .jumptable TWO: a, b
            ",
        )
        .runs(&[(0, 11), (1, 22)])
        .into(),
        accepts(
            "gotox/last_instruction_of_subprogram",
            "a subprogram ends with the jump; another follows it \
             (verifier_gotox: jump_table_terminal_gotox_subprog)",
            r"
                call first
                r6 = r0
                call second
                r0 += r6
                exit
            .func first
                r0 = JT ll
                r0 = *(u64 *)(r0 +0)
                goto end
            target:
                r0 = 3
                exit
            end:
                gotox r0
            .jumptable JT: target
            .func second
                r0 = 40
                exit
            ",
        )
        .run(ctx_u64s(&[0]), 43)
        .into(),
        accepts(
            "gotox/called_twice",
            "one subprogram, called with two indices: the verifier follows each call",
            r"
                r6 = *(u64 *)(r1 +8)
                r1 = *(u64 *)(r1 +0)
                call pick
                r7 = r0
                r1 = r6
                call pick
                r7 *= 10
                r0 += r7
                exit
            .func pick
                if r1 > 2 goto other
                r1 <<= 3
                r3 = JT ll
                r3 += r1
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
            other:
                r0 = 4
                exit
            .jumptable JT: a, b, c
            ",
        )
        .run(ctx_u64s(&[0, 1]), 12)
        .run(ctx_u64s(&[2, 2]), 33)
        .run(ctx_u64s(&[9, 0]), 41)
        .into(),
        accepts(
            "gotox/calls_at_targets",
            "every target calls a subprogram of its own; r6 to r9 survive the calls",
            r"
                r6 = r1
                r9 = 1000
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r1 = 3
                call twice
                goto out
            b:
                r1 = 5
                call thrice
            out:
                r0 += r9
                r1 = *(u64 *)(r6 +8)
                r0 += r1
                exit
            .jumptable JT: a, b
            .func twice
                r0 = r1
                r0 += r1
                r9 = 0
                exit
            .func thrice
                r0 = r1
                r0 *= 3
                r6 = 0
                exit
            ",
        )
        .run(ctx_u64s(&[0, 0]), 1006)
        .run(ctx_u64s(&[1, 7]), 1022)
        .into(),
        accepts(
            "gotox/index_from_callee",
            "the index of the jump is what a subprogram returned",
            r"
                r1 = *(u64 *)(r1 +0)
                call clamp
                r0 <<= 3
                r3 = JT ll
                r3 += r0
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
            .jumptable JT: a, b, c
            .func clamp
                r0 = r1
                if r0 < 3 goto out
                r0 = 2
            out:
                exit
            ",
        )
        .runs(&[(0, 1), (1, 2), (2, 3), (200, 3)])
        .into(),
        accepts(
            "gotox/callers_stack_through_pointer",
            "the targets of a subprogram write to the caller's stack",
            r"
                r6 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -8) = 1
                r1 = r6
                r2 = r10
                r2 += -8
                call write
                r0 = *(u64 *)(r10 -8)
                exit
            .func write
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                *(u64 *)(r2 +0) = 50
                r0 = 0
                exit
            b:
                r4 = *(u64 *)(r2 +0)
                r4 += 5
                *(u64 *)(r2 +0) = r4
                r0 = 0
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 50), (1, 6)])
        .into(),
        accepts(
            "gotox/loop_in_subprogram",
            "a bounded loop through a table inside a subprogram that is called in a loop",
            r"
                r6 = 0
                r7 = 0
            again:
                r1 = r6
                call sum
                r7 += r0
                r6 += 1
                if r6 < 4 goto again
                r0 = r7
                exit
            .func sum
                r0 = 0
            head:
                r2 = 8
                if r1 == 0 goto jump
                r0 += r1
                r1 -= 1
                r2 = 0
            jump:
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            done:
                exit
            .jumptable JT: head, done
            ",
        )
        .run(ctx_u64s(&[0]), 10)
        .into(),
        accepts(
            "gotox/subprograms_before_and_behind",
            "the subprogram with the table is the middle one of three",
            r"
                r6 = *(u64 *)(r1 +0)
                call small
                r7 = r0
                r1 = r6
                call middle
                r7 += r0
                call large
                r0 += r7
                exit
            .func small
                r0 = 1
                exit
            .func middle
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 10
                exit
            b:
                r0 = 20
                exit
            .jumptable JT: a, b
            .func large
                r0 = 60
                r0 += 20
                r0 += 20
                exit
            ",
        )
        .runs(&[(0, 111), (1, 121)])
        .into(),
    ]
}
