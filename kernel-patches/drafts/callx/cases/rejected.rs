//! What must be refused, with the words of it.

use crate::Case;
use crate::builder::{cap, errno, rejects};

/// Rejected cases, in the order in which the kernel would notice.
#[expect(clippy::too_many_lines, reason = "a list of programs")]
pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![];
    for (name, insn, log) in [
        ("src", ".insn 0x8d 2 1 0 0", "BPF_CALL|BPF_X uses reserved fields"),
        ("off", ".insn 0x8d 2 0 1 0", "BPF_CALL|BPF_X uses reserved fields"),
        ("imm", ".insn 0x8d 2 0 0 2", "BPF_CALL|BPF_X uses reserved fields"),
        ("jmp32", ".insn 0x8e 2 0 0 0", "unknown opcode 8e"),
        ("register", ".insn 0x8d 11 0 0 0", "R11 is invalid"),
    ] {
        cases.push(
            rejects(
                format!("callx/encoding_{name}"),
                "an encoding that is not callx",
                format!("r2 = f ll\n{insn}\nexit\n.func f\nr0 = 0\nexit"),
            )
            .log(log)
            .into(),
        );
    }
    for (name, what, log) in [
        ("scalar", "r2 = 5", "R2 has type scalar, expected func"),
        ("ctx", "r2 = r1", "R2 has type ctx, expected func"),
        ("fp", "r2 = r10", "R2 has type fp, expected func"),
    ] {
        cases.push(
            rejects(
                format!("callx/register_holds_{name}"),
                "the register holds something else",
                format!("{what}\ncallx r2\nexit"),
            )
            .log(log)
            .into(),
        );
    }
    cases.extend([
        rejects("callx/register_unread", "the register holds nothing", "callx r2\nexit")
            .errno(errno::EACCES)
            .log("R2 !read_ok")
            .into(),
        rejects(
            "callx/modified_pointer",
            "a function is entered at its start",
            "r2 = f ll\nr2 += 8\ncallx r2\nexit\n.func f\nr0 = 0\nexit",
        )
        .errno(errno::EACCES)
        .log("dereference of modified func ptr R2 off=8 disallowed")
        .into(),
        rejects(
            "callx/variable_offset",
            "a function is entered at its start, whatever is added",
            "
                r3 = *(u64 *)(r1 +0)
                r3 &= 8
                r2 = f ll
                r2 += r3
                callx r2
                exit
            .func f
                r0 = 0
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("variable func access var_off=")
        .into(),
        rejects(
            "callx/arguments_unreadable",
            "r1-r5 are gone after the call",
            "r2 = f ll\nr3 = 1\ncallx r2\nr0 = r3\nexit\n.func f\nr0 = 0\nexit",
        )
        .errno(errno::EACCES)
        .log("R3 !read_ok")
        .into(),
        rejects(
            "callx/callee_bad",
            "the callee is verified",
            "r2 = f ll\ncallx r2\nexit\n.func f\nr0 = *(u64 *)(r10 -8)\nr0 = *(u64 *)(r0 +0)\nexit",
        )
        .errno(errno::EACCES)
        .into(),
        rejects(
            "callx/callee_without_result",
            "the caller reads a result that the callee did not set",
            "r2 = f ll\ncallx r2\nexit\n.func f\nexit",
        )
        .errno(errno::EACCES)
        .log("R0 !read_ok")
        .into(),
        rejects(
            "callx/recursion_itself",
            "a function that calls itself",
            "
                r1 = f ll
                callx r1
                exit
            .func f
                r1 = f ll
                callx r1
                exit
            ",
        )
        .log("recursive call from")
        .into(),
        rejects(
            "callx/recursion_mutual",
            "two functions that call each other with what they are given",
            "
                r1 = a ll
                r2 = b ll
                call a
                exit
            .func a
                callx r2
                exit
            .func b
                callx r1
                exit
            ",
        )
        .into(),
        rejects(
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
        )
        .log("recursive call from")
        .into(),
        rejects(
            "callx/recursion_through_global",
            "the way back is a call of a global function, which is verified apart",
            "
                r1 = 1
                call g
                exit
            .global g
                r6 = r1
                call pick
                r1 = r6
                callx r0
                r0 = 0
                exit
            .func pick
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
        )
        .log("recursive call from")
        .into(),
        rejects(
            "callx/seventeen_frames",
            "one frame more than there may be (MAX_CALL_FRAMES)",
            "
                r1 = f1 ll
                callx r1
                exit
            .func f1
                r1 = f2 ll
                callx r1
                exit
            .func f2
                r1 = f3 ll
                callx r1
                exit
            .func f3
                r1 = f4 ll
                callx r1
                exit
            .func f4
                r1 = f5 ll
                callx r1
                exit
            .func f5
                r1 = f6 ll
                callx r1
                exit
            .func f6
                r1 = f7 ll
                callx r1
                exit
            .func f7
                r1 = f8 ll
                callx r1
                exit
            .func f8
                r1 = f9 ll
                callx r1
                exit
            .func f9
                r1 = f10 ll
                callx r1
                exit
            .func f10
                r1 = f11 ll
                callx r1
                exit
            .func f11
                r1 = f12 ll
                callx r1
                exit
            .func f12
                r1 = f13 ll
                callx r1
                exit
            .func f13
                r1 = f14 ll
                callx r1
                exit
            .func f14
                r1 = f15 ll
                callx r1
                exit
            .func f15
                r1 = f16 ll
                callx r1
                exit
            .func f16
                r0 = 77
                exit
            ",
        )
        .errno(errno::E2BIG)
        .log("frames is too deep")
        .into(),
        rejects(
            "callx/stack_too_large",
            "one frame too large for three calls",
            "
                *(u64 *)(r10 -192) = 1
                r1 = f ll
                callx r1
                exit
            .func f
                *(u64 *)(r10 -160) = 2
                r1 = g ll
                callx r1
                exit
            .func g
                *(u64 *)(r10 -168) = 3
                r0 = *(u64 *)(r10 -168)
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("combined stack size of 3 calls is")
        .into(),
        rejects(
            "callx/stack_of_callee_passed_down",
            "the function is called far below of where its address was loaded",
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
        )
        .errno(errno::EACCES)
        .log("combined stack size of 3 calls is")
        .into(),
        rejects(
            "callx/without_cap_bpf",
            "functions need CAP_BPF",
            "
            .prog main socket
                r2 = f ll
                callx r2
                exit
            .func f
                r0 = 0
                exit
            ",
        )
        .errno(errno::EPERM)
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON, cap::BPF])
        .into(),
    ]);
    cases
}
