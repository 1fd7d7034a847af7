//! The text of a translated program, as the annotations expect it.

use bpf_isa::opcode::{CALL_IMM, LD_IMM64, PSEUDO_CALL};
use bpf_isa::{Insn, disassemble_one};

/// A line an instruction, with its slot in front: `3: exit`.
///
/// As `disasm_insn()` of `tools/testing/selftests/bpf/disasm_helpers.c`: without the opcode in
/// brackets, calls of helpers without their number, calls of functions with the distance that the
/// kernel keeps in `off`.
pub fn text(bytes: &[u8]) -> String {
    let insns: Vec<Insn> =
        bytes.as_chunks().0.iter().map(|bytes| Insn::from_bytes(*bytes)).collect();
    let mut text = String::new();
    let mut slot = 0;
    while let Some(insn) = insns.get(slot) {
        let line = match *insn {
            Insn { code: CALL_IMM, src: PSEUDO_CALL, off, .. } => format!("call pc{off:+}"),
            _ => {
                let line = disassemble_one(&insns[slot..]).unwrap_or_default();
                let line = line.get("(00) ".len()..).unwrap_or_default();
                match line.rsplit_once('#') {
                    Some((call, _)) if line.starts_with("call ") => call.to_owned(),
                    _ => line.to_owned(),
                }
            }
        };
        text.push_str(&format!("{slot}: {line}\n"));
        slot += if insn.code == LD_IMM64 { 2 } else { 1 };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_neither_opcodes_nor_numbers_of_helpers() {
        let insn = |code, src, off, imm| Insn { code, dst: 1, src, off, imm };
        let insns = [
            insn(LD_IMM64, 0, 0, 7),
            insn(0, 0, 0, 0),
            insn(CALL_IMM, 0, 0, 1),
            insn(CALL_IMM, 0, 0, -99_999),
            insn(CALL_IMM, PSEUDO_CALL, 3, 1),
            insn(CALL_IMM, 2, 0, 12),
            insn(0xb7, 0, 0, 5),
        ];
        let bytes: Vec<u8> = insns.iter().flat_map(|insn| insn.to_bytes()).collect();
        assert_eq!(
            text(&bytes),
            "0: r1 = 0x7\n2: call bpf_map_lookup_elem\n3: call unknown\n4: call pc+3\n\
             5: call kernel-function\n6: r1 = 5\n"
        );
    }
}
