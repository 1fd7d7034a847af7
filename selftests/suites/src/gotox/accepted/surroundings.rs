//! Other features combined with gotox: data, callbacks, tail calls, spin locks, global functions.

use crate::Case;
use crate::builder::{accepts, ctx_u64s, errno, map_flag};
use crate::gotox::shape::dispatch;

/// Jumps by the lowest bit of r1; `a` and `b` are the targets.
const PICK: &str = "
    r1 &= 1
    r1 <<= 3
    r3 = JT ll
    r3 += r1
    r3 = *(u64 *)(r3 +0)
    gotox r3
";

/// The kernel's message without the JIT.
const NO_CALLBACKS: &str = "callbacks are not allowed in non-JITed programs";

pub(super) fn cases() -> Vec<Case> {
    [data(), callbacks(), tail_calls(), spin_locks()].concat()
}

fn data() -> Vec<Case> {
    let numbers = |section: &str| {
        format!(
            "{}
            a:
                r1 = numbers ll
                r0 = *(u32 *)(r1 +4)
                exit
            b:
                r1 = numbers + 8 ll
                r0 = *(u16 *)(r1 +2)
                exit
            .jumptable JT: a, b
            .data numbers {section}: u32 1, u32 70000, u8 2, u8 3, u16 700, 9
            ",
            dispatch("JT", 1)
        )
    };
    vec![
        accepts(
            "gotox/read_only_data",
            "numbers in a frozen map, which user space reads in every way and cannot change",
            numbers(".rodata"),
        )
        .adjust(|plan| {
            if let Some(map) = plan.maps.iter_mut().find(|map| map.name == ".rodata") {
                map.flags |= map_flag::MMAPABLE;
            }
        })
        .runs(&[(0, 70000), (1, 700)])
        .update_fails(".rodata", errno::EPERM)
        .reads_in_batch(".rodata")
        .reads_mapped(".rodata")
        .into(),
        accepts(
            "gotox/writable_data",
            "numbers that the program writes, behind a jump",
            format!(
                "{}
                a:
                    r1 = count ll
                    r0 = *(u64 *)(r1 +0)
                    r0 += 1
                    *(u64 *)(r1 +0) = r0
                    exit
                .jumptable JT: a
                .data pad .data: 0
                .data count .data global: 41
                ",
                dispatch("JT", 0)
            ),
        )
        .runs(&[(0, 42), (0, 43)])
        .reads_in_batch(".data")
        .into(),
    ]
}

fn callbacks() -> Vec<Case> {
    vec![
        accepts(
            "gotox/in_callback",
            "bpf_loop calls a function that jumps by the number of the round, until it returns 1",
            format!(
                "
                    r1 = *(u64 *)(r1 +0)
                    *(u64 *)(r10 -8) = 0
                    r2 = round ll
                    r3 = r10
                    r3 += -8
                    r4 = 0
                    call bpf_loop
                    r1 = *(u64 *)(r10 -8)
                    r1 *= 100
                    r0 += r1
                    exit
                .func round
                    r6 = r2
                    r7 = r1
                    {PICK}
                a:
                    r1 = *(u64 *)(r6 +0)
                    r1 += 1
                    *(u64 *)(r6 +0) = r1
                    r0 = 0
                    exit
                b:
                    r0 = 0
                    if r7 != 5 goto out
                    r0 = 1
                out:
                    exit
                .jumptable JT: a, b
                "
            ),
        )
        // The number of iterations, plus 100 for each even one.
        .runs(&[(0, 0), (1, 101), (4, 204), (5, 305), (6, 306), (100, 306)])
        .interp_refuses(NO_CALLBACKS)
        .into(),
        accepts(
            "gotox/around_callbacks",
            "what bpf_loop returns for its flags and for too many rounds",
            format!(
                "
                .prog main syscall
                    r6 = r1
                    r1 = *(u64 *)(r1 +8)
                    r2 = round ll
                    r3 = 0
                    r4 = *(u64 *)(r6 +16)
                    call bpf_loop
                    r6 = *(u64 *)(r6 +0)
                    r1 = r6
                    {PICK}
                a:
                    exit
                b:
                    r0 = -r0
                    exit
                .jumptable JT: a, b
                .func round
                    r0 = 0
                    exit
                "
            ),
        )
        .run(ctx_u64s(&[0, 3, 0]), 3)
        .run(ctx_u64s(&[1, 3, 1]), 22)
        .run(ctx_u64s(&[1, 8 * 1024 * 1024 + 1, 0]), 7)
        .interp_refuses(NO_CALLBACKS)
        .into(),
    ]
}

