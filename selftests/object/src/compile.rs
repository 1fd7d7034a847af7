//! From source to object and load plan in one call.

use thiserror::Error;

use crate::link::{BtfUse, LinkError, link_with};
use crate::plan::LoadPlan;
use crate::write::{WriteError, write};

/// Why a source cannot be compiled to a load plan.
#[derive(Debug, Error)]
pub enum CompileError {
    /// It cannot be assembled.
    #[error(transparent)]
    Assemble(#[from] bpf_isa::AsmError),
    /// The unit cannot be written as an object.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The object cannot be linked.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Assembles a source, writes the ELF object and links it.
///
/// # Errors
///
/// The error of the first stage that fails.
pub fn compile(source: &str) -> Result<LoadPlan, CompileError> {
    compile_with(source, BtfUse::Auto)
}

/// Like [`compile`], with a choice of which programs get BTF.
///
/// # Errors
///
/// The error of the first stage that fails.
pub fn compile_with(source: &str, btf: BtfUse) -> Result<LoadPlan, CompileError> {
    Ok(link_with(&compile_elf(source)?, btf)?)
}

/// Assembles a source and returns the bytes of its ELF object.
///
/// # Errors
///
/// The error of the first stage that fails.
pub fn compile_elf(source: &str) -> Result<Vec<u8>, CompileError> {
    Ok(write(&bpf_isa::assemble(source)?)?)
}
