//! Decodes, prints, assembles and encodes arbitrary slots: all four must agree.

use bpf_isa::{Imm64, Insn, Op, assemble, decode, disassemble, encode};

use crate::Seed;

/// Limit for slots of an input; more would only be repetition.
const MAX_SLOTS: usize = 512;

/// Runs the target.
///
/// # Panics
///
/// If encoding or the notation is not the inverse of decoding.
pub fn run(bytes: &[u8]) {
    let insns = slots(bytes);
    let insns = &insns[..insns.len().min(MAX_SLOTS)];
    let _ = disassemble(insns);
    let mut source = String::new();
    let mut sound: Vec<Insn> = Vec::new();
    let mut slot = 0;
    while slot < insns.len() {
        let Ok((op, width)) = decode(insns, slot) else {
            slot += 1;
            continue;
        };
        let mut expected = insns[slot..slot + width].to_vec();
        match op {
            // Fields that the kernel ignores.
            Op::Exit => expected[0].off = 0,
            Op::LdImm64 { value: Imm64::Func { .. }, .. } => expected[1].imm = 0,
            _ => {}
        }
        assert_eq!(&*encode(&op), &expected[..], "{op} is encoded otherwise");
        source.push_str(&format!("  {op}\n"));
        sound.extend(expected);
        slot += width;
    }
    if sound.is_empty() {
        return;
    }
    match assemble(&source) {
        Ok(unit) => assert_eq!(unit.functions[0].insns, sound, "{source}"),
        Err(error) => panic!("what decoding printed does not assemble: {error}\n{source}"),
    }
}

/// The complete slots in some bytes.
pub(crate) fn slots(bytes: &[u8]) -> Vec<Insn> {
    bytes.as_chunks::<{ Insn::SIZE }>().0.iter().map(|&bytes| Insn::from_bytes(bytes)).collect()
}

/// The instructions of the suites' programs.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for case in bpf_suites::all() {
        let Ok(plan) = case.plan() else { continue };
        for (number, program) in plan.programs.iter().enumerate() {
            let slots = program.insns.iter().take(MAX_SLOTS);
            let bytes = slots.flat_map(|insn| insn.to_bytes()).collect();
            seeds.push((format!("{}-{number}", case.name), bytes));
        }
    }
    seeds
}
