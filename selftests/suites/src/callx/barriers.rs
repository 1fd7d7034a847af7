//! Speculation: without CAP_PERFMON there is a barrier at every possible target of an indirect
//! branch.

use crate::Case;
use crate::builder::{accepts, cap, frame};

/// Calls one of two functions, by the lowest bit of the packet's length.
const ONE_OF_TWO: &str = "
    .prog main socket
        r6 = *(u32 *)(r1 +0)
        r6 &= 1
        r2 = f ll
        if r6 == 0 goto go
        r2 = g ll
    go:
        callx r2
        exit
    .func f
        r0 = 1
        exit
    .func g
        r0 = 2
        exit
";

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/barrier_at_callees_without_perfmon",
            "the branch predictor may enter one function with the arguments of the other",
            ONE_OF_TWO,
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .run_packet(frame(64, 0), 1)
        .run_packet(frame(65, 0), 2)
        .xlated_mitigated("nospec\nr0 = 1\n")
        .xlated_mitigated("nospec\nr0 = 2\n")
        .into(),
        accepts(
            "callx/no_barrier_with_perfmon",
            "with CAP_PERFMON the program bears the risk itself",
            ONE_OF_TWO,
        )
        .run_packet(frame(64, 0), 1)
        .run_packet(frame(65, 0), 2)
        .xlated("exit\nr0 = 1\nexit\nr0 = 2\n")
        .into(),
    ]
}
