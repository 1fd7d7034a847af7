//! Runs BPF programs in third-party interpreters: `rbpf` and `solana-sbpf`.
//!
//! For property tests and benchmarks. [`prepare()`] prepares a [`Program`] once for a [`Peer`]; it
//! can then run any number of times, on memory of the length that it was made for: r1 is the
//! memory's address, r2 its length in bytes. [`agreement()`] says for each instruction whether a
//! peer has it, and where it is known to differ from the kernel.
//!
//! For all instructions:
//!
//! - The peers do not track uninitialised registers or stack; both start with zeros. Addresses
//!   differ, so a result must not depend on any.
//! - `rbpf` has 512 bytes of stack for all frames together and at most 8 nested calls. It is set up
//!   here to give each function [`FRAME_SIZE`] bytes if there are calls. It has no budget: a
//!   program that does not terminate never returns. It may have at most [`MAX_SLOTS`] slots, and a
//!   jump must not go to itself.
//! - `solana-sbpf` runs as version 4 of its instruction set, with frames of 4096 bytes, at most 63
//!   nested calls, and its instruction meter enabled. A program can read its own bytes at address
//!   0.
//! - A helper is a Rust function of five numbers. As safe code it cannot read through an address;
//!   it may compute with them, and return one.

mod agreement;
mod program;
mod rbpf_peer;
mod sbpf_peer;

pub use agreement::{Agreement, agreement};
pub use program::{FRAME_SIZE, Function, Helper, MAX_SLOTS, PeerError, Program};

/// An implementation of BPF other than the model and the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// <https://github.com/qmonnet/rbpf>, the interpreter.
    Rbpf,
    /// <https://github.com/anza-xyz/sbpf>, the interpreter.
    Sbpf,
}

impl Peer {
    /// All peers.
    pub const ALL: [Self; 2] = [Self::Rbpf, Self::Sbpf];

    /// Name of the crate.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rbpf => "rbpf",
            Self::Sbpf => "solana-sbpf",
        }
    }
}

/// A program prepared for a peer.
pub trait Run {
    /// Runs it on this memory, which must have the length that the program was made for, and
    /// returns r0.
    ///
    /// # Errors
    ///
    /// [`PeerError::Memory`] for memory of another length, [`PeerError::Failed`] if the peer stops
    /// the program: an access out of bounds, too many calls, too many steps.
    fn run(&mut self, memory: &mut [u8]) -> Result<u64, PeerError>;
}

/// Prepares a program for a peer.
///
/// # Errors
///
/// [`PeerError::Lacks`] for an instruction that the peer does not have, [`PeerError::Refused`] if
/// the peer's own checks reject the program.
pub fn prepare(peer: Peer, program: &Program) -> Result<Box<dyn Run + '_>, PeerError> {
    program.check(peer)?;
    Ok(match peer {
        Peer::Rbpf => Box::new(rbpf_peer::Rbpf::new(program)?),
        Peer::Sbpf => Box::new(sbpf_peer::Sbpf::new(program)?),
    })
}
