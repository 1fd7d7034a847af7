//! Removal of dead code and patched instructions: functions move, and pointers to them are
//! adjusted. A function that nobody calls may be removed; its pointer then reads as 0.

use crate::Case;
use crate::builder::{accepts, frame};
use crate::callx::shape::element;

/// Unreachable instructions; use r9.
const DEAD: &str = "
        r9 = 1
        if r9 == 1 goto alive
        r9 = 5
        r9 = 0x1122334455667788 ll
        r9 = 7
    alive:
";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = registers();
    cases.extend(data());
    cases.extend(patched());
    cases
}

/// Targets of `ld_imm64`.
fn registers() -> Vec<Case> {
    vec![
        accepts(
            "callx/removed_in_front_of_callee",
            "instructions removed from the caller: the address in ld_imm64 is relative",
            format!("{DEAD}r2 = f ll\ncallx r2\nexit\n.func f\nr0 = 4\nexit"),
        )
        .runs(&[(0, 4)])
        .into(),
        accepts(
            "callx/removed_between_address_and_callee",
            "instructions removed behind the load of the address",
            format!("r2 = f ll\n{DEAD}callx r2\nexit\n.func f\nr0 = 4\nexit"),
        )
        .runs(&[(0, 4)])
        .into(),
        accepts(
            "callx/removed_inside_callees",
            "instructions removed at the start of one callee and inside the next",
            format!(
                "
                    r2 = f ll
                    callx r2
                    r6 = r0
                    r2 = g ll
                    callx r2
                    r0 += r6
                    exit
                .func f
                    {DEAD}
                    r0 = 4
                    exit
                .func g
                    r0 = 30
                    {DEAD}
                    exit
                "
            ),
        )
        .runs(&[(0, 34)])
        .into(),
        accepts(
            "callx/removed_functions_between",
            "functions that are never called, by name or through a register, are removed in front \
             of, between and behind those that are called",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = 1
                if r7 == 1 goto on
                call dead
            on:
                r2 = a ll
                if r6 == 0 goto go
                r2 = b ll
            go:
                callx r2
                exit
            .func dead
                r0 = 13
                exit
            .func a
                r0 = 1
                if r0 == 1 goto out
                call gone
            out:
                exit
            .func gone
                r0 = dead ll
                callx r0
                exit
            .func b
                r0 = gone ll
                r0 = last ll
                r0 = 2
                exit
            .func last
                r0 = 17
                exit
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "callx/removed_call_only",
            "the only indirect call of the program is dead",
            "
                r2 = f ll
                r0 = 4
                r3 = 1
                if r3 == 1 goto out
                callx r2
            out:
                exit
            .func f
                r0 = 5
                exit
            ",
        )
        .runs(&[(0, 4)])
        .into(),
        accepts(
            "callx/never_called_and_compared",
            "the address of a function that nobody calls is compared with another and with null: \
             whatever it is when the function is gone, it is not the other",
            "
                r6 = f ll
                r7 = g ll
                r0 = 1
                if r6 == r7 goto out
                callx r7
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
            "callx/nothing_but_dead_functions",
            "the program is reduced to one function although it names others",
            "
                r6 = f ll
                r0 = 1
                if r0 == 1 goto out
                callx r6
            out:
                exit
            .func f
                r0 = 13
                exit
            ",
        )
        .runs(&[(0, 1)])
        .into(),
    ]
}

/// Contents of maps: user space still reads the offsets in the original program.
fn data() -> Vec<Case> {
    let dead_around = |call: &str| {
        format!(
            "
            {}
                {DEAD}
                r1 = r6
                {call}
                exit
            .func dead
                r0 = 13
                r0 = 14
                exit
            .func a
                {DEAD}
                r0 = r1
                exit
            .func gone
                r0 = 15
                exit
            .func b
                r0 = r1
                {DEAD}
                r0 += 100
                exit
            .data T .rodata: a, b, dead, gone
            ",
            element("T", 1, 3)
        )
    };
    vec![
        accepts(
            "callx/removed_around_functions_in_data",
            "dead code in front of, in and behind functions of a table, which also has functions \
             that are never called: the offsets in the map are those of before",
            dead_around("callx r2"),
        )
        .runs(&[(0, 0), (1, 101), (3, 103)])
        .into(),
        accepts(
            "callx/removed_call_in_front_of_call_through_data",
            "so does a dead call of one of them by name",
            dead_around("r7 = 1\nif r7 == 1 goto on\ncall gone\non:\ncallx r2"),
        )
        .runs(&[(0, 0), (1, 101)])
        .into(),
        accepts(
            "callx/pointer_to_removed_function",
            "the pointer to a function that is never called is loaded and may be null then; the \
             other one is not",
            "
                r7 = T ll
                r6 = *(u64 *)(r7 +0)
                r2 = *(u64 *)(r7 +8)
                r0 = 1
                if r2 == 0 goto out
                if r2 == r6 goto out
                callx r2
            out:
                exit
            .func never
                r0 = 13
                exit
            .func f
                r0 = 3
                exit
            .data T .rodata: never, f
            ",
        )
        .runs(&[(0, 3)])
        .into(),
        accepts(
            "callx/data_and_no_live_call",
            "the indirect call is dead, the pointers are read as such",
            "
                r7 = T ll
                r2 = *(u64 *)(r7 +8)
                r0 = 4
                r3 = 1
                if r3 == 1 goto out
                callx r2
            out:
                exit
            .func f
                r0 = 3
                exit
            .data T .rodata: 1000, f
            ",
        )
        .runs(&[(0, 4)])
        .into(),
    ]
}

/// Instructions that are expanded: the functions after them move the other way.
fn patched() -> Vec<Case> {
    vec![
        accepts(
            "callx/patched_loads_around_callee",
            "loads from the context and from the packet grow, in the caller and in the callee",
            "
            .prog main socket
                r6 = r1
                r0 = *(u8 *)skb[0]
                r7 = r0
                r1 = r6
                r2 = f ll
                callx r2
                r0 += r7
                r1 = r6
                r2 = g ll
                r7 = r0
                callx r2
                r0 += r7
                exit
            .func f
                r0 = *(u32 *)(r1 +0)
                exit
            .func g
                r0 = 1000
                exit
            ",
        )
        .run_packet(frame(20, 7), 1013)
        .into(),
        accepts(
            "callx/patched_divisions_and_look_ups",
            "divisions by a register and inlined look-ups in front of and in functions of a table",
            format!(
                "
                {}
                    r8 = r2
                    *(u32 *)(r10 -4) = 0
                    r1 = map M ll
                    r2 = r10
                    r2 += -4
                    call bpf_map_lookup_elem
                    if r0 == 0 goto out
                    *(u64 *)(r0 +0) = 6
                    r1 = r6
                    r2 = r0
                    callx r8
                out:
                    exit
                .func a
                    r3 = *(u64 *)(r2 +0)
                    r0 = 60
                    r0 /= r3
                    exit
                .func b
                    r3 = *(u64 *)(r2 +0)
                    r0 = 65
                    r0 %= r3
                    r0 += r1
                    exit
                .map M array key=4 value=8 entries=1
                .data T .rodata: a, b
                ",
                element("T", 1, 3)
            ),
        )
        .runs(&[(0, 10), (1, 6)])
        .into(),
    ]
}
