//! Liveness of stack slots and registers: what any callee may read is live before the call and
//! inside the callee. If the analysis misses this, the verifier considers two states equal and
//! never explores the second path, which is the bad one here.

use crate::Case;
use crate::builder::{accepts, errno, load_flag, rejects};
use crate::callx::shape::{pick, store_at};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = stack_slots();
    cases.extend(registers());
    cases
}

/// The second path sets -800 where the first has -8, and then stores at fp plus that.
fn out_of_bounds(name: &str, about: &str, source: String) -> Case {
    rejects(name, about, source)
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(errno::EACCES)
        .log("invalid write to stack R3")
        .into()
}

fn stack_slots() -> Vec<Case> {
    let by_path = "
        r6 = *(u64 *)(r1 +0)
        *(u64 *)(r10 -8) = -8
        if r6 == 0 goto go
        *(u64 *)(r10 -8) = -800
    go:
        r6 = 0
        r1 = r10
        r1 += -8
    ";
    let reads_slot = format!("r2 = *(u64 *)(r1 +0)\n{}r0 = 0\nexit", store_at("r2"));
    vec![
        accepts(
            "callx/slot_read_by_callee",
            "the callee reads what the caller's path has stored, both in bounds",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    *(u64 *)(r10 -8) = -8
                    if r6 == 0 goto go
                    *(u64 *)(r10 -8) = -16
                go:
                    r1 = r10
                    r1 += -8
                    r2 = f ll
                    callx r2
                    exit
                .func f
                    r2 = *(u64 *)(r1 +0)
                    *(u64 *)(r10 -16) = 20
                    {}
                    r0 = *(u64 *)(r10 -16)
                    exit
                ",
                store_at("r2")
            ),
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 20), (1, 1)])
        .into(),
        out_of_bounds(
            "callx/slot_alive_before_call",
            "only the callee reads the caller's slot, which differs by path: dead to an analysis \
             that does not look into indirect callees",
            format!("{by_path}r2 = f ll\ncallx r2\nr0 = 0\nexit\n.func f\n{reads_slot}"),
        ),
        out_of_bounds(
            "callx/slot_alive_before_call_of_second_callee",
            "the first of the two callees does not read the slot, the second does",
            format!(
                "
                    r7 = *(u64 *)(r1 +8)
                    {by_path}
                    r2 = a ll
                    if r7 == 0 goto call
                    r2 = b ll
                call:
                    callx r2
                    r0 = 0
                    exit
                .func a
                    r0 = 0
                    exit
                .func b
                    {reads_slot}
                "
            ),
        ),
        out_of_bounds(
            "callx/slot_alive_before_call_from_data",
            "the callee that reads the slot is in a table with a variable index",
            format!(
                "
                    r7 = *(u64 *)(r1 +8)
                    {by_path}
                    r7 &= 1
                    r7 <<= 3
                    r2 = T ll
                    r2 += r7
                    r2 = *(u64 *)(r2 +0)
                    callx r2
                    r0 = 0
                    exit
                .func a
                    r0 = 0
                    exit
                .func b
                    {reads_slot}
                .data T .rodata: a, b
                "
            ),
        ),
        out_of_bounds(
            "callx/slot_alive_two_frames_up",
            "the callee's callee reads the slot of the first frame; between them is a function \
             called by name",
            format!(
                "
                    {by_path}
                    call middle
                    r0 = 0
                    exit
                .func middle
                    r6 = 0
                    r7 = 0
                    r2 = f ll
                    callx r2
                    r0 = 0
                    exit
                .func f
                    {reads_slot}
                "
            ),
        ),
        out_of_bounds(
            "callx/slot_alive_inside_callee",
            "the paths meet inside the callee, before it reads the caller's slot",
            format!(
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
                    r3 = 0
                    {reads_slot}
                "
            ),
        ),
        out_of_bounds(
            "callx/slot_alive_after_call",
            "the callee writes the slot on one of its paths; the caller reads it when both are \
             through",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    *(u64 *)(r10 -8) = -8
                    r1 = r10
                    r1 += -8
                    r2 = r6
                    r6 = 0
                    r3 = f ll
                    callx r3
                    r2 = *(u64 *)(r10 -8)
                    {}
                    r0 = 0
                    exit
                .func f
                    if r2 == 0 goto out
                    *(u64 *)(r1 +0) = -800
                out:
                    r2 = 0
                    r0 = 0
                    exit
                ",
                store_at("r2")
            ),
        ),
        out_of_bounds(
            "callx/slot_not_written_by_every_callee",
            "one callee overwrites the slot, the other leaves it: an analysis that takes the write \
             for certain lets the slot die before the call",
            format!(
                "
                    r7 = *(u64 *)(r1 +8)
                    {by_path}
                    r2 = a ll
                    if r7 == 0 goto call
                    r2 = b ll
                call:
                    callx r2
                    r2 = *(u64 *)(r10 -8)
                    {}
                    r0 = 0
                    exit
                .func a
                    *(u64 *)(r1 +0) = -8
                    r0 = 0
                    exit
                .func b
                    r0 = 0
                    exit
                ",
                store_at("r2")
            ),
        ),
    ]
}

fn registers() -> Vec<Case> {
    let by_path = "
        r6 = *(u64 *)(r1 +0)
        r4 = -8
        if r6 == 0 goto go
        r4 = -800
    go:
        r6 = 0
        r1 = 0
    ";
    vec![
        out_of_bounds(
            "callx/argument_alive_before_call",
            "only the callee reads r4, which differs by path: callx reads r1-r5",
            format!(
                "{by_path}r2 = f ll\ncallx r2\nr0 = 0\nexit\n.func f\n{}r0 = 0\nexit",
                store_at("r4")
            ),
        ),
        out_of_bounds(
            "callx/callee_saved_register_alive_over_call",
            "r9 differs by path and is read behind the call",
            format!(
                "
                    {}
                    r9 = r4
                    r2 = f ll
                    callx r2
                    {}
                    r0 = 0
                    exit
                .func f
                    r9 = 0
                    r0 = 0
                    exit
                ",
                by_path,
                store_at("r9")
            ),
        ),
        rejects(
            "callx/own_register_alive_before_call",
            "r9 holds different functions by path, and nothing but the call reads it",
            format!(
                "
                {}
                    r6 = 0
                    r1 = 0
                    callx r9
                    exit
                .func a
                    r0 = 1
                    exit
                .func b
                    r0 = *(u64 *)(r1 +0)
                    exit
                ",
                pick("r9")
            ),
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(errno::EACCES)
        .log("R1 invalid mem access 'scalar'")
        .into(),
        accepts(
            "callx/call_defines_r0",
            "what r0 held does not matter: on the two paths it is a number and a pointer",
            "
                r6 = *(u64 *)(r1 +0)
                r2 = f ll
                r0 = 5
                if r6 == 0 goto go
                r0 = r10
            go:
                callx r2
                exit
            .func f
                r0 = 6
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 6), (1, 6)])
        .into(),
        rejects(
            "callx/argument_never_written",
            "the callee reads an argument that its caller never wrote",
            "
                r2 = f ll
                callx r2
                exit
            .func f
                r0 = r3
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("R3 !read_ok")
        .into(),
    ]
}
