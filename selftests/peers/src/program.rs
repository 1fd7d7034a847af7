//! Programs for peers.

use bpf_isa::{Insn, Op, decode};

use crate::Peer;
use crate::agreement::{Agreement, agreement};

/// Stack size, in bytes, of each function of a program with calls.
pub const FRAME_SIZE: u16 = 64;

/// Slot limit of a program: `rbpf` counts slots in signed 16 bits, and one is added here.
pub const MAX_SLOTS: usize = i16::MAX as usize - 1;

/// A helper: takes r1 to r5, returns r0.
pub type Function = fn(u64, u64, u64, u64, u64) -> u64;

/// The helper that a program may call.
#[derive(Clone, Copy, Debug)]
pub struct Helper {
    /// Number of the helper in calls.
    pub id: i32,
    /// The implementation. It must not panic.
    pub function: Function,
}

/// Why a peer cannot run a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The peer does not have an instruction, or interprets it as another one.
    #[error("{peer} cannot run slot {slot}: {why}")]
    Lacks {
        /// Name of the peer.
        peer: &'static str,
        /// Slot of the instruction.
        slot: usize,
        /// Reason.
        why: String,
    },
    /// The peer rejects the program.
    #[error("{peer} refuses the program: {why}")]
    Refused {
        /// Name of the peer.
        peer: &'static str,
        /// The peer's error.
        why: String,
    },
    /// The memory has the wrong length.
    #[error("the program was prepared for memory of {expected} bytes, not of {found}")]
    Memory {
        /// Length that the program was made for, in bytes.
        expected: usize,
        /// Length of the memory, in bytes.
        found: usize,
    },
    /// The peer stopped the program.
    #[error("{peer} stops the program: {why}")]
    Failed {
        /// Name of the peer.
        peer: &'static str,
        /// The peer's error.
        why: String,
    },
}

/// A program and its environment.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) insns: Vec<Insn>,
    /// Size of the memory at r1, in bytes.
    pub(crate) memory_len: u32,
    pub(crate) helper: Option<Helper>,
    /// The encoded program for `rbpf`, with an added first instruction that sets r2.
    pub(crate) with_length: Vec<u8>,
}

impl Program {
    /// A program that runs on `memory_len` bytes of memory. It must end with `exit` or `goto`.
    pub fn new(insns: &[Insn], memory_len: u32) -> Self {
        // `r2 = memory_len`, zero-extended.
        let length = Insn { code: 0xb4, dst: 2, src: 0, off: 0, imm: memory_len as i32 };
        let with_length = std::iter::once(&length).chain(insns);
        Self { insns: insns.to_vec(), memory_len, helper: None, with_length: encode(with_length) }
    }

    /// Adds a helper that the program may call.
    #[must_use]
    pub fn with_helper(self, helper: Helper) -> Self {
        Self { helper: Some(helper), ..self }
    }

    /// Checks that the peer has every instruction, and that no path leaves the program.
    pub(crate) fn check(&self, peer: Peer) -> Result<(), PeerError> {
        let refused = |why: &str| PeerError::Refused { peer: peer.name(), why: why.into() };
        if self.insns.len() > MAX_SLOTS {
            return Err(refused("it has too many slots"));
        }
        let mut first = vec![false; self.insns.len()];
        let mut calls = Vec::new();
        let mut last = None;
        let mut slot = 0;
        while slot < self.insns.len() {
            let lacks = |why| PeerError::Lacks { peer: peer.name(), slot, why };
            let (op, width) =
                decode(&self.insns, slot).map_err(|err| lacks(err.kind.to_string()))?;
            if let Agreement::Lacks(why) = agreement(peer, &op) {
                return Err(lacks(why.into()));
            }
            match op {
                Op::CallLocal { off } => calls.push((slot, slot as i64 + 1 + i64::from(off))),
                Op::CallHelper { id } if self.helper.is_none_or(|helper| helper.id != id) => {
                    return Err(lacks(format!("the program comes without helper {id}")));
                }
                _ => {}
            }
            first[slot] = true;
            last = Some(op);
            slot += width;
        }
        // rbpf panics if either is violated.
        if !matches!(last, Some(Op::Exit | Op::Ja { .. })) {
            return Err(refused("it does not end in an exit or a jump"));
        }
        for (slot, target) in calls {
            let starts = usize::try_from(target).is_ok_and(|at| first.get(at) == Some(&true));
            if !starts {
                let why = "no instruction starts where it calls".into();
                return Err(PeerError::Lacks { peer: peer.name(), slot, why });
            }
        }
        Ok(())
    }

    /// Checks the length of a run's memory.
    pub(crate) fn check_memory(&self, memory: &[u8]) -> Result<(), PeerError> {
        let expected = self.memory_len as usize;
        if memory.len() == expected {
            return Ok(());
        }
        Err(PeerError::Memory { expected, found: memory.len() })
    }
}

/// The bytes of instructions.
pub(crate) fn encode<'a>(insns: impl IntoIterator<Item = &'a Insn>) -> Vec<u8> {
    insns.into_iter().flat_map(|insn| insn.to_bytes()).collect()
}
