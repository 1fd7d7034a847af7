//! Instructions as text, for traps and traces.

use bpf_isa::{Insn, disassemble_one};

/// The instruction at a slot as the verifier's log prints it; empty if there is no such slot.
pub(crate) fn disassemble(insns: &[Insn], slot: usize) -> String {
    insns.get(slot..).and_then(disassemble_one).unwrap_or_default()
}
