//! Other features combined with indirect calls: callbacks, tail calls, locks, maps read by user
//! space.

use crate::Case;
use crate::builder::{accepts, ctx_u64s, errno, frame, load_flag, map_flag};
use crate::callx::shape::{NO_CALLBACKS, NO_TAIL_CALLS, element, pick};

pub(super) fn cases() -> Vec<Case> {
    [callbacks(), tail_calls(), spin_locks(), user_space()].concat()
}

fn callbacks() -> Vec<Case> {
    vec![
        accepts(
            "callx/in_callback",
            "the function that bpf_loop calls calls one of two by the number of the round",
            "
                r1 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -8) = 0
                r2 = round ll
                r3 = r10
                r3 += -8
                r4 = 0
                call bpf_loop
                r0 = *(u64 *)(r10 -8)
                exit
            .func round
                r3 = r1
                r3 &= 1
                r3 <<= 3
                r4 = T ll
                r4 += r3
                r4 = *(u64 *)(r4 +0)
                r1 = r2
                callx r4
                r0 = 0
                exit
            .func even
                r2 = *(u64 *)(r1 +0)
                r2 += 1
                *(u64 *)(r1 +0) = r2
                exit
            .func odd
                r2 = *(u64 *)(r1 +0)
                r2 += 100
                *(u64 *)(r1 +0) = r2
                exit
            .data T .rodata: even, odd
            ",
        )
        .runs(&[(0, 0), (1, 1), (5, 203)])
        .interp_refuses(NO_CALLBACKS)
        .into(),
        accepts(
            "callx/function_in_context_of_callback",
            "the callback's context, on the program's stack, has the function that it calls",
            format!(
                "
                {}
                    *(u64 *)(r10 -8) = r7
                    *(u64 *)(r10 -16) = 0
                    r1 = 3
                    r2 = round ll
                    r3 = r10
                    r3 += -16
                    r4 = 0
                    call bpf_loop
                    r0 = *(u64 *)(r10 -16)
                    exit
                .func round
                    r6 = r2
                    r3 = *(u64 *)(r6 +8)
                    r1 = *(u64 *)(r6 +0)
                    callx r3
                    r0 &= 0xffff
                    *(u64 *)(r6 +0) = r0
                    r0 = 0
                    exit
                .func a
                    r0 = r1
                    r0 += 1
                    exit
                .func b
                    r0 = r1
                    r0 *= 2
                    r0 += 1
                    exit
                ",
                pick("r7")
            ),
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 3), (1, 7)])
        .interp_refuses(NO_CALLBACKS)
        .into(),
        accepts(
            "callx/callback_called_directly_too",
            "one function is a callback and is called through a register",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                r2 = round ll
                r3 = 0
                r4 = 0
                call bpf_loop
                r7 = r0
                r2 = round ll
                r1 = 5
                callx r2
                r0 += r7
                exit
            .func round
                r0 = 0
                if r1 != 5 goto out
                r0 = 1
            out:
                exit
            ",
        )
        .runs(&[(3, 4), (6, 7), (100, 7)])
        .interp_refuses(NO_CALLBACKS)
        .into(),
        accepts(
            "callx/callback_in_function_called_through_register",
            "a function that is called through a register loops with a callback",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = looper ll
                callx r2
                exit
            .func looper
                r2 = round ll
                r3 = 0
                r4 = 0
                call bpf_loop
                exit
            .func round
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 0), (7, 7)])
        .interp_refuses(NO_CALLBACKS)
        .into(),
    ]
}

