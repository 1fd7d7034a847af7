//! Attempts to run over the end of the kernel's stack with a program that is accepted.

use std::fmt::Write as _;

use bpf_object::BtfUse;

use super::deep::KERNEL_STACK;
use crate::builder::{accepts, cap, errno, rejects};
use crate::{Case, Feature};

const NO_TAIL_CALLS: &str = "mixing of tail_calls and bpf-to-bpf calls is not supported";

/// Leaves the frame pointer of the first frame in a map.
const FIRST: &str =
    "r1 = r10\nw1 -= 0\nr2 = use ll\n*(u64 *)(r2 +0) = r1\nr6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\n";
/// Leaves there what the stack has between that and the last frame.
const LAST: &str =
    "r1 = r10\nw1 -= 0\nr2 = use ll\nr3 = *(u64 *)(r2 +0)\nw3 -= w1\n*(u64 *)(r2 +8) = r3\n";
const USE: &str = ".map use array key=4 value=24 entries=1\n";

/// Returns 1 if that is less than so many bytes.
fn less_than(bytes: u32) -> String {
    format!("r1 = use ll\nr0 = *(u64 *)(r1 +8)\nr0 -= {bytes}\nr0 >>= 63\nexit\n")
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = callbacks();
    cases.extend(calls());
    cases.extend(tail_calls());
    cases
}

/// So many callbacks in each other. `call` makes the call of callback `n`, `before_end` comes
/// before the end of the first frame.
fn nested(count: usize, call: fn(usize) -> String, before_end: &str) -> String {
    let mut text = format!("{FIRST}{}{before_end}{}", call(1), less_than(KERNEL_STACK));
    for number in 1..=count {
        let inner = if number < count { call(number + 1) } else { LAST.to_owned() };
        let _ =
            writeln!(text, ".func cb{number}\nr6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\n{inner}r0 = 0\nexit");
    }
    text + USE
}

/// Callbacks of `bpf_for_each_map_elem`, whose helper has two C frames.
fn elements(count: usize) -> String {
    let call = |number| {
        format!("r1 = map one ll\nr2 = cb{number} ll\nr3 = 0\nr4 = 0\ncall bpf_for_each_map_elem\n")
    };
    nested(count, call, "") + ".map one array key=4 value=8 entries=1\n"
}

/// Callbacks of `bpf_loop` that come out of a table.
fn from_table(count: usize) -> String {
    let call = |number| {
        format!(
            "r1 = 1\nr2 = T ll\nr2 = *(u64 *)(r2 +{})\nr3 = 0\nr4 = 0\ncall bpf_loop\n",
            8 * (number - 1)
        )
    };
    let text = nested(count, call, "r2 = none ll\ncallx r2\n");
    let table: Vec<String> = (1..=count).map(|number| format!("cb{number}")).collect();
    format!("{text}.func none\nr0 = 0\nexit\n.data T .rodata: {}\n", table.join(", "))
}

fn callbacks() -> Vec<Case> {
    let too_large = "14 calls take 4288 bytes of the kernel's stack. Too large";
    vec![
        rejects(
            "stack/elements_in_each_other",
            "13 callbacks of bpf_for_each_map_elem in each other",
            elements(13),
        )
        .errno(errno::EACCES)
        .log(too_large)
        .interp_refuses_with(errno::EACCES, "Too large")
        .fixed_by("bpf: Charge frames for what they take of the kernel's stack")
        .into(),
        accepts(
            "stack/callbacks_from_a_table",
            "12 callbacks that are found by their pointers in data",
            from_table(12),
        )
        .needs(Feature::Callx)
        .runs(&[(0, 1)])
        .interp_refuses_with(errno::EACCES, "Too large")
        .into(),
        rejects("stack/callbacks_from_a_table_past_the_limit", "13 of them", from_table(13))
            .needs(Feature::Callx)
            .errno(errno::EACCES)
            .log(too_large)
            .interp_refuses_with(errno::EACCES, "Too large")
            .into(),
    ]
}

/// 16 frames with 32 bytes of BPF stack and `may_goto`, which adds to it once it was summed up.
fn counted_rounds() -> String {
    let mut text = FIRST.to_owned();
    for number in 1..16 {
        let end = if number == 1 { less_than(KERNEL_STACK) } else { "r0 = 0\nexit\n".to_owned() };
        let _ = writeln!(
            text,
            "r2 = f{number} ll\ncallx r2\n{end}.func f{number}\n*(u64 *)(r10 -32) = 1\n\
             r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\nagain:\nmay_goto on\nif r6 == 77 goto again\non:"
        );
    }
    format!("{text}\n{LAST}r0 = 0\nexit\n{USE}")
}

fn calls() -> Vec<Case> {
    vec![
        accepts(
            "stack/may_goto_in_every_frame",
            "16 frames get more BPF stack once it was summed up, in the interpreter 32 bytes each",
            counted_rounds(),
        )
        .needs(Feature::Callx)
        .runs(&[(0, 1)])
        .into(),
        rejects(
            "stack/cycle_of_global_and_indirect_call",
            "a global function comes to itself by way of an indirect call",
            "
                r1 = 0
                call g
                r0 = 0
                exit
            .global g
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                r1 = 0
                call g
                r0 = 0
                exit
            ",
        )
        .needs(Feature::Callx)
        .log("recursive call from f() to g()")
        .into(),
        rejects(
            "stack/callee_by_way_of_the_stack",
            "the function with too much stack is called on one of two paths that meet before, by a \
             pointer on the caller's stack",
            "
                r6 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -64) = 1
                r2 = small ll
                if r6 == 0 goto go
                r2 = big ll
            go:
                *(u64 *)(r10 -8) = r2
                r1 = r10
                r1 += -8
                call run
                r0 = 0
                exit
            .func run
                r2 = *(u64 *)(r1 +0)
                callx r2
                exit
            .func small
                r0 = 0
                exit
            .func big
                *(u64 *)(r10 -464) = 1
                r0 = 0
                exit
            ",
        )
        .needs(Feature::Callx)
        .errno(errno::EACCES)
        .log("combined stack size of 3 calls is 5")
        .into(),
        accepts(
            "stack/call_in_speculation",
            "a call that only takes place in speculation does not count",
            "
            .prog main socket
                r6 = *(u32 *)(r1 +0)
                *(u64 *)(r10 -400) = 1
                r6 &= 1
                r0 = 7
                if r6 <= 1 goto out
                r2 = big ll
                callx r2
            out:
                exit
            .func big
                *(u64 *)(r10 -400) = 1
                r0 = 0
                exit
            ",
        )
        .needs(Feature::Callx)
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .run_packet(vec![0; 64], 7)
        .into(),
    ]
}

fn tail_calls() -> Vec<Case> {
    vec![
        rejects(
            "stack/tail_call_behind_global_and_indirect_call",
            "a tail call in a global function that a function calls that is called indirectly",
            "
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                call away
                exit
            .func away
                r2 = map progs ll
                r3 = 0
                call bpf_tail_call
                r0 = 0
                exit
            .map progs prog_array key=4 value=4 entries=1
            ",
        )
        .needs(Feature::Callx)
        .btf(BtfUse::Always)
        .log("tail_calls are not allowed in functions called via callx")
        .interp_refuses(NO_TAIL_CALLS)
        .into(),
    ]
}
