//! Arguments after the fifth, which are passed through r11. They need the JIT.

use std::fmt::Write as _;

use crate::Case;
use crate::builder::{Accepted, accepts, errno, rejects};

const UNPASSED: &str = "bpf: Do not read stack arguments that nobody has passed";

/// The log of the interpreter.
const NEEDS_JIT: &str = "stack args are not supported in non-JITed programs";

/// Sets arguments 1 to `count`, each to its own number.
fn arguments(count: usize) -> String {
    let mut text = String::new();
    for number in 1..=count {
        let _ = match number {
            1..=5 => writeln!(text, "r{number} = {number}"),
            _ => writeln!(text, "*(u64 *)(r11 -{}) = {number}", (number - 5) * 8),
        };
    }
    text
}

/// A function that returns the sum of `count` arguments.
fn sum(name: &str, count: usize) -> String {
    let mut text = format!(".func {name}\nr0 = 0\n");
    for number in 1..=count {
        let _ = match number {
            1..=5 => writeln!(text, "r0 += r{number}"),
            _ => writeln!(text, "r1 = *(u64 *)(r11 +{})\nr0 += r1", (number - 5) * 8),
        };
    }
    text + "exit\n"
}

fn needs_jit(name: &str, about: &str, source: String) -> Accepted {
    accepts(name, about, source).interp_refuses(NEEDS_JIT)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = accepted();
    cases.extend(rejected());
    cases
}

fn accepted() -> Vec<Case> {
    let first = |count: usize| {
        let (pass, sum) = (arguments(count), sum("f", count));
        format!("r6 = f ll\n{pass}callx r6\nexit\n{sum}")
    };
    vec![
        needs_jit("callx/six_arguments", "the sixth is passed over r11", first(6))
            .runs(&[(0, 21)])
            .into(),
        needs_jit("callx/twelve_arguments", "as many as there may be", first(12))
            .runs(&[(0, 78)])
            .into(),
        needs_jit(
            "callx/callees_with_different_numbers_of_arguments",
            "the caller reserves what the one with the most wants; the others read less of it",
            format!(
                "
                r7 = *(u64 *)(r1 +0)
                r7 &= 3
                r7 <<= 3
                r6 = T ll
                r6 += r7
                r6 = *(u64 *)(r6 +0)
                {}
                callx r6
                exit
                {}{}{}{}
                .data T .rodata: five, six, nine, twelve
                ",
                arguments(12),
                sum("five", 5),
                sum("six", 6),
                sum("nine", 9),
                sum("twelve", 12),
            ),
        )
        .runs(&[(0, 15), (1, 21), (2, 45), (3, 78)])
        .into(),
        needs_jit(
            "callx/stack_argument_through_two_calls",
            "a function with a sixth argument passes seven on to another one",
            format!(
                "
                r6 = f ll
                {}
                callx r6
                exit
            .func f
                r7 = *(u64 *)(r11 +8)
                r6 = g ll
                {}
                *(u64 *)(r11 -8) = r7
                callx r6
                r0 += r7
                exit
                {}
                ",
                arguments(6),
                arguments(7),
                sum("g", 7),
            ),
        )
        .runs(&[(0, 34)])
        .into(),
        needs_jit(
            "callx/stack_argument_points_to_the_stack",
            "what the callee reads through its sixth argument is alive until then",
            "
                r6 = f ll
                *(u64 *)(r10 -8) = 42
                r1 = r10
                r1 += -8
                *(u64 *)(r11 -8) = r1
                callx r6
                exit
            .func f
                r1 = *(u64 *)(r11 +8)
                r0 = *(u64 *)(r1 +0)
                exit
            "
            .to_owned(),
        )
        .runs(&[(0, 42)])
        .into(),
        needs_jit(
            "callx/stack_argument_is_precise",
            "the sixth argument bounds an index in the callee: 1 on one path, 7 on the other",
            "
                r7 = *(u64 *)(r1 +0)
                r6 = f ll
                r1 = r10
                r1 += -8
                r2 = 0x0807060504030201 ll
                *(u64 *)(r10 -8) = r2
                *(u64 *)(r11 -8) = 1
                if r7 == 0 goto go
                *(u64 *)(r11 -8) = 7
            go:
                callx r6
                exit
            .func f
                r2 = *(u64 *)(r11 +8)
                r1 += r2
                r0 = *(u8 *)(r1 +0)
                exit
            "
            .to_owned(),
        )
        .runs(&[(0, 2), (1, 8)])
        .into(),
    ]
}

fn rejected() -> Vec<Case> {
    vec![
        rejects(
            "callx/sixth_argument_is_missing",
            "the callee wants six, the caller has written five",
            format!("r6 = f ll\n{}callx r6\nexit\n{}", arguments(5), sum("f", 6)),
        )
        .errno(errno::EFAULT)
        .log("callee expects 6 args, stack arg1 is not initialized")
        .into(),
        rejects(
            "callx/sixth_argument_is_missing_in_one_callee",
            "the first function of the table is content with five",
            format!(
                "
                r7 = *(u64 *)(r1 +0)
                r7 &= 1
                r7 <<= 3
                r6 = T ll
                r6 += r7
                r6 = *(u64 *)(r6 +0)
                {}
                callx r6
                exit
                {}{}
                .data T .rodata: five, six
                ",
                arguments(5),
                sum("five", 5),
                sum("six", 6),
            ),
        )
        .errno(errno::EFAULT)
        .log("callee expects 6 args, stack arg1 is not initialized")
        .into(),
        rejects(
            "callx/thirteen_arguments",
            "one more than there may be",
            format!("r6 = f ll\n{}callx r6\nexit\n{}", arguments(13), sum("f", 12)),
        )
        .log("stack arg write offset -64 exceeds max 7 stack args")
        .into(),
        rejects(
            "callx/stack_argument_after_a_call",
            "what was passed is lost with the first call",
            format!(
                "
                r6 = f ll
                {}
                callx r6
                exit
            .func f
                r6 = g ll
                callx r6
                r0 = *(u64 *)(r11 +8)
                exit
            .func g
                r0 = 0
                exit
                ",
                arguments(6)
            ),
        )
        .log("r11 load must be before any r11 store or call insn")
        .into(),
        rejects(
            "callx/callback_with_six_arguments",
            "the caller of the helper has written a sixth argument, but it is the helper that calls: \
             the base takes what was written for what is there",
            format!(
                "
                *(u64 *)(r11 -8) = 0
                r1 = 1
                r2 = cb ll
                r3 = 0
                r4 = 0
                call bpf_loop
                {}
                call f
                exit
            .func cb
                r0 = *(u64 *)(r11 +8)
                r0 = 0
                exit
                {}
                ",
                arguments(6),
                sum("f", 6)
            ),
        )
        .log("callback cb() has arguments on the stack")
        .fixed_by(UNPASSED)
        .into(),
        rejects(
            "callx/stack_argument_of_unreliable_btf",
            "the first call passes a pointer for a number, so that the second is not checked against \
             the prototype: the base reads what is not there",
            "
                r1 = r10
                *(u64 *)(r11 -8) = 6
                call f
                call g
                exit
            .func f
                r0 = *(u64 *)(r11 +8)
                exit
            .func g
                call f
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("stack arg1 is not initialized by the caller")
        .fixed_by(UNPASSED)
        .into(),
    ]
}