fn tail_calls() -> Vec<Case> {
    let programs = "
        .prog second syscall
            r1 = *(u64 *)(r1 +0)
            r2 = b ll
            callx r2
            exit
        .func a
            r0 = r1
            r0 += 10
            exit
        .func b
            r0 = r1
            r0 += 20
            exit
        .map progs prog_array key=4 value=4 entries=3: first, -, second
    ";
    let source = |index: u32| {
        format!(
            "
            .prog first syscall
                r6 = r1
                r1 = *(u64 *)(r6 +0)
                r2 = a ll
                callx r2
                *(u64 *)(r6 +8) = r0
                r1 = r6
                r2 = map progs ll
                r3 = {index}
                call bpf_tail_call
                r1 = *(u64 *)(r6 +8)
                r2 = a ll
                callx r2
                exit
            {programs}
            "
        )
    };
    vec![
        accepts(
            "callx/tail_call_in_caller",
            "indirect calls before a tail call and in the program that it goes to",
            source(2),
        )
        .run_writing(ctx_u64s(&[3, 0]), 23, ctx_u64s(&[3, 13]))
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
        accepts(
            "callx/failed_tail_call_in_caller",
            "a tail call that fails, and an indirect call behind it",
            source(1),
        )
        .run_writing(ctx_u64s(&[3, 0]), 23, ctx_u64s(&[3, 13]))
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
        accepts(
            "callx/tail_calls_and_calls_counted",
            "33 tail calls of the program to itself, an indirect call in each: the calls leave the \
             counter of tail calls alone",
            "
            .prog first syscall
                r6 = r1
                r1 = *(u64 *)(r6 +0)
                r2 = one_more ll
                callx r2
                *(u64 *)(r6 +0) = r0
                r1 = r6
                r2 = map progs ll
                r3 = 0
                call bpf_tail_call
                r0 = *(u64 *)(r6 +0)
                exit
            .func one_more
                *(u64 *)(r10 -200) = r1
                r0 = *(u64 *)(r10 -200)
                r0 += 1
                exit
            .map progs prog_array key=4 value=4 entries=1: first
            ",
        )
        .run_writing(ctx_u64s(&[0]), 34, ctx_u64s(&[34]))
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
        accepts(
            "callx/tail_call_in_function_called_by_name",
            "a function called by name makes a tail call; beside it, others are called through \
             registers",
            "
            .prog first syscall
                r6 = r1
                r1 = *(u64 *)(r6 +0)
                r2 = a ll
                callx r2
                r1 = r6
                call away
                r1 = r0
                r2 = a ll
                callx r2
                exit
            .func away
                r2 = map progs ll
                r3 = 0
                call bpf_tail_call
                r0 = 0
                exit
            .prog second syscall
                r1 = *(u64 *)(r1 +0)
                r2 = a ll
                callx r2
                exit
            .func a
                r0 = r1
                r0 += 10
                exit
            .map progs prog_array key=4 value=4 entries=1: second
            ",
        )
        // The tail call ends the function that makes it, not its caller.
        .run(ctx_u64s(&[3]), 23)
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
    ]
}

fn spin_locks() -> Vec<Case> {
    vec![
        accepts(
            "callx/under_spin_lock",
            "static functions may be called while a lock is held, through a register too",
            "
            .prog main tc
                r6 = *(u32 *)(r1 +0)
                r6 &= 1
                r6 <<= 3
                r7 = guarded ll
                r1 = r7
                call bpf_spin_lock
                r2 = T ll
                r2 += r6
                r2 = *(u64 *)(r2 +0)
                r1 = r7
                callx r2
                r6 = r0
                r1 = r7
                call bpf_spin_unlock
                r0 = r6
                exit
            .func a
                *(u64 *)(r1 +8) = 10
                r0 = 1
                exit
            .func b
                *(u64 *)(r1 +8) = 20
                r0 = 2
                exit
            .data T .rodata: a, b
            .map guarded array key=4 value=16 entries=1 lock=0
            ",
        )
        .run_packet(frame(64, 1), 1)
        .run_packet(frame(65, 1), 2)
        .into(),
        accepts(
            "callx/callee_unlocks",
            "the callee gives the lock back that its caller took, and the other way round",
            "
            .prog main tc
                r6 = guarded ll
                r1 = r6
                r2 = lock ll
                callx r2
                *(u64 *)(r6 +8) = 5
                r1 = r6
                r2 = unlock ll
                callx r2
                r0 = *(u64 *)(r6 +8)
                exit
            .func lock
                call bpf_spin_lock
                r0 = 0
                exit
            .func unlock
                call bpf_spin_unlock
                r0 = 0
                exit
            .map guarded array key=4 value=16 entries=1 lock=0
            ",
        )
        .run_packet(frame(64, 1), 5)
        .into(),
    ]
}

/// The map with the pointers, accessed from user space.
fn user_space() -> Vec<Case> {
    vec![
        accepts(
            "callx/map_read_by_user_space",
            "after the program ran, look-ups, batches and mmap find the offsets that user space put \
             there, no address; it cannot change them",
            format!(
                "{}
                    r1 = r6
                    callx r2
                    exit
                .func a
                    r0 = 1
                    exit
                .func b
                    r0 = 2
                    exit
                .data T .rodata: a, b, 1000
                ",
                element("T", 1, 3)
            ),
        )
        .adjust(|plan| {
            plan.maps.iter_mut().for_each(|map| map.flags |= map_flag::MMAPABLE);
        })
        .runs(&[(0, 1), (1, 2)])
        .update_fails(".rodata", errno::EPERM)
        .reads_in_batch(".rodata")
        .reads_mapped(".rodata")
        .into(),
    ]
}
