//! Precision: if a number decides whether an access is in bounds, every state on the way must know
//! it exactly, through indirect calls into the callee called on that path.

use crate::Case;
use crate::builder::{accepts, errno, load_flag, rejects};
use crate::callx::shape::{pick, store_at};

/// The path that is in bounds is verified first: the fall-through comes before the taken branch. So
/// the bad path is only found if its state is not considered equal.
fn out_of_bounds(name: &str, about: &str, source: String) -> Case {
    rejects(name, about, source)
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(errno::EACCES)
        .log("invalid write to stack R3")
        .into()
}

pub(super) fn cases() -> Vec<Case> {
    let use_result = format!("r6 = 0\n{}r0 = 0\nexit\n", store_at("r0"));
    vec![
        accepts(
            "callx/precise_result_in_bounds",
            "the index that two callees give is in bounds on both paths",
            format!(
                "
                {}
                    *(u64 *)(r10 -8) = 50
                    *(u64 *)(r10 -16) = 60
                    callx r2
                    r3 = r10
                    r3 += r0
                    r0 = *(u64 *)(r3 +0)
                    exit
                .func a
                    r0 = -8
                    exit
                .func b
                    r0 = -16
                    exit
                ",
                pick("r2")
            ),
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 50), (1, 60)])
        .into(),
        accepts(
            "callx/precise_result_masked",
            "the callee bounds the index, the verifier knows no more than the bound",
            "
                r6 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -8) = 0x0807060504030201 ll
                r1 = r6
                r2 = f ll
                callx r2
                r3 = r10
                r3 += -8
                r3 += r0
                r0 = *(u8 *)(r3 +0)
                exit
            .func f
                r0 = r1
                r0 &= 7
                exit
            "
            .replace(
                "*(u64 *)(r10 -8) = 0x0807060504030201 ll",
                "r3 = 0x0807060504030201 ll\n*(u64 *)(r10 -8) = r3",
            ),
        )
        .runs(&[(0, 1), (7, 8), (10, 3)])
        .into(),
        out_of_bounds(
            "callx/precision_of_result",
            "r0 of the call decides, through the callee's exit, where its paths meet",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r1 = r6
                    r2 = f ll
                    callx r2
                    {use_result}
                .func f
                    r0 = -800
                    if r1 == 0 goto out
                    r0 = -8
                out:
                    exit
                "
            ),
        ),
        out_of_bounds(
            "callx/precision_of_second_callees_result",
            "the number is made in the second of two callees: tracking it back into the first one \
             marks the wrong instructions",
            format!(
                "{}callx r2\n{use_result}.func a\nr0 = -800\nexit\n.func b\nr0 = -8\nexit",
                pick("r2")
            ),
        ),
        out_of_bounds(
            "callx/precision_of_argument",
            "an argument of the call decides about the access in the callee",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r1 = -800
                    if r6 == 0 goto go
                    r1 = -8
                go:
                    r6 = 0
                    r2 = f ll
                    callx r2
                    r0 = 0
                    exit
                .func f
                    {}
                    r0 = 0
                    exit
                ",
                store_at("r1")
            ),
        ),
        out_of_bounds(
            "callx/precision_of_register_over_call",
            "r7 decides after the call, and was set before it: the call changes r0-r5 only",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r7 = -800
                    if r6 == 0 goto go
                    r7 = -8
                go:
                    r6 = 0
                    r1 = 0
                    r2 = f ll
                    callx r2
                    {}
                    r0 = 0
                    exit
                .func f
                    r7 = 0
                    r0 = 0
                    exit
                ",
                store_at("r7")
            ),
        ),
        out_of_bounds(
            "callx/precision_of_slot_written_by_callee",
            "a number that the callee stored on the caller's stack decides",
            format!(
                "
                {}
                    r6 = 0
                    *(u64 *)(r10 -8) = 0
                    r1 = r10
                    r1 += -8
                    callx r2
                    r2 = *(u64 *)(r10 -8)
                    {}
                    r0 = 0
                    exit
                .func a
                    r2 = -800
                    *(u64 *)(r1 +0) = r2
                    r0 = 0
                    exit
                .func b
                    r2 = -8
                    *(u64 *)(r1 +0) = r2
                    r0 = 0
                    exit
                ",
                pick("r2"),
                store_at("r2")
            ),
        ),
        out_of_bounds(
            "callx/precision_through_two_calls",
            "the number goes through a callee that hands it on unchanged, by name and by register",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r1 = r6
                    r2 = outer ll
                    callx r2
                    {use_result}
                .func outer
                    call number
                    r1 = r0
                    r2 = same ll
                    callx r2
                    exit
                .func number
                    r0 = -800
                    if r1 == 0 goto out
                    r0 = -8
                out:
                    r1 = 0
                    exit
                .func same
                    r0 = r1
                    exit
                "
            ),
        ),
        out_of_bounds(
            "callx/precision_in_loop",
            "the callee counts down what it is given; only the last round is out of bounds",
            format!(
                "
                    r6 = 0
                    r7 = -480
                    *(u64 *)(r10 -16) = 0
                again:
                    r1 = r7
                    r2 = f ll
                    callx r2
                    r7 = r0
                    {}
                    r6 += 1
                    if r6 < 5 goto again
                    r0 = 0
                    exit
                .func f
                    r0 = r1
                    r0 -= 8
                    exit
                ",
                store_at("r7")
            ),
        ),
    ]
}
