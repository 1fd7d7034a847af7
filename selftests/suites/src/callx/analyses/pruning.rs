//! State pruning: two states that hold different functions are different. A comparison that
//! considers two functions equal would skip each second path.

use crate::Case;
use crate::builder::{accepts, errno, load_flag, rejects};
use crate::callx::shape::{element, pick};

/// Called by the second path: reads a register that it must not.
const GOOD_AND_BAD: &str = "
    .func a
        r0 = 1
        exit
    .func b
        r0 = *(u64 *)(r9 +0)
        exit
";

fn bad_second_path(name: &str, about: &str, body: &str) -> Case {
    rejects(name, about, format!("{body}{GOOD_AND_BAD}"))
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(errno::EACCES)
        .log("R9 !read_ok")
        .into()
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/pruning_tells_functions_apart",
            "the paths differ only in the function, and both are right",
            format!(
                "
                {}
                    r6 = 0
                    r1 = 0
                    r2 = 0
                    callx r7
                    exit
                .func a
                    r0 = 1
                    exit
                .func b
                    r0 = 2
                    exit
                ",
                pick("r7")
            ),
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "callx/pruning_of_equal_functions",
            "both paths hold the same function: the states may be the same",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = a ll
                if r6 == 0 goto go
                r7 = a ll
            go:
                callx r7
                r0 += r6
                exit
            .func a
                r0 = 1
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 1), (1, 2)])
        .into(),
        bad_second_path(
            "callx/pruning_function_in_register",
            "the second function in the same register",
            &format!("{}r6 = 0\nr1 = 0\ncallx r7\nexit", pick("r7")),
        ),
        bad_second_path(
            "callx/pruning_function_in_slot",
            "the second function in the same stack slot",
            &format!(
                "{}*(u64 *)(r10 -8) = r7\nr7 = 0\nr6 = 0\nr1 = 0\nr2 = *(u64 *)(r10 -8)\ncallx r2\n\
                 exit",
                pick("r7")
            ),
        ),
        bad_second_path(
            "callx/pruning_function_in_callers_slot",
            "the second function in the same slot of the caller's stack, called by the callee",
            &format!(
                "{}
                    *(u64 *)(r10 -8) = r7
                    r7 = 0
                    r6 = 0
                    r1 = r10
                    r1 += -8
                    r2 = go ll
                    callx r2
                    exit
                .func go
                    r6 = 0
                    r7 = 0
                    r1 = *(u64 *)(r1 +0)
                    callx r1
                    exit
                ",
                pick("r7")
            ),
        ),
        bad_second_path(
            "callx/pruning_function_in_callers_register",
            "the second function in r7 of the caller while another callee runs",
            &format!(
                "{}
                    r6 = 0
                    r1 = 0
                    r2 = idle ll
                    callx r2
                    callx r7
                    exit
                .func idle
                    r0 = 0
                    r1 = 0
                    r2 = 0
                    exit
                ",
                pick("r7")
            ),
        ),
        bad_second_path(
            "callx/pruning_function_from_data",
            "the second function of a table with a variable index, then states at each instruction",
            &format!(
                "{}r1 = 0\nr3 = 0\nr6 = 0\ncallx r2\nexit\n.data T .rodata: a, b",
                element("T", 1, 3)
            ),
        ),
        bad_second_path(
            "callx/pruning_function_in_loop",
            "the second function comes into the register in the second round of a loop",
            "
                r7 = a ll
                r6 = 0
            again:
                r1 = 0
                callx r7
                r7 = b ll
                r6 += 1
                if r6 < 3 goto again
                r0 = 0
                exit
            ",
        ),
        bad_second_path(
            "callx/pruning_function_in_may_goto_loop",
            "the same in a loop whose rounds the verifier takes for the same when it can",
            "
                r7 = a ll
            again:
                may_goto out
                r1 = 0
                callx r7
                r7 = b ll
                goto again
            out:
                r0 = 0
                exit
            ",
        ),
        rejects(
            "callx/pruning_function_or_number",
            "a function on the first path, a number on the second",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = a ll
                if r6 == 0 goto go
                r7 = 5
            go:
                r6 = 0
                r1 = 0
                callx r7
                exit
            .func a
                r0 = 1
                exit
            ",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .errno(errno::EACCES)
        .log("R7 has type scalar, expected func")
        .into(),
    ]
}