fn tail_calls() -> Vec<Case> {
    let source = |index: &str| {
        format!(
            "
            .prog first syscall
                r6 = *(u64 *)(r1 +0)
                r2 = map progs ll
                r3 = {index}
                call bpf_tail_call
                r1 = r6
                {PICK}
            a:
                r0 = 10
                exit
            b:
                r0 = 11
                exit
            .jumptable JT: a, b
            .prog second syscall
                r1 = *(u64 *)(r1 +0)
                r3 = JT2 ll
                r1 &= 1
                r1 <<= 3
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            c:
                r0 = 20
                exit
            d:
                r0 = 21
                exit
            .jumptable JT2: c, d
            .map progs prog_array key=4 value=4 entries=3: first, -, second
            "
        )
    };
    vec![
        accepts("gotox/behind_tail_call", "both programs have a table", source("2"))
            .runs(&[(0, 20), (1, 21)])
            .into(),
        accepts("gotox/failed_tail_call", "the entry is empty", source("1"))
            .runs(&[(0, 10), (1, 11)])
            .into(),
        accepts("gotox/tail_call_past_the_end", "there is no such entry", source("3"))
            .runs(&[(0, 10), (1, 11)])
            .into(),
        accepts(
            "gotox/tail_calls_of_itself",
            "33 tail calls, then the 34th fails; the count lies in the context",
            "
            .prog first syscall
                r6 = r1
                r2 = *(u64 *)(r6 +8)
                r2 += 1
                *(u64 *)(r6 +8) = r2
                r2 = map progs ll
                r3 = 0
                call bpf_tail_call
                r1 = *(u64 *)(r6 +0)
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = *(u64 *)(r6 +8)
                exit
            b:
                r0 = 7
                exit
            .jumptable JT: a, b
            .map progs prog_array key=4 value=4 entries=1: first
            ",
        )
        .run(ctx_u64s(&[0, 0]), 34)
        .run(ctx_u64s(&[1, 0]), 7)
        .into(),
        accepts(
            "gotox/stack_read_before_a_tail_call",
            "a tail call goes on elsewhere than the jump: what is read between them is alive",
            tail_call_behind_jump(
                "r0 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -16) = r0",
                "r0 = *(u64 *)(r10 -16)",
            ),
        )
        .runs(&[(0, 10), (1, 11)])
        .into(),
        accepts(
            "gotox/stack_read_behind_a_tail_call",
            "a pointer to the stack, made before the jump, is used behind the tail call",
            tail_call_behind_jump("", "r0 = *(u64 *)(r7 +0)"),
        )
        .runs(&[(0, 10), (1, 11)])
        .into(),
    ]
}

/// A jump, then a tail call that fails: what is done between them, and behind both.
fn tail_call_behind_jump(between: &str, behind: &str) -> String {
    format!(
        "
        .prog main syscall
            r6 = r1
            r1 = *(u64 *)(r1 +0)
            r2 = r1
            r2 += 10
            *(u64 *)(r10 -8) = r2
            r7 = r10
            r7 += -8
            {PICK}
        a:
            r8 = 0
            goto call
        b:
            r8 = 1
        call:
            {between}
            r1 = r6
            r2 = map progs ll
            r3 = 0
            call bpf_tail_call
            {behind}
            exit
        .jumptable JT: a, b
        .map progs prog_array key=4 value=4 entries=1
        "
    )
}

fn spin_locks() -> Vec<Case> {
    let source = |kind: &str, address: &str| {
        format!(
            "
            .prog main tc
                r7 = *(u32 *)(r1 +0)
                {address}
                r8 = r0
                r1 = r0
                r1 += 4
                call bpf_spin_lock
                r1 = r7
                {PICK}
            a:
                *(u64 *)(r8 +8) = 10
                goto out
            b:
                *(u64 *)(r8 +8) = 11
            out:
                r1 = r8
                r1 += 4
                call bpf_spin_unlock
                r0 = *(u64 *)(r8 +8)
                exit
            .jumptable JT: a, b
            .map guarded {kind} lock=4
            "
        )
    };
    vec![
        accepts(
            "gotox/under_spin_lock",
            "a jump while the lock in an array's value is held",
            source("array key=4 value=16 entries=1", "r0 = guarded ll"),
        )
        .run_packet(crate::builder::frame(64, 1), 10)
        .run_packet(crate::builder::frame(65, 1), 11)
        .into(),
        accepts(
            "gotox/under_spin_lock_of_element",
            "a jump while the lock in an element that was looked up is held",
            source(
                "array key=4 value=16 entries=1",
                "*(u32 *)(r10 -4) = 0\nr1 = map guarded ll\nr2 = r10\nr2 += -4\n\
                 call bpf_map_lookup_elem\nif r0 != 0 goto found\nexit\nfound:",
            ),
        )
        .run_packet(crate::builder::frame(64, 1), 10)
        .run_packet(crate::builder::frame(65, 1), 11)
        .into(),
    ]
}
