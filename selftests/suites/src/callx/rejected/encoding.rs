//! Invalid encodings.

use crate::Case;
use crate::builder::rejects;

pub(super) fn cases() -> Vec<Case> {
    [
        ("callx/source_register", ".insn 0x8d 2 1 0 0", "BPF_CALL|BPF_X uses reserved fields"),
        ("callx/offset", ".insn 0x8d 2 0 1 0", "BPF_CALL|BPF_X uses reserved fields"),
        ("callx/immediate", ".insn 0x8d 2 0 0 2", "BPF_CALL|BPF_X uses reserved fields"),
        (
            // LLVM's encoding before 19.1.
            "callx/register_in_immediate",
            ".insn 0x8d 0 0 0 2",
            "BPF_CALL|BPF_X uses reserved fields",
        ),
        // The pseudo sources of a direct call: BPF_PSEUDO_CALL and BPF_PSEUDO_KFUNC_CALL.
        ("callx/pseudo_call", ".insn 0x8d 0 1 0 1", "BPF_CALL|BPF_X uses reserved fields"),
        ("callx/pseudo_kfunc_call", ".insn 0x8d 0 2 0 1", "BPF_CALL|BPF_X uses reserved fields"),
        ("callx/jmp32", ".insn 0x8e 2 0 0 0", "unknown opcode 8e"),
        ("callx/register_11", ".insn 0x8d 11 0 0 0", "R11 is invalid"),
        ("callx/register_15", ".insn 0x8d 15 0 0 0", "R15 is invalid"),
    ]
    .map(|(name, insn, log)| {
        rejects(
            name,
            "the other fields are zero, the register is one of r0 to r10, and the 32-bit form does \
             not exist",
            format!("r2 = f ll\n{insn}\nexit\n.func f\nr0 = 0\nexit"),
        )
        .log(log)
        .into()
    })
    .into()
}
