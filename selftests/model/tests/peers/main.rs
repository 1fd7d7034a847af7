//! The model against interpreters that this project did not write: `rbpf` and `solana-sbpf`.
//!
//! Any program of the instructions that a peer shares with the kernel has to give the same r0 and
//! leave the same memory. Where a peer is known to differ, the difference is shown.

mod agree;
mod differ;
mod generate;

use bpf_isa::Insn;
use bpf_model::Machine;
use bpf_peers::{Peer, PeerError, Program, prepare};

/// r0 and memory afterwards, or what stopped the program.
type Outcome = Result<(u64, Vec<u8>), String>;

/// Runs instructions in the model.
fn in_model(insns: &[Insn], memory: &[u8]) -> Outcome {
    let mut machine = Machine::of_insns(insns).map_err(|error| error.to_string())?;
    let outcome = machine.run_function(0, memory, 1_000_000).map_err(|trap| trap.to_string())?;
    assert!(!outcome.address_leaked, "the outcome depends on an address");
    Ok((outcome.r0, outcome.ctx))
}

/// Runs instructions in a peer.
fn in_peer(peer: Peer, insns: &[Insn], memory: &[u8]) -> Outcome {
    let program = Program::new(insns, memory.len() as u32);
    let mut memory = memory.to_vec();
    let r0 = prepare(peer, &program)
        .and_then(|mut prepared| prepared.run(&mut memory))
        .map_err(|error: PeerError| error.to_string())?;
    Ok((r0, memory))
}
