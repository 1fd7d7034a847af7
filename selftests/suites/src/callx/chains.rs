//! Stack and recursion on the call chains that the verifier explores: functions around `bpf_loop`,
//! which are on a chain twice, and private stacks, which tracing programs have.

use std::fmt::Write as _;

use crate::Case;
use crate::builder::{accepts, errno};

const CHAINS: &str = "bpf: Check the stack on the calls that were verified";
const PRIVATE: &str = "bpf: Do not count on private stacks in the interpreter";
const NO_CALLBACKS: &str = "callbacks are not allowed in non-JITed programs";

/// What must work on call chains, and what mainline gets wrong there.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = nested_loops();
    cases.extend(private_stacks());
    cases
}

fn nested_loops() -> Vec<Case> {
    vec![
        accepts(
            "callx/nested_loops_over_functions",
            "a loop over a function that is given, in such a loop: a callback may call what is running",
            NESTED_EACH,
        )
        .runs(&[(0, 6)])
        .interp_refuses(NO_CALLBACKS)
        .into(),
        accepts("callx/nested_loops_over_callbacks", "the same with callbacks", NESTED_CALLBACKS)
            .runs(&[(0, 6)])
            .interp_refuses(NO_CALLBACKS)
            .into(),
    ]
}

fn private_stacks() -> Vec<Case> {
    vec![
        // Mainline gives `wrapper` a single private stack: the inner call overwrites the 7 with 9.
        accepts(
            "callx/private_stack_of_wrapper",
            "a function around bpf_loop is on the chain twice: its frames must not be the same",
            WRAPPER,
        )
        .runs(&[(0, 7)])
        .interp_refuses(NO_CALLBACKS)
        .fixed_by(CHAINS)
        .into(),
        accepts(
            "callx/private_stack_over_callx",
            "the private stack's register survives an indirect call",
            OVER_CALLX,
        )
        .runs(&[(5, 12)])
        .interp_refuses_with(errno::EACCES, "combined stack size of 2 calls is 832. Too large")
        .into(),
        accepts(
            "callx/private_stacks_without_the_jit",
            "the interpreter has no private stacks: a chain of 400 bytes a call is too much",
            globals(12),
        )
        .runs(&[(0, 0)])
        .interp_refuses_with(errno::EACCES, "combined stack size of 2 calls is 832. Too large")
        .fixed_by(PRIVATE)
        .into(),
        accepts(
            "callx/private_stacks_when_blinding_fails",
            "the JIT gives up after the stacks were made private",
            unblindable(12),
        )
        .runs(&[(0, 0)])
        .interp_refuses_with(errno::EACCES, "combined stack size of 2 calls is 832. Too large")
        .blinding_refused(errno::EACCES)
        .fixed_by(PRIVATE)
        .into(),
    ]
}

const OVER_CALLX: &str = "
    .prog main raw_tp
        r6 = *(u64 *)(r1 +0)
        *(u64 *)(r10 -400) = r6
        r2 = add ll
        r1 = 7
        callx r2
        r1 = *(u64 *)(r10 -400)
        r0 += r1
        exit
    .func add
        *(u64 *)(r10 -400) = r1
        r0 = *(u64 *)(r10 -400)
        exit
";

const WRAPPER: &str = "
    .prog main raw_tp
        r1 = outer ll
        r2 = 7
        call wrapper
        exit
    .func wrapper
        *(u64 *)(r10 -96) = r2
        r2 = r1
        r1 = 1
        r3 = 0
        r4 = 0
        call bpf_loop
        r0 = *(u64 *)(r10 -96)
        exit
    .func outer
        r1 = inner ll
        r2 = 9
        call wrapper
        r0 = 0
        exit
    .func inner
        r0 = 0
        exit
";

const NESTED_EACH: &str = "
        *(u64 *)(r10 -8) = 0
        r1 = row ll
        r2 = 2
        r3 = r10
        r3 += -8
        call each
        r0 = *(u64 *)(r10 -8)
        exit
    .func each
        *(u64 *)(r10 -16) = r1
        *(u64 *)(r10 -8) = r3
        r1 = r2
        r2 = step ll
        r3 = r10
        r3 += -16
        r4 = 0
        call bpf_loop
        r0 = 0
        exit
    .func step
        r3 = *(u64 *)(r2 +0)
        r1 = *(u64 *)(r2 +8)
        callx r3
        r0 = 0
        exit
    .func row
        r3 = r1
        r1 = cell ll
        r2 = 3
        call each
        exit
    .func cell
        r2 = *(u64 *)(r1 +0)
        r2 += 1
        *(u64 *)(r1 +0) = r2
        r0 = 0
        exit
";

const NESTED_CALLBACKS: &str = "
        *(u64 *)(r10 -8) = 0
        r1 = row ll
        r2 = 2
        r3 = r10
        r3 += -8
        call each
        r0 = *(u64 *)(r10 -8)
        exit
    .func each
        r4 = r2
        r2 = r1
        r1 = r4
        r4 = 0
        call bpf_loop
        r0 = 0
        exit
    .func row
        r3 = r2
        r1 = cell ll
        r2 = 3
        call each
        r0 = 0
        exit
    .func cell
        r3 = *(u64 *)(r2 +0)
        r3 += 1
        *(u64 *)(r2 +0) = r3
        r0 = 0
        exit
";

/// A raw tracepoint program with a chain of `count` global functions.
fn globals(count: u32) -> String {
    let mut text = String::from(".prog main raw_tp\n");
    text.push_str(&global("g1", "r0 = *(u64 *)(r10 -400)"));
    chain(&mut text, count);
    text
}

/// The same, with a jump so long that there is no room to blind constants.
fn unblindable(count: u32) -> String {
    let mut text = String::from(".prog main raw_tp\nr6 = r1\n");
    text.push_str(&global("g1", "r4 = *(u64 *)(r6 +0)\nif r4 == 9 goto far\nr0 = 0\nr2 = 0"));
    text.truncate(text.len() - "exit\n".len());
    text.push_str(&"r2 += 0x1234567\n".repeat(16_000));
    text.push_str(&"r2 += r2\n".repeat(16_000));
    text.push_str("exit\nfar:\nr0 = 4\nexit\n");
    chain(&mut text, count);
    text
}

fn chain(text: &mut String, count: u32) {
    for level in 1..count {
        let body = global(&format!("g{}", level + 1), "r0 = *(u64 *)(r10 -400)");
        let _ = write!(text, ".global g{level}\n{body}");
    }
    let _ = writeln!(text, ".global g{count}\nr0 = 0\nexit");
}

/// A function with 400 bytes of stack that calls another and ends with `last`.
fn global(callee: &str, last: &str) -> String {
    format!("r1 = 0\n*(u64 *)(r10 -400) = 0\ncall {callee}\n{last}\nexit\n")
}
