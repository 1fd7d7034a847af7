//! A function's address is loaded with `ld_imm64`, moved around, and called.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{accepts, load_flag};
use crate::callx::shape::pick;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = first();
    cases.extend(places());
    cases
}

/// Basic calls.
fn first() -> Vec<Case> {
    let one_callee = "
        r2 = there ll
        callx r2
        r0 += 1
        exit
    .func there
        r0 = 41
        exit
    ";
    vec![
        accepts("callx/one_callee", "the function's return value arrives in r0", one_callee)
            .runs(&[(0, 42)])
            .into(),
        accepts(
            "callx/without_btf",
            "a program without BTF: every function counts as static",
            one_callee,
        )
        .btf(BtfUse::Never)
        .runs(&[(0, 42)])
        .into(),
        accepts(
            "callx/upper_halves_random",
            "BPF_F_TEST_RND_HI32: the pointer and the result have 64 bits, what the callee sets in \
             w registers has 32",
            "
                r2 = there ll
                r1 = 0x1122334455667788 ll
                callx r2
                r0 >>= 32
                exit
            .func there
                w2 = w1
                r0 = r1
                r0 += r2
                exit
            ",
        )
        .flags(load_flag::TEST_RND_HI32)
        .runs(&[(0, 0x1122_3344)])
        .into(),
        accepts(
            "callx/two_paths",
            "one of two functions, by the path",
            format!(
                "
                {}
                    r1 = r6
                    callx r2
                    exit
                .func a
                    r0 = 10
                    exit
                .func b
                    r0 = r1
                    r0 += 20
                    exit
                ",
                pick("r2")
            ),
        )
        .runs(&[(0, 10), (1, 21), (5, 25)])
        .into(),
        accepts(
            "callx/every_register",
            "through r0 to r9, each its own encoding in the JIT, each function once",
            format!(
                "*(u64 *)(r10 -8) = 0\n{}r0 = *(u64 *)(r10 -8)\nexit\n{}",
                (0..10)
                    .map(|register| format!(
                        "
                        r{register} = f{register} ll
                        callx r{register}
                        r1 = *(u64 *)(r10 -8)
                        r1 *= 3
                        r1 += r0
                        *(u64 *)(r10 -8) = r1
                        "
                    ))
                    .collect::<String>(),
                (0..10)
                    .map(|register| format!(".func f{register}\nr0 = {}\nexit\n", register % 3))
                    .collect::<String>()
            ),
        )
        // The base-3 digits 0120120120.
        .runs(&[(0, 11_355)])
        .into(),
        accepts(
            "callx/called_both_ways",
            "one function is called by its name and through a register",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                call f
                r7 = r0
                r1 = r6
                r2 = f ll
                callx r2
                r0 += r7
                r1 = r0
                call f
                exit
            .func f
                r0 = r1
                r0 += 3
                exit
            ",
        )
        .runs(&[(0, 9), (10, 29)])
        .into(),
        accepts(
            "callx/callee_in_front_of_caller",
            "the address of a function that stands in front of the one that calls it",
            "
                call back
                r0 += 1
                exit
            .func first
                r0 = 10
                exit
            .func back
                r2 = first ll
                callx r2
                r0 *= 3
                exit
            ",
        )
        .runs(&[(0, 31)])
        .into(),
    ]
}

/// Where the address may be kept until the call.
fn places() -> Vec<Case> {
    vec![
        accepts(
            "callx/passed_as_argument",
            "a function gets the function as its argument",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = twice ll
                r2 = r6
                call apply
                r1 = inc ll
                r2 = r0
                call apply
                exit
            .func apply
                r3 = r1
                r1 = r2
                callx r3
                exit
            .func twice
                r0 = r1
                r0 += r1
                exit
            .func inc
                r0 = r1
                r0 += 1
                exit
            ",
        )
        .runs(&[(3, 7), (10, 21)])
        .into(),
        accepts(
            "callx/returned",
            "a function, itself called through a register, returns the function",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                r2 = pick ll
                callx r2
                r1 = 5
                callx r0
                exit
            .func pick
                r0 = a ll
                if r1 == 0 goto out
                r0 = b ll
            out:
                exit
            .func a
                r0 = r1
                exit
            .func b
                r0 = r1
                r0 += 100
                exit
            ",
        )
        .runs(&[(0, 5), (1, 105)])
        .into(),
        accepts(
            "callx/spilled_and_filled",
            "two functions wait on the stack, next to a number",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = a ll
                *(u64 *)(r10 -8) = r1
                r1 = b ll
                *(u64 *)(r10 -16) = r1
                *(u64 *)(r10 -24) = 7
                r2 = *(u64 *)(r10 -8)
                if r6 == 0 goto go
                r2 = *(u64 *)(r10 -16)
            go:
                r1 = *(u64 *)(r10 -24)
                callx r2
                exit
            .func a
                r0 = r1
                exit
            .func b
                r0 = r1
                r0 += 1
                exit
            ",
        )
        .runs(&[(0, 7), (1, 8)])
        .into(),
        accepts(
            "callx/struct_on_callers_stack",
            "a function calls what the struct on its caller's stack has",
            "
                r1 = mul ll
                *(u64 *)(r10 -16) = r1
                *(u64 *)(r10 -8) = 6
                r1 = r10
                r1 += -16
                r2 = run ll
                callx r2
                exit
            .func run
                r2 = *(u64 *)(r1 +0)
                r1 = *(u64 *)(r1 +8)
                callx r2
                exit
            .func mul
                r0 = r1
                r0 *= 7
                exit
            ",
        )
        .runs(&[(0, 42)])
        .into(),
        accepts(
            "callx/written_by_callee",
            "the callee stores a function into the caller's stack, which calls it",
            "
                r6 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -8) = 0
                r1 = r10
                r1 += -8
                r2 = r6
                r3 = bind ll
                callx r3
                r3 = *(u64 *)(r10 -8)
                callx r3
                exit
            .func bind
                r3 = a ll
                if r2 == 0 goto store
                r3 = b ll
            store:
                *(u64 *)(r1 +0) = r3
                r0 = 0
                exit
            .func a
                r0 = 3
                exit
            .func b
                r0 = 4
                exit
            ",
        )
        .runs(&[(0, 3), (1, 4)])
        .into(),
        accepts(
            "callx/swapped_in_a_loop",
            "two registers change places in a loop: each function is called in each",
            "
                r6 = a ll
                r7 = b ll
                r8 = 0
                r9 = 1
            again:
                r1 = r9
                callx r6
                r9 = r0
                r9 &= 0xffff
                r1 = r6
                r6 = r7
                r7 = r1
                r8 += 1
                if r8 < 5 goto again
                r0 = r9
                exit
            .func a
                r0 = r1
                r0 *= 3
                exit
            .func b
                r0 = r1
                r0 += 5
                exit
            ",
        )
        .runs(&[(0, 87)])
        .into(),
        accepts(
            "callx/may_goto_loop",
            "an open-coded loop whose end the verifier does not know calls alternately",
            "
                r6 = a ll
                r7 = b ll
                r8 = 0
                r9 = 0
            again:
                may_goto out
                callx r6
                r1 = r6
                r6 = r7
                r7 = r1
                r8 += 1
                if r8 < 10 goto again
            out:
                r0 = r8
                exit
            .func a
                r0 = 1
                exit
            .func b
                r0 = 2
                exit
            ",
        )
        .runs(&[(0, 10)])
        .into(),
    ]
}
