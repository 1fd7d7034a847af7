//! Programs at the limits of the kernel stack, and one step past them.

use std::fmt::Write as _;

use bpf_object::BtfUse;

use super::deep::{Call, Deep, Frame};
use crate::builder::{Accepted, Rejected, accepts, errno, rejects};
use crate::{Case, Feature};

const CHARGE: &str = "bpf: Charge frames for what they take of the kernel's stack";
const CALLS: &str = "bpf: Check the stack on the calls that were verified";
const NO_CALLBACKS: &str = "callbacks are not allowed in non-JITed programs";
const NO_TAIL_CALLS: &str = "mixing of tail_calls and bpf-to-bpf calls is not supported";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = frames();
    cases.extend(callbacks());
    cases.extend(cycles());
    cases.extend(tail_calls());
    cases
}

/// `count` frames with `stack` bytes of BPF stack, at most 48 in the first and the last one.
fn chain(private: bool, count: usize, call: Call, stack: u32) -> Deep {
    let first = Frame { call, stack: stack.min(48), saves: true };
    let mut frames = vec![first; count];
    if let [_, inner @ .., _] = frames.as_mut_slice() {
        inner.fill(Frame { stack, ..first });
    }
    Deep::new(private, frames)
}

fn too_deep(name: &str, about: &str, deep: &Deep) -> Rejected {
    rejects(name, about, deep.source("r0 = 0")).errno(errno::EACCES).fixed_by(CHARGE)
}

