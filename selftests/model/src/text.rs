//! Instructions as text, for traps and traces.

use bpf_isa::{Insn, decode};

/// The instruction at a slot, or what stands there if it is none.
pub(crate) fn disassemble(insns: &[Insn], slot: usize) -> String {
    match (decode(insns, slot), insns.get(slot)) {
        (Ok((op, _)), _) => format!("{op:?}"),
        (Err(_), Some(insn)) => format!("{insn:?}"),
        (Err(_), None) => String::new(),
    }
}
