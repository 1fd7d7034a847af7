//! Invalid encodings of the instruction.

use crate::Case;
use crate::builder::rejects;

/// A program whose jump is the raw instruction `insn`, in the notation `CODE DST SRC OFF IMM`.
fn with_raw(insn: &str) -> String {
    format!(
        "
            r0 = JT ll
            r0 = *(u64 *)(r0 +8)
            .insn {insn}
        a:
            r0 = 0
            exit
        b:
            r0 = 1
            exit
        .jumptable JT: a, b
        "
    )
}

pub(super) fn cases() -> Vec<Case> {
    let raw = |name: &str, about: &str, insn: &str, log: &str| -> Case {
        rejects(name, about, with_raw(insn)).log(log).into()
    };
    const RESERVED: &str = "BPF_JA|BPF_X uses reserved fields";
    vec![
        raw(
            "gotox/reserved_source",
            "the source register must be zero (verifier_gotox: reserved_field_src_reg)",
            "0x0d 0 1 0 0",
            RESERVED,
        ),
        raw(
            "gotox/reserved_offset",
            "the offset must be zero (verifier_gotox: reserved_field_non_zero_off)",
            "0x0d 0 0 1 0",
            RESERVED,
        ),
        raw(
            "gotox/reserved_immediate",
            "the immediate must be zero (verifier_gotox: reserved_field_non_zero_imm)",
            "0x0d 0 0 0 1",
            RESERVED,
        ),
        raw(
            "gotox/reserved_negative_offset",
            "the offset is looked at in all its bits",
            "0x0d 0 0 -1 0",
            RESERVED,
        ),
        raw(
            "gotox/all_reserved_fields",
            "all reserved fields at once",
            "0x0d 0 9 32767 -1",
            RESERVED,
        ),
        raw(
            "gotox/register_11",
            "there is no register 11 for programs",
            "0x0d 11 0 0 0",
            "R11 is invalid",
        ),
        raw(
            "gotox/register_15",
            "nor any other that the four bits could name",
            "0x0d 15 0 0 0",
            "R15 is invalid",
        ),
        raw(
            "gotox/source_register_11",
            "register numbers are checked before reserved fields",
            "0x0d 0 11 0 0",
            "R11 is invalid",
        ),
        raw(
            "gotox/jmp32_form",
            "the class JMP32 has no indirect jump",
            "0x0e 0 0 0 0",
            "unknown opcode 0e",
        ),
    ]
}