fn frames() -> Vec<Case> {
    vec![
        chain(false, 32, Call::Global, 0)
            .accepted("stack/frames_at_the_limit", "32 frames without BPF stack are 4096 bytes")
            .into(),
        too_deep(
            "stack/frames_past_the_limit",
            "33 frames without BPF stack",
            &chain(false, 33, Call::Global, 0),
        )
        .log("33 calls take 4224 bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "combined stack size of 17 calls is 544. Too large")
        .into(),
        chain(false, 16, Call::Static, 32)
            .accepted("stack/all_static_frames", "16 frames with 512 bytes of BPF stack")
            .into(),
        rejects(
            "stack/last_of_all_static_frames",
            "the last of 16 frames has a step too much of BPF stack",
            all_static_frames(48),
        )
        .errno(errno::EACCES)
        .log("combined stack size of 16 calls is 5")
        .into(),
        chain(false, 16, Call::Global, 0)
            .accepted(
                "stack/frames_of_the_interpreter",
                "16 frames, as many as the interpreter has",
            )
            .into(),
        chain(true, 30, Call::Global, 400)
            .accepted("stack/private_frames", "30 frames with 400 bytes that are private")
            .into(),
        too_deep(
            "stack/private_frames_past_the_limit",
            "a frame is charged though its BPF stack is private",
            &chain(true, 33, Call::Global, 400),
        )
        .log("bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "combined stack size of")
        .into(),
    ]
}

/// 16 frames with 32 bytes each, except for the last one.
fn all_static_frames(last: u32) -> String {
    let mut text = String::new();
    for frame in 1..16 {
        let _ = writeln!(text, "*(u64 *)(r10 -32) = 1\ncall f{frame}\nexit\n.func f{frame}");
    }
    text + &format!("*(u64 *)(r10 -{last}) = 1\nr0 = 0\nexit\n")
}

/// `count` global functions, each of which has bpf_loop call a function that calls the next one.
fn loops_and_globals(count: usize) -> Deep {
    let frame = |call| Frame { call, stack: 0, saves: true };
    let mut frames = vec![frame(Call::Static)];
    for _ in 0..count {
        frames.extend([frame(Call::Global), frame(Call::Loop)]);
    }
    Deep::new(false, frames)
}

/// `count` numbered global functions with `stack` bytes, each of which runs seven nested callbacks,
/// the innermost of which calls the global function with the next number.
fn shared_callbacks(section: &str, count: usize, stack: u32) -> String {
    let around = |callback: &str| format!("r1 = 1\nr2 = {callback} ll\nr4 = 0\ncall bpf_loop\n");
    let mut text = format!(".prog main {section}\nr1 = 0\ncall g0\nr0 = 1\nexit\n");
    for level in 0..count {
        let loops = around("cb0");
        let _ = writeln!(
            text,
            ".global g{level}\n*(u64 *)(r10 -{stack}) = {level}\nr3 = r10\nr3 += -{stack}\n{loops}\
             r0 = 0\nexit"
        );
    }
    for number in 0..6 {
        let loops = around(&format!("cb{}", number + 1));
        let _ = writeln!(text, ".func cb{number}\nr3 = r2\n{loops}r0 = 0\nexit");
    }
    text.push_str(".func cb6\nr6 = *(u64 *)(r2 +0)\n");
    for level in 1..count {
        let _ = writeln!(
            text,
            "if r6 != {} goto not{level}\nr1 = 0\nr2 = 0\ncall g{level}\nnot{level}:",
            level - 1
        );
    }
    text + "r0 = 0\nexit\n"
}

fn looping(name: &str, about: &str, source: String) -> Accepted {
    accepts(name, about, source).runs(&[(0, 1)]).interp_refuses(NO_CALLBACKS)
}

fn callbacks() -> Vec<Case> {
    vec![
        chain(false, 13, Call::Loop, 0)
            .accepted("stack/loops_at_the_limit", "12 loops in each other are 3968 bytes")
            .into(),
        too_deep(
            "stack/loops_past_the_limit",
            "13 loops in each other",
            &chain(false, 14, Call::Loop, 0),
        )
        .log("14 calls take 4288 bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "Too large")
        .into(),
        loops_and_globals(8)
            .accepted("stack/loops_and_globals", "8 loops around global functions")
            .interp_refuses_with(errno::EACCES, "combined stack size of")
            .into(),
        too_deep(
            "stack/loops_and_globals_past_the_limit",
            "9 loops around global functions",
            &loops_and_globals(9),
        )
        .log("19 calls take 4160 bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "combined stack size of")
        .into(),
        too_deep(
            "stack/loops_and_globals_over_the_guard_page",
            "127 of them, each function called once: mainline runs over the end of the stack",
            &loops_and_globals(127),
        )
        .log("bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "combined stack size of")
        .into(),
        looping(
            "stack/shared_callbacks_once",
            "seven callbacks in each other, for one global function",
            shared_callbacks("syscall", 1, 8),
        )
        .into(),
        rejects(
            "stack/shared_callbacks_twice",
            "the same callbacks for two global functions: mainline accepts it",
            shared_callbacks("socket", 2, 8),
        )
        .errno(errno::EACCES)
        .log("bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "Too large")
        .fixed_by(CALLS)
        .into(),
        rejects(
            "stack/shared_callbacks",
            "the same for 31: the base goes along 7^31 chains",
            shared_callbacks("socket", 31, 8),
        )
        .errno(errno::EACCES)
        .log("bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "Too large")
        .fixed_by(CALLS)
        .into(),
        rejects(
            "stack/shared_callbacks_private",
            "60 levels, with private stacks",
            shared_callbacks("raw_tp", 60, 64),
        )
        .errno(errno::EACCES)
        .log("bytes of the kernel's stack. Too large")
        .interp_refuses_with(errno::EACCES, "Too large")
        .fixed_by(CALLS)
        .into(),
    ]
}

/// A function that calls itself `times` times, with this many bytes of stack.
fn recursion(times: u32, stack: u32) -> String {
    format!(
        "
            r1 = {times}
            r2 = f ll
            callx r2
            exit
        .func f
            *(u64 *)(r10 -{stack}) = 1
            r0 = 0
            if r1 == 0 goto out
            r1 += -1
            r2 = f ll
            callx r2
            r0 += 1
        out:
            exit
        "
    )
}

fn cycles() -> Vec<Case> {
    vec![
        rejects(
            "stack/cycle_of_global_and_callback",
            "a global function comes to itself by way of a callback",
            "
                r1 = 0
                call g
                r0 = 0
                exit
            .global g
                r1 = 1
                r2 = cb ll
                r3 = 0
                r4 = 0
                call bpf_loop
                r0 = 0
                exit
            .func cb
                r1 = 0
                call g
                r0 = 0
                exit
            ",
        )
        .log("recursive call from cb() to g()")
        .into(),
        accepts(
            "stack/private_stack_twice_over_a_global",
            "a function is on the stack again behind a global function that it calls",
            "
            .prog main raw_tp
                r1 = 7
                call f
                exit
            .func f
                *(u64 *)(r10 -96) = r1
                if r1 == 0 goto out
                r1 = 0
                call g
            out:
                r0 = *(u64 *)(r10 -96)
                exit
            .global g
                r2 = f ll
                r1 = 0
                callx r2
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 7)])
        .needs(Feature::Callx)
        .into(),
        accepts(
            "stack/recursion_at_the_limit",
            "a function calls itself through a register: 15 frames of it with 32 bytes each",
            recursion(14, 32),
        )
        .runs(&[(0, 14)])
        .needs(Feature::Callx)
        .into(),
        rejects("stack/recursion_past_the_frames", "the same with a frame more", recursion(15, 32))
            .errno(errno::E2BIG)
            .log("the call stack of 17 frames is too deep")
            .needs(Feature::Callx)
            .into(),
        accepts(
            "stack/recursion_counted_as_followed",
            "a cycle counts as often as it was gone through: 5 frames of it with 96 bytes each",
            recursion(4, 96),
        )
        .runs(&[(0, 4)])
        .needs(Feature::Callx)
        .into(),
        rejects("stack/recursion_past_the_stack", "6 frames of it", recursion(5, 96))
            .errno(errno::EACCES)
            .log("combined stack size of")
            .needs(Feature::Callx)
            .into(),
    ]
}

/// A tail call after this many frames, including the program's own.
fn tail_call(frames: u32) -> String {
    let mut text = String::new();
    for frame in 1..frames {
        let _ = writeln!(text, "call f{frame}\nexit\n.func f{frame}");
    }
    text + "r2 = map progs ll\nr3 = 0\ncall bpf_tail_call\nr0 = 7\nexit\n\
            .map progs prog_array key=4 value=4 entries=1\n"
}

fn tail_calls() -> Vec<Case> {
    vec![
        accepts(
            "stack/tail_call_of_a_deeper_program",
            "the interpreter runs whoever is called in the frame of the caller",
            "
            .prog main syscall
                r2 = map progs ll
                r3 = 0
                call bpf_tail_call
                r0 = 0
                exit
            .prog deeper syscall
                r1 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -512) = r1
                *(u64 *)(r10 -256) = r1
                *(u64 *)(r10 -64) = r1
                *(u64 *)(r10 -56) = r1
                *(u64 *)(r10 -48) = r1
                *(u64 *)(r10 -40) = r1
                r0 = *(u64 *)(r10 -512)
                exit
            .map progs prog_array key=4 value=4 entries=1: deeper
            ",
        )
        .runs(&[(7, 7), (0x1234, 0x1234)])
        .fixed_by("bpf: Run tail calls in the interpreter in a frame of the largest size")
        .into(),
        accepts(
            "stack/tail_call_behind_frames",
            "three frames without BPF stack are left behind by a tail call",
            tail_call(4),
        )
        .btf(BtfUse::Always)
        .runs(&[(0, 7)])
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
        rejects(
            "stack/tail_call_behind_frames_past_the_limit",
            "four frames, 33 times",
            tail_call(5),
        )
        .btf(BtfUse::Always)
        .errno(errno::EACCES)
        .log("tail_calls are not allowed when previous frames take 512 bytes")
        .interp_refuses(NO_TAIL_CALLS)
        .fixed_by(CHARGE)
        .into(),
    ]
}
