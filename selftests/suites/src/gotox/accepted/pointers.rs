//! Pointers and bounds that are live across the jump, and other uses of an instruction's address.

use crate::Case;
use crate::builder::{accepts, ctx_u64s};

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "gotox/load_acquire",
            "the entry is read by a load with acquire semantics, which is checked as a load of 64 bits \
             (check_atomic_load)",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = load_acquire((u64 *)(r3 +0))
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
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/address_written_to_a_map",
            "with CAP_PERFMON a program may store the address of an instruction in a map",
            r"
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                r2 = store ll
                *(u64 *)(r2 +0) = r3
                gotox r3
            a:
                r0 = 4
                r1 = *(u64 *)(r2 +0)
                if r1 != 0 goto out
                r0 = 5
            out:
                exit
            .jumptable JT: a
            .map store array key=4 value=8 entries=1 flags=0
            ",
        )
        .run(ctx_u64s(&[0]), 4)
        .into(),
        accepts(
            "gotox/context_survives",
            "the context pointer is used at every target, in its register and spilled",
            r"
                *(u64 *)(r10 -8) = r1
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = *(u64 *)(r1 +8)
                exit
            b:
                r2 = *(u64 *)(r10 -8)
                *(u64 *)(r2 +8) = 77
                r0 = *(u64 *)(r2 +16)
                exit
            .jumptable JT: a, b
            ",
        )
        .run_writing(ctx_u64s(&[0, 5, 6]), 5, ctx_u64s(&[0, 5, 6]))
        .run_writing(ctx_u64s(&[1, 5, 6]), 6, ctx_u64s(&[1, 77, 6]))
        .into(),
        accepts(
            "gotox/stack_pointer_survives",
            "a pointer into the stack is written through at one target and read at the other",
            r"
                r6 = r10
                r6 += -16
                *(u64 *)(r6 +0) = 7
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = *(u64 *)(r10 -16)
                exit
            b:
                *(u64 *)(r6 +0) = 9
                r0 = *(u64 *)(r10 -16)
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 7), (1, 9)])
        .into(),
        accepts(
            "gotox/type_of_register_depends_on_entry",
            "r6 is a number on one way into the jump and a pointer on the other; each way has its \
             own table, so no target sees both",
            r"
                r2 = *(u64 *)(r1 +0)
                if r2 != 0 goto number
                r6 = r1
                r3 = WITH_POINTER ll
                goto load
            number:
                r6 = 3
                r3 = WITH_NUMBER ll
            load:
                r3 = *(u64 *)(r3 +0)
                gotox r3
            pointer_here:
                r0 = *(u64 *)(r6 +8)
                exit
            number_here:
                r6 *= 5
                r0 = r6
                exit
            .jumptable WITH_POINTER: pointer_here
            .jumptable WITH_NUMBER: number_here
            ",
        )
        .run(ctx_u64s(&[0, 42]), 42)
        .run(ctx_u64s(&[1, 42]), 15)
        .into(),
        accepts(
            "gotox/bounds_survive",
            "what the verifier knows about a number before the jump holds behind it: the number \
             then indexes the stack",
            r"
                *(u64 *)(r10 -8) = 0x08070605
                r6 = *(u64 *)(r1 +8)
                r6 &= 3
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = r6
                exit
            b:
                r1 = r10
                r1 += r6
                r0 = *(u8 *)(r1 -8)
                exit
            .jumptable JT: a, b
            ",
        )
        .run(ctx_u64s(&[0, 6]), 2)
        .run(ctx_u64s(&[1, 6]), 7)
        .into(),
        accepts(
            "gotox/address_compared_with_zero",
            "the address of an instruction is never zero",
            r"
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                if r3 == 0 goto zero
                gotox r3
            zero:
                r0 = 1
                exit
            target:
                r0 = 2
                exit
            .jumptable JT: target
            ",
        )
        .run(ctx_u64s(&[0]), 2)
        .into(),
        accepts(
            "gotox/addresses_compared",
            "two entries with one target hold the same address, others differ",
            r"
                r3 = JT ll
                r4 = *(u64 *)(r3 +0)
                r5 = *(u64 *)(r3 +8)
                r6 = *(u64 *)(r3 +16)
                r0 = 0
                if r4 != r6 goto unlike
                r0 += 1
            unlike:
                if r4 == r5 goto jump
                r0 += 2
            jump:
                gotox r6
            a:
                r0 += 4
                exit
            b:
                r0 = 100
                exit
            .jumptable JT: a, b, a
            ",
        )
        .run(ctx_u64s(&[0]), 7)
        .into(),
    ]
}
