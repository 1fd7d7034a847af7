//! The call graph, recursion and stack depth: every callee counts at its call site, along the
//! actual call chains.

use crate::Case;
use crate::builder::{accepts, errno, rejects};
use crate::callx::shape::{MAX_CALL_FRAMES, chain, pick};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = recursion();
    cases.extend(depth());
    cases.extend(stack());
    cases
}

fn recursive(name: &str, about: &str, source: &str, log: &str) -> Case {
    rejects(name, about, source).log(log).into()
}

fn endless(name: &str, about: &str, source: &str) -> Case {
    rejects(name, about, source)
        .errno(errno::E2BIG)
        .log("the call stack of 17 frames is too deep")
        .into()
}

/// Recursive functions: accepted if the verifier can follow the recursion to its end, and if it
/// does not involve a global function, which is verified separately.
fn recursion() -> Vec<Case> {
    vec![
        endless(
            "callx/recursion_itself",
            "a function calls itself",
            "
                r1 = f ll
                callx r1
                exit
            .func f
                r1 = f ll
                callx r1
                exit
            ",
        ),
        accepts(
            "callx/recursion_bounded",
            "a function that calls itself as often as a counter says",
            "
                r1 = f ll
                r2 = 3
                callx r1
                exit
            .func f
                r0 = 0
                if r2 == 0 goto out
                r2 -= 1
                callx r1
            out:
                exit
            ",
        )
        .runs(&[(0, 0)])
        .into(),
        accepts(
            "callx/recursion_once",
            "a function calls itself no more than once, with another function of its own in hand",
            "
                r1 = f ll
                r2 = last ll
                callx r1
                exit
            .func f
                r3 = r1
                r1 = r2
                callx r3
                exit
            .func last
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 0)])
        .into(),
        recursive(
            "callx/recursion_of_global_by_data",
            "a global function calls what calls it: each is verified on its own, and no \
             instruction names the one that is in data",
            "
                r1 = 1
                call g
                exit
            .global g
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                callx r2
                r0 = 0
                exit
            .func f
                r1 = 1
                call g
                exit
            .data T .rodata: f
            ",
            "recursive call from f() to g()",
        ),
        endless(
            "callx/recursion_mutual",
            "two functions call each other with what they are given: no instruction names the \
             other",
            "
                r1 = a ll
                r2 = b ll
                callx r1
                exit
            .func a
                r6 = r1
                r7 = r2
                callx r7
                exit
            .func b
                callx r1
                exit
            ",
        ),
        endless(
            "callx/recursion_by_direct_call",
            "the way back is a direct call",
            "
                r1 = b ll
                call a
                exit
            .func a
                callx r1
                exit
            .func b
                call a
                exit
            ",
        ),
        endless(
            "callx/recursion_by_data",
            "the functions know each other from a table",
            "
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                callx r2
                exit
            .func a
                r2 = T ll
                r2 = *(u64 *)(r2 +8)
                callx r2
                exit
            .func b
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                callx r2
                exit
            .data T .rodata: a, b
            ",
        ),
        accepts(
            "callx/recursion_of_wrapper",
            "a function that calls what it is given, given a function that uses it again",
            "
                r1 = a ll
                call apply
                exit
            .func apply
                callx r1
                exit
            .func a
                r1 = b ll
                call apply
                exit
            .func b
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 0)])
        .into(),
        recursive(
            "callx/recursion_on_one_of_two_paths",
            "only one of the two functions at the call leads back; a direct call of what loads the \
             caller's address is refused before anything is followed",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                call a
                exit
            .func a
                r2 = good ll
                if r1 == 0 goto go
                r2 = bad ll
            go:
                callx r2
                exit
            .func good
                r0 = 1
                exit
            .func bad
                r1 = 0
                call a
                exit
            ",
            "recursive call from bad() to a()",
        ),
        recursive(
            "callx/recursion_through_global",
            "the way back is a call of a global function, which is verified by itself: neither \
             verification sees a cycle",
            "
                r1 = 1
                call g
                exit
            .global g
                r6 = r1
                call load
                r1 = r6
                callx r0
                r0 = 0
                exit
            .func load
                r0 = f ll
                exit
            .func f
                if r1 == 0 goto out
                r1 = 0
                call g
            out:
                r0 = 0
                exit
            ",
            "recursive call from",
        ),
        accepts(
            "callx/recursion_of_wrapper_through_global",
            "a wrapper is on the chain again behind a global function that does not lead to itself",
            "
                r1 = b ll
                call w
                exit
            .func w
                callx r1
                r0 = 0
                exit
            .func b
                r1 = 1
                call h
                exit
            .global h
                r1 = c ll
                call w
                exit
            .func c
                r0 = 4
                exit
            ",
        )
        .runs(&[(0, 0)])
        .into(),
        recursive(
            "callx/program_itself",
            "the program's first function is called through a register",
            "
                r2 = func -1 ll
                callx r2
                exit
            ",
            "callback function cannot be the main program",
        ),
    ]
}

/// The number of frames.
fn depth() -> Vec<Case> {
    vec![
        rejects(
            "callx/seventeen_frames",
            "one frame more than there may be (MAX_CALL_FRAMES)",
            chain(MAX_CALL_FRAMES + 1),
        )
        .errno(errno::E2BIG)
        .log("the call stack of 17 frames is too deep")
        .into(),
        rejects(
            "callx/seventeen_frames_on_second_path",
            "only the second function at the call makes the chain too long",
            format!(
                "
                {}
                    callx r2
                    exit
                .func a
                    r0 = 0
                    exit
                .func b
                    {}
                ",
                pick("r2"),
                chain(MAX_CALL_FRAMES)
            ),
        )
        .errno(errno::E2BIG)
        .log("the call stack of 17 frames is too deep")
        .into(),
    ]
}

