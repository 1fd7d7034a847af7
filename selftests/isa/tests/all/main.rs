//! Tests of the instruction crate.

mod asm;
mod asm_errors;
mod decode;
mod disasm;
mod roundtrip;
mod strategy;
