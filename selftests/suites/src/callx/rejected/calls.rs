//! The rules of direct calls apply to indirect ones.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{cap, errno, rejects};
use crate::callx::shape::{NO_TAIL_CALLS, pick};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = both_sides();
    cases.extend(functions());
    cases.extend(surroundings());
    cases
}

/// Registers and stack across the call.
fn both_sides() -> Vec<Case> {
    let mut cases: Vec<Case> = (1..=5)
        .map(|register| {
            rejects(
                format!("callx/r{register}_gone_after_call"),
                "r1-r5 are gone after the call, although the callee does not touch them",
                format!(
                    "r0 = f ll\nr{register} = 1\ncallx r0\nr0 = r{register}\nexit\n\
                     .func f\nr0 = 0\nexit"
                ),
            )
            .errno(errno::EACCES)
            .log(format!("R{register} !read_ok"))
            .into()
        })
        .collect();
    cases.extend((6..=9).map(|register| {
        rejects(
            format!("callx/r{register}_unread_in_callee"),
            "the callee does not see its caller's r6-r9",
            format!("r{register} = 1\nr2 = f ll\ncallx r2\nexit\n.func f\nr0 = r{register}\nexit"),
        )
        .errno(errno::EACCES)
        .log(format!("R{register} !read_ok"))
        .into()
    }));
    cases.extend([
        rejects(
            "callx/result_missing",
            "the caller reads a result that the callee did not set",
            "r2 = f ll\nr0 = 1\ncallx r2\nexit\n.func f\nr1 = 0\nexit",
        )
        .errno(errno::EACCES)
        .log("R0 !read_ok")
        .into(),
        rejects(
            "callx/result_missing_on_second_path",
            "one of two callees sets no result",
            format!("{}callx r2\nexit\n.func a\nr0 = 1\nexit\n.func b\nr1 = 0\nexit", pick("r2")),
        )
        .errno(errno::EACCES)
        .log("R0 !read_ok")
        .into(),
        rejects(
            "callx/callee_returns_its_stack",
            "a pointer to the callee's stack",
            "r2 = f ll\ncallx r2\nr0 = 0\nexit\n.func f\nr0 = r10\nexit",
        )
        .log("cannot return stack pointer to the caller")
        .into(),
        rejects(
            "callx/callee_returns_callers_stack",
            "a pointer to the caller's stack, as for direct calls",
            "r1 = r10\nr2 = f ll\ncallx r2\nr0 = 0\nexit\n.func f\nr0 = r1\nexit",
        )
        .log("cannot return stack pointer to the caller")
        .into(),
        rejects(
            "callx/callee_stores_its_stack_in_callers",
            "a pointer to the callee's stack left on the caller's",
            "
                *(u64 *)(r10 -8) = 0
                r1 = r10
                r1 += -8
                r2 = f ll
                callx r2
                r1 = *(u64 *)(r10 -8)
                r0 = *(u64 *)(r1 -8)
                exit
            .func f
                *(u64 *)(r10 -8) = 7
                *(u64 *)(r1 +0) = r10
                r0 = 0
                exit
            ",
        )
        .log("cannot spill pointers to stack into stack frame of the caller")
        .into(),
        rejects(
            "callx/callee_writes_behind_callers_stack",
            "the pointer that the caller hands over has the caller's bounds",
            "
                r1 = r10
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                *(u64 *)(r1 +0) = 7
                r0 = 0
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("invalid write to stack R1 off=0 size=8")
        .into(),
        rejects(
            "callx/callee_reads_unwritten_stack",
            "what the caller's path left unwritten is unwritten in the callee; the callee uses it as \
             a pointer",
            "
                r1 = r10
                r1 += -8
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                r2 = *(u64 *)(r1 +0)
                r0 = *(u64 *)(r2 +0)
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("R2 invalid mem access 'scalar'")
        .into(),
        rejects(
            "callx/result_may_be_null",
            "a value that is not checked for null is used",
            "
                r2 = find ll
                callx r2
                r0 = *(u64 *)(r0 +0)
                exit
            .func find
                *(u32 *)(r10 -4) = 0
                r1 = map M ll
                r2 = r10
                r2 += -4
                call bpf_map_lookup_elem
                exit
            .map M hash key=4 value=8 entries=1
            ",
        )
        .errno(errno::EACCES)
        .log("R0 invalid mem access 'map_value_or_null'")
        .into(),
        rejects(
            "callx/result_is_an_address",
            "what the callee returns is checked when the program returns it: without CAP_PERFMON no \
             address",
            "
            .prog main socket
                r2 = f ll
                callx r2
                exit
            .func f
                r0 = r1
                exit
            ",
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .errno(errno::EACCES)
        .log("R0 leaks addr as return value")
        .into(),
    ]);
    cases
}

/// Functions that cannot be called indirectly.
fn functions() -> Vec<Case> {
    vec![
        rejects(
            "callx/global_function",
            "a global function is verified for arguments of any value, at its name only",
            "r1 = 1\nr2 = g ll\ncallx r2\nexit\n.global g\nr0 = 0\nexit",
        )
        .log("callback function not static")
        .into(),
        rejects(
            "callx/endless_loop_of_calls",
            "a loop that never ends is none because a call is in it",
            "r6 = f ll\nagain:\ncallx r6\ngoto again\n.func f\nr0 = 1\nexit",
        )
        .log("infinite loop detected")
        .into(),
        rejects(
            "callx/unreachable_behind_call",
            "the call comes back: the program must end behind it",
            "r2 = f ll\ncallx r2\n.func f\nr0 = 1\nexit",
        )
        .log("last insn is not an exit or jmp")
        .into(),
        rejects(
            "callx/middle_of_function",
            "ld_imm64 names an instruction inside a function, which makes it one of its own: the \
             one in front then lacks its end",
            "
                r2 = f ll
                callx r2
                r2 = func 1 ll
                callx r2
                exit
            .func f
                r0 = 1
                r0 = 2
                exit
            ",
        )
        .log("last insn is not an exit or jmp")
        .into(),
        rejects(
            "callx/function_outside_program",
            "ld_imm64 names an instruction behind the program",
            "r2 = func 100 ll\ncallx r2\nexit\n.func f\nr0 = 1\nexit",
        )
        .log("invalid")
        .into(),
    ]
}

/// Callbacks, tail calls and locks.
fn surroundings() -> Vec<Case> {
    let tail_call = "
        r2 = map progs ll
        r3 = 0
        call bpf_tail_call
        r0 = 0
        exit
    .map progs prog_array key=4 value=4 entries=1
    ";
    let locked = |behind: &str, functions: &str| {
        format!(
            "
            .prog main tc
                r6 = guarded ll
                r1 = r6
                call bpf_spin_lock
                r1 = r6
                {behind}
                r1 = r6
                call bpf_spin_unlock
                r0 = 0
                exit
            {functions}
            .map guarded array key=4 value=16 entries=1 lock=0
            "
        )
    };
    vec![
        rejects(
            "callx/tail_call_in_callee",
            "the JIT hands no counter of tail calls on to what a register points to",
            format!("r2 = f ll\ncallx r2\nexit\n.func f\n{tail_call}"),
        )
        .log("tail_calls are not allowed in functions called via callx")
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
        rejects(
            "callx/tail_call_below_callee",
            "the function that makes the tail call is called by name, by one that is not",
            format!("r2 = f ll\ncallx r2\nexit\n.func f\ncall g\nexit\n.func g\n{tail_call}"),
        )
        .log("tail_calls are not allowed in functions called via callx")
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
        rejects(
            "callx/tail_call_in_second_callee",
            "one of two callees makes a tail call",
            format!(
                "{}r1 = 0\ncallx r2\nexit\n.func a\nr0 = 0\nexit\n.func b\n{}",
                pick("r2").replace("r6 = *", "r7 = r1\nr6 = *"),
                tail_call
            )
            .replace("r1 = 0\ncallx", "r1 = r7\ncallx"),
        )
        .log("tail_calls are not allowed in functions called via callx")
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
        rejects(
            "callx/exit_with_lock_taken_by_callee",
            "the callee takes a lock that nobody gives back",
            "
            .prog main tc
                r1 = guarded ll
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                call bpf_spin_lock
                r0 = 0
                exit
            .map guarded array key=4 value=16 entries=1 lock=0
            ",
        )
        .log("BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region")
        .into(),
        rejects(
            "callx/lock_given_back_on_one_path",
            "one of two callees gives the lock back",
            locked(
                "
                r0 = *(u64 *)(r6 +8)
                r2 = a ll
                if r0 == 0 goto go
                r2 = b ll
            go:
                callx r2
                ",
                ".func a\ncall bpf_spin_unlock\nr0 = 0\nexit\n.func b\nr0 = 0\nexit",
            ),
        )
        .log("bpf_spin_unlock without taking a lock")
        .into(),
        rejects(
            "callx/global_call_under_lock",
            "the callee calls a global function while the lock is held",
            locked("r2 = f ll\ncallx r2", ".func f\nr1 = 0\ncall g\nexit\n.global g\nr0 = 0\nexit"),
        )
        .log("global function calls are not allowed while holding a lock")
        .into(),
        rejects(
            "callx/callback_without_func_info",
            "callx needs no func_info, callbacks still do",
            "
                r1 = 1
                r2 = round ll
                r3 = 0
                r4 = 0
                call bpf_loop
                r1 = 0
                r2 = round ll
                callx r2
                exit
            .func round
                r0 = 0
                exit
            ",
        )
        .btf(BtfUse::Never)
        .log("missing btf func_info")
        .into(),
        rejects(
            "callx/recursion_of_callback",
            "a callback calls, through a register, the function that has it called",
            "
                r1 = 1
                r2 = round ll
                r3 = 0
                r4 = 0
                call bpf_loop
                r0 = 0
                exit
            .func round
                r6 = again ll
                callx r6
                r0 = 0
                exit
            .func again
                r1 = 1
                r2 = round ll
                r3 = 0
                r4 = 0
                call bpf_loop
                r0 = 0
                exit
            ",
        )
        .errno(errno::E2BIG)
        .log("the call stack of 17 frames is too deep")
        .into(),
        rejects(
            "callx/packet_load_below_callback",
            "a callback calls, through a register, a function that may end with a packet load",
            "
            .prog main socket
                *(u64 *)(r10 -8) = r1
                r1 = 1
                r2 = round ll
                r3 = r10
                r3 += -8
                r4 = 0
                call bpf_loop
                r0 = 0
                exit
            .func round
                r1 = *(u64 *)(r2 +0)
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                r6 = r1
                r0 = *(u8 *)skb[0]
                exit
            ",
        )
        .btf(BtfUse::Always)
        .log("within callback")
        .into(),
    ]
}