/// A program of three frames with these stack sizes, in bytes.
///
/// The JIT rounds a frame up to 16 bytes, the interpreter to 32 and at least 32.
fn three_frames(outer: u32, middle: u32, inner: u32) -> String {
    format!(
        "
            *(u64 *)(r10 -{outer}) = 1
            r1 = g ll
            r2 = f ll
            callx r2
            exit
        .func f
            *(u64 *)(r10 -{middle}) = 2
            callx r1
            exit
        .func g
            *(u64 *)(r10 -{inner}) = 3
            r0 = *(u64 *)(r10 -{inner})
            exit
        "
    )
}

/// A program whose first callee, if any, has `small` bytes of stack, the other one `large`.
fn two_callees(outer: u32, small: u32, large: u32) -> String {
    format!(
        "
        {}
            *(u64 *)(r10 -{outer}) = 1
            callx r2
            exit
        .func a
            *(u64 *)(r10 -{small}) = 1
            r0 = 1
            exit
        .func b
            *(u64 *)(r10 -{large}) = 1
            r0 = 2
            exit
        ",
        pick("r2")
    )
}

fn too_large(name: &str, about: &str, source: impl Into<String>, log: &str) -> Case {
    rejects(name, about, source).errno(errno::EACCES).log(log).into()
}

/// The combined stack limit of 512 bytes.
fn stack() -> Vec<Case> {
    let three_calls = "combined stack size of 3 calls is 5";
    vec![
        accepts(
            "callx/stack_at_the_limit",
            "512 bytes in three frames",
            three_frames(192, 160, 160),
        )
        .runs(&[(0, 3)])
        .into(),
        accepts(
            "callx/stack_at_the_limit_when_rounded",
            "488 bytes in three frames, which the JIT and the interpreter both round to 512",
            three_frames(184, 152, 152),
        )
        .runs(&[(0, 3)])
        .into(),
        too_large(
            "callx/stack_over_the_limit_in_callee",
            "8 bytes more in the last callee, of which nobody's instructions name the caller",
            three_frames(192, 160, 168),
            three_calls,
        ),
        too_large(
            "callx/stack_over_the_limit_in_caller",
            "8 bytes more in the first frame",
            three_frames(200, 160, 160),
            three_calls,
        ),
        accepts(
            "callx/stack_of_two_callees_at_the_limit",
            "the larger of two callees reaches the limit, their sum would be over it",
            two_callees(64, 416, 448),
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        too_large(
            "callx/stack_of_second_callee",
            "the first function at the call has a small stack, the second one too large a stack",
            two_callees(64, 32, 456),
            "combined stack size of 2 calls is 5",
        ),
        too_large(
            "callx/stack_of_first_callee",
            "the other way round",
            two_callees(64, 456, 32),
            "combined stack size of 2 calls is 5",
        ),
        too_large(
            "callx/stack_counted_where_called",
            "the function that loads the address has no stack; the one that calls it has. A walk \
             that counts the callee where its address is taken finds 352 bytes",
            "
                r1 = f ll
                call middle
                exit
            .func middle
                *(u64 *)(r10 -320) = 1
                callx r1
                exit
            .func f
                *(u64 *)(r10 -320) = 1
                r0 = 0
                exit
            ",
            "combined stack size of 3 calls is 6",
        ),
        too_large(
            "callx/stack_of_function_in_data",
            "the callee comes from a table and is named nowhere",
            "
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                *(u64 *)(r10 -256) = 1
                callx r2
                exit
            .func f
                *(u64 *)(r10 -264) = 1
                r0 = 0
                exit
            .data T .rodata: f
            ",
            "combined stack size of 2 calls is 5",
        ),
        too_large(
            "callx/stack_through_global",
            "the stack adds up through a global function that calls through a register",
            "
                *(u64 *)(r10 -192) = 1
                r1 = 1
                call g
                exit
            .global g
                *(u64 *)(r10 -160) = 1
                r2 = f ll
                callx r2
                r0 = 0
                exit
            .func f
                *(u64 *)(r10 -168) = 1
                r0 = 0
                exit
            ",
            "combined stack size of 3 calls is 5",
        ),
        accepts(
            "callx/stack_of_chains_that_are_not",
            "four functions with 208 bytes, of which no chain has more than two: merged into one \
             graph they would have a chain of all",
            "
                r1 = f1 ll
                r2 = 0
                r7 = f0 ll
                callx r7
                r1 = f2 ll
                r2 = 0
                r7 = f1 ll
                callx r7
                r1 = f3 ll
                r2 = 0
                r7 = f2 ll
                callx r7
                r0 += 3
                exit
            .func f0
                r0 = 0
                *(u64 *)(r10 -208) = 1
                if r2 == 1 goto out
                r2 = 1
                callx r1
            out:
                exit
            .func f1
                r0 = 0
                *(u64 *)(r10 -208) = 1
                if r2 == 1 goto out
                r2 = 1
                callx r1
            out:
                exit
            .func f2
                r0 = 0
                *(u64 *)(r10 -208) = 1
                if r2 == 1 goto out
                r2 = 1
                callx r1
            out:
                exit
            .func f3
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 3)])
        .into(),
        accepts(
            "callx/stack_of_calls_in_dead_code",
            "a call that is never reached calls nothing",
            "
                *(u64 *)(r10 -320) = 1
                r2 = f ll
                r3 = 1
                r0 = 8
                if r3 == 1 goto out
                callx r2
            out:
                exit
            .func f
                *(u64 *)(r10 -320) = 1
                r0 = 0
                exit
            ",
        )
        .runs(&[(0, 8)])
        .into(),
    ]
}
