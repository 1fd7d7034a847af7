//! From bytes to a machine with one program: bare instructions, or an ELF object.

use bpf_isa::{DecodeError, Insn, decode};
use bpf_model::{Machine, ModelError};
use bpf_object::{LinkError, link, read};
use thiserror::Error;

/// Magic of ELF files.
pub(crate) const ELF_MAGIC: &[u8] = b"\x7fELF";

/// `SHF_EXECINSTR` of the ELF specification.
const EXECUTABLE: u64 = 4;

/// Why bytes are not a program.
#[derive(Debug, Error)]
pub(crate) enum ProgramError {
    #[error("it has no instructions")]
    Empty,
    #[error("its {0} bytes are no whole number of instructions of 8")]
    Length(usize),
    #[error(transparent)]
    Instruction(#[from] DecodeError),
    #[error("it is an object with {0} programs; keep one")]
    Many(usize),
    #[error(transparent)]
    Object(#[from] LinkError),
    #[error(transparent)]
    Maps(#[from] ModelError),
}

/// A machine for bare instructions. All must be valid, whether they are reached or not.
pub(crate) fn bare(bytes: &[u8]) -> Result<Machine, ProgramError> {
    let (slots, rest) = bytes.as_chunks::<{ Insn::SIZE }>();
    if !rest.is_empty() {
        return Err(ProgramError::Length(bytes.len()));
    }
    if slots.is_empty() {
        return Err(ProgramError::Empty);
    }
    let insns: Vec<Insn> = slots.iter().map(|&bytes| Insn::from_bytes(bytes)).collect();
    check(&insns)?;
    Ok(Machine::of_insns(&insns)?)
}

/// A machine for an object, linked as a loader would. If the section names imply no program type,
/// and there is nothing to link, the only section with code is the program.
pub(crate) fn object(bytes: &[u8]) -> Result<Machine, ProgramError> {
    let plan = match link(bytes) {
        Ok(plan) => plan,
        Err(error) => return unlinked(bytes).unwrap_or(Err(error.into())),
    };
    let [program] = &plan.programs[..] else {
        return Err(ProgramError::Many(plan.programs.len()));
    };
    check(&program.insns)?;
    Ok(Machine::new(&plan)?)
}

/// The code of an object with a single code section and without relocations in it.
fn unlinked(bytes: &[u8]) -> Option<Result<Machine, ProgramError>> {
    let object = read(bytes).ok()?;
    let mut code = object
        .sections
        .iter()
        .filter(|section| section.flags & EXECUTABLE != 0 && !section.data.is_empty());
    let section = code.next()?;
    let alone = code.next().is_none() && section.relocations.is_empty();
    alone.then(|| bare(section.data))
}

fn check(insns: &[Insn]) -> Result<(), DecodeError> {
    let mut slot = 0;
    while slot < insns.len() {
        slot += decode(insns, slot)?.1;
    }
    Ok(())
}
