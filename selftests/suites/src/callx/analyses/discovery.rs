//! Subprogram discovery: a function that only data or a register points to is discovered, and
//! verified if it may be called.

use crate::Case;
use crate::builder::{accepts, errno, rejects};

/// A function that the verifier must reject.
const BAD: &str = "
    .func bad
        r0 = *(u64 *)(r1 +4096)
        exit
";

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/found_in_the_middle",
            "functions that only registers point to, between functions that are called by name: \
             without their starts the one in front would go on into them",
            "
                call f
                r6 = r0
                r2 = g ll
                callx r2
                r6 += r0
                r2 = i ll
                callx r2
                r0 += r6
                exit
            .func f
                r0 = 1
                exit
            .func g
                r0 = 10
                exit
            .func h
                r0 = 100
                exit
            .func i
                call h
                r0 += 1000
                exit
            ",
        )
        .runs(&[(0, 1111)])
        .into(),
        accepts(
            "callx/never_called_is_not_verified",
            "a function that could not be called, which the program only loads the address of",
            format!("r2 = bad ll\nr2 = good ll\ncallx r2\nexit\n.func good\nr0 = 4\nexit\n{BAD}"),
        )
        .runs(&[(0, 4)])
        .into(),
        accepts(
            "callx/never_called_in_data_is_not_verified",
            "so does a table point to it",
            format!(
                "r2 = T ll\nr2 = *(u64 *)(r2 +0)\ncallx r2\nexit\n.func good\nr0 = 4\nexit\n{BAD}
                .data T .rodata: good, bad"
            ),
        )
        .runs(&[(0, 4)])
        .into(),
        rejects(
            "callx/found_by_register_is_verified",
            "the same function called: a verifier that follows direct calls only never sees it",
            format!("r6 = r1\nr2 = bad ll\nr1 = 0\ncallx r2\nexit\n{BAD}"),
        )
        .errno(errno::EACCES)
        .log("R1 invalid mem access 'scalar'")
        .into(),
        rejects(
            "callx/found_by_data_is_verified",
            "the same by a table with a variable index: each of its functions is verified",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r6 &= 3
                    r6 <<= 3
                    r2 = T ll
                    r2 += r6
                    r2 = *(u64 *)(r2 +0)
                    r1 = 0
                    callx r2
                    exit
                .func good
                    r0 = 4
                    exit
                {BAD}
                .data T .rodata: good, good, good, bad
                "
            ),
        )
        .errno(errno::EACCES)
        .log("R1 invalid mem access 'scalar'")
        .into(),
        rejects(
            "callx/found_function_falls_through",
            "a function that only a register points to has an end of its own",
            "
                r2 = f ll
                callx r2
                r2 = g ll
                callx r2
                exit
            .func f
                r0 = 1
            .func g
                r0 = 2
                exit
            ",
        )
        .log("last insn is not an exit or jmp")
        .into(),
        rejects(
            "callx/jump_into_found_function",
            "a jump into a function that only a register points to",
            "
                r2 = f ll
                callx r2
                if r0 == 0 goto +1
                exit
            .func f
                r0 = 2
                exit
            ",
        )
        .log("jump out of range")
        .into(),
    ]
}
