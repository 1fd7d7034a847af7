//! Constant folding and dead branches: a function pointer is not a constant, nor is r0 after the
//! call, and no branch depends on the byte offset in the map.

use crate::Case;
use crate::builder::{accepts, errno, rejects};

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/constant_dies_at_call",
            "r0 is 0 before the call, not after it: a pass that keeps it takes one branch out",
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
            "callx/constant_survives_call",
            "r6 is 1 before the call and after it, though the callee sets r6 to 2: the branch for 2 \
             is dead and may do what it likes",
            "
                r6 = 1
                r2 = f ll
                callx r2
                if r6 == 1 goto out
                r0 = *(u64 *)(r6 +0)
            out:
                exit
            .func f
                r6 = 2
                r0 = 3
                exit
            ",
        )
        .runs(&[(0, 3)])
        .into(),
        accepts(
            "callx/constant_of_slot_dies_at_call",
            "a constant on the stack that the callee overwrites through a pointer",
            "
                r6 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -8) = 0
                r1 = r10
                r1 += -8
                r2 = r6
                r3 = f ll
                callx r3
                r0 = 7
                r1 = *(u64 *)(r10 -8)
                if r1 == 0 goto out
                r0 = 8
            out:
                exit
            .func f
                *(u64 *)(r1 +0) = r2
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 7), (1, 8)])
        .into(),
        rejects(
            "callx/branch_on_result_is_followed",
            "the branch that r0's value before the call would rule out is the bad one",
            "
                r6 = *(u64 *)(r1 +0)
                r2 = f ll
                r1 = r6
                r0 = 0
                callx r2
                if r0 == 0 goto out
                r0 = *(u64 *)(r6 +0)
            out:
                r0 = 0
                exit
            .func f
                r0 = r1
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("R6 invalid mem access 'scalar'")
        .into(),
        accepts(
            "callx/loaded_pointer_is_not_an_offset",
            "a pointer by ld_imm64 is above 4 GiB, not the number in the instruction",
            "
                r2 = a ll
                r3 = 0xffffffff ll
                r0 = 5
                if r2 > r3 goto big
                r0 = 6
                exit
            big:
                callx r2
                exit
            .func a
                r0 = 1
                exit
            ",
        )
        .runs(&[(0, 1)])
        .into(),
        accepts(
            "callx/pointer_in_data_is_not_an_offset",
            "a pointer from data is above 4 GiB, not the byte offset that the map holds: a pass that \
             reads the map as constants takes the call out",
            "
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                r3 = 0xffffffff ll
                r0 = 5
                if r2 > r3 goto big
                r0 = 6
                exit
            big:
                callx r2
                exit
            .func a
                r0 = 1
                exit
            .data T .rodata: a
            ",
        )
        .runs(&[(0, 1)])
        .into(),
        accepts(
            "callx/pointer_in_data_is_not_its_offset",
            "a pointer compared with the offset that the map holds",
            "
                r6 = *(u64 *)(r1 +0)
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                r0 = 6
                if r2 == 72 goto out
                callx r2
                r0 += r6
            out:
                exit
            .func a
                r0 = 1
                exit
            .data T .rodata: a
            ",
        )
        .runs(&[(0, 1), (5, 6)])
        .into(),
        rejects(
            "callx/branch_on_pointer_is_followed",
            "the branch for a pointer that is not the offset is the bad one",
            "
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                r0 = 6
                if r2 < 4096 goto out
                r0 = 0
                r0 = *(u64 *)(r0 +0)
            out:
                r2 = 0
                callx r2
                exit
            .func a
                r0 = 1
                exit
            .data T .rodata: a
            ",
        )
        .errno(errno::EACCES)
        .log("R0 invalid mem access 'scalar'")
        .into(),
        accepts(
            "callx/pointers_compared",
            "two functions are different, and neither is null",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = a ll
                r8 = b ll
                if r6 == 0 goto go
                r8 = a ll
            go:
                r9 = 10
                if r7 == r8 goto same
                r9 = 20
            same:
                if r7 == 0 goto out
                callx r8
                r9 += r0
            out:
                r0 = r9
                exit
            .func a
                r0 = 1
                exit
            .func b
                r0 = 2
                exit
            ",
        )
        .runs(&[(0, 22), (1, 11)])
        .into(),
    ]
}
