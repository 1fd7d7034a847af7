//! `bpf-model-plugin`: the reference model as a plug-in for the `bpf_conformance` runner.
//!
//! It reads the program as hex from standard input, the memory as hex from the first argument, and
//! writes r0 as hex to standard output. Exit status 0: the program returned; 1: it is invalid or it
//! trapped, with the reason on standard error; 2: wrong usage.

mod hex;
mod program;

use std::io::Read;
use std::process::ExitCode;

use bpf_model::Trap;
use clap::Parser;
use hex::HexError;
use program::ProgramError;
use thiserror::Error;

/// Limit for bytes of hex input. A million instructions, the kernel's limit, take 24 MB.
const MAX_INPUT: u64 = 32 << 20;

/// Runs a BPF program in the reference model: r1 is the address of the memory, r2 its length, both
/// 0 without memory. r0 goes to standard output as hex. White space in hex does not matter.
///
/// All checks of the model are enabled: reading an uninitialised register or stack byte, accessing
/// anything outside the memory, or jumping to no instruction stops the program.
#[derive(Debug, Parser)]
#[command(name = "bpf-model-plugin", version)]
struct Arguments {
    /// The memory as hex; an empty string means no memory.
    #[arg(value_name = "MEMORY", default_value = "", hide_default_value = true)]
    #[arg(value_parser = hex::parse)]
    memory: Bytes,
    /// The program as hex, instead of standard input.
    #[arg(long, value_name = "HEX")]
    program: Option<String>,
    /// The program is an ELF object with one program; standard input may also be the file itself.
    #[arg(long)]
    elf: bool,
    /// Limit of executed instructions.
    #[arg(long, value_name = "STEPS", default_value_t = 100_000_000)]
    budget: u64,
}

/// Parsed hex; an alias, so that clap does not treat it as an option that may be repeated.
type Bytes = Box<[u8]>;

/// Why there is no r0.
#[derive(Debug, Error)]
enum Failure {
    #[error("failed to read the program from standard input: {0}")]
    Read(#[from] std::io::Error),
    #[error("the program on standard input is larger than {MAX_INPUT} bytes of hex")]
    TooLarge,
    #[error("the program is not hex: {0}")]
    Hex(#[from] HexError),
    #[error("invalid program: {0}")]
    Program(#[from] ProgramError),
    #[error("the program trapped at {0}")]
    Trap(#[from] Box<Trap>),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(r0) => {
            println!("{r0:x}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("bpf-model-plugin: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<u64, Failure> {
    let text = match &arguments.program {
        Some(program) => program.clone().into_bytes(),
        None => standard_input()?,
    };
    let raw_elf = arguments.elf && text.starts_with(program::ELF_MAGIC);
    let bytes = if raw_elf { text.into() } else { hex::bytes(&text)? };
    let mut machine = if arguments.elf { program::object(&bytes)? } else { program::bare(&bytes)? };
    Ok(machine.run_function(0, &arguments.memory, arguments.budget)?.r0)
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_INPUT { Err(Failure::TooLarge) } else { Ok(text) }
}
