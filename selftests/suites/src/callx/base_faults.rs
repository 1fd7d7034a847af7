//! Programs without indirect calls that Linux 7.3.4 handles incorrectly, because it treats the load
//! of a function's address as a call; and one that it handles correctly and a stricter rule would
//! not.
//!
//! Each of the former names the patch of our series that fixes the kernel. They are in this suite
//! because `callx` needs the patches; the suite needs a kernel with `callx`.

use crate::Case;
use crate::builder::{accepts, errno, rejects};
use crate::callx::shape::NO_CALLBACKS;

const CHAINS: &str = "bpf: Check the stack on the calls that were verified";
const KEEP: &str = "bpf: Keep subprogs whose address is used";

/// A function that has bpf_loop call its argument, with this many bytes of stack.
fn wrapper(stack: u32) -> String {
    format!(
        "
        .func wrapper
            *(u64 *)(r10 -{stack}) = 1
            r2 = r1
            r1 = 2
            r3 = 0
            r4 = 0
            call bpf_loop
            exit
        "
    )
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/walk_of_call_graph_ends",
            "the address of a function is loaded below a global function that it calls: mainline \
             follows the cycle for ever, though nothing calls along it",
            "
                call s2
                exit
            .func s2
                r1 = 1
                call g
                r0 += 1
                exit
            .global g
                call s
                exit
            .func s
                r1 = s2 ll
                r0 = 3
                exit
            ",
        )
        .runs(&[(0, 4)])
        .interp_refuses(NO_CALLBACKS)
        .fixed_by(CHAINS)
        .into(),
        accepts(
            "callx/callbacks_in_one_wrapper",
            "a callback uses the wrapper that called it for another callback: a function is on the \
             stack twice, which callbacks may",
            format!(
                "
                    r1 = outer ll
                    call wrapper
                    r0 += 5
                    exit
                {}
                .func outer
                    r1 = inner ll
                    call wrapper
                    r0 = 0
                    exit
                .func inner
                    r0 = 0
                    exit
                ",
                wrapper(16)
            ),
        )
        .runs(&[(0, 7)])
        .interp_refuses(NO_CALLBACKS)
        .into(),
        rejects(
            "callx/stack_of_callback_in_wrapper",
            "mainline counts the callback's stack below the program, which loads its address, and \
             not below the wrapper, which has it called",
            format!(
                "
                    r1 = round ll
                    call wrapper
                    r0 = 5
                    exit
                {}
                .func round
                    *(u64 *)(r10 -400) = 1
                    r0 = 0
                    exit
                ",
                wrapper(200)
            ),
        )
        .errno(errno::EACCES)
        .log("combined stack size of 3 calls is 6")
        .fixed_by(CHAINS)
        .into(),
        accepts(
            "callx/dead_function_and_no_call",
            "the address of a function that nothing calls is all that keeps it: mainline removes it \
             and then finds no program to compile",
            "
                r2 = f ll
                r0 = 4
                exit
            .func f
                r0 = 5
                exit
            ",
        )
        .runs(&[(0, 4)])
        .interp_refuses(NO_CALLBACKS)
        .fixed_by(KEEP)
        .into(),
        accepts(
            "callx/dead_function_compared_and_no_call",
            "the same with the address in use",
            "
                r2 = f ll
                r3 = g ll
                r0 = 4
                if r2 != r3 goto out
                r0 = 6
            out:
                exit
            .func f
                r0 = 5
                exit
            .func g
                r0 = 5
                exit
            ",
        )
        .runs(&[(0, 4)])
        .interp_refuses(NO_CALLBACKS)
        .fixed_by(KEEP)
        .into(),
    ]
}
