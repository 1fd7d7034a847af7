//! Registers and frames of a run.

use crate::memory::{FRAMES, Memory};
use crate::trap::TrapKind;
use crate::value::Value;

/// Jumps over `may_goto` that a call of a function makes before its budget is spent
/// (`BPF_MAX_LOOPS`, `include/linux/bpf.h`).
const MAX_LOOPS: u64 = 8 * 1024 * 1024;

/// Registers, frames and position of a run.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// r0 to r10; the rest is there so that a masked index is always in range.
    pub(crate) regs: [Value; 16],
    pub(crate) frames: [Frame; FRAMES],
    pub(crate) depth: usize,
    /// Code that was executed last: the one that trapped, after a trap.
    pub(crate) at: usize,
    pub(crate) steps: u64,
    /// The path taken depends on an address.
    pub(crate) leaked: bool,
    /// A `may_goto` has jumped.
    pub(crate) may_goto_spent: bool,
}

/// What a function call puts aside, and what a function has of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    /// Code to go on with after the return.
    ret: usize,
    /// r6 to r10 of the caller.
    saved: [Value; 5],
    /// How often `may_goto` still falls through.
    pub(crate) may_goto: u64,
}

impl State {
    /// The state before the first instruction.
    pub(crate) fn new(r1: Value, memory: &mut Memory) -> Self {
        let mut regs = [Value::UNINIT; 16];
        regs[1] = r1;
        regs[10] = memory.enter_frame(0);
        let mut frames = [Frame::default(); FRAMES];
        frames[0].may_goto = MAX_LOOPS;
        Self { regs, frames, depth: 0, at: 0, steps: 0, leaked: false, may_goto_spent: false }
    }

    /// Enters a function: its r1 to r5 are the caller's, nothing else is.
    pub(crate) fn enter(&mut self, ret: usize, memory: &mut Memory) -> Result<(), TrapKind> {
        if self.depth + 1 >= FRAMES {
            return Err(TrapKind::CallDepth);
        }
        self.depth += 1;
        let mut saved = [Value::UNINIT; 5];
        saved.copy_from_slice(&self.regs[6..11]);
        self.frames[self.depth] = Frame { ret, saved, may_goto: MAX_LOOPS };
        self.regs[0] = Value::UNINIT;
        self.regs[6..10].fill(Value::UNINIT);
        self.regs[10] = memory.enter_frame(self.depth);
        Ok(())
    }

    /// Returns from a function; gives where to go on, none from the entry function.
    pub(crate) fn leave(&mut self, memory: &mut Memory) -> Option<usize> {
        memory.leave_frame(self.depth);
        if self.depth == 0 {
            return None;
        }
        let frame = self.frames[self.depth];
        self.depth -= 1;
        self.regs[6..11].copy_from_slice(&frame.saved);
        self.clobber();
        Some(frame.ret)
    }

    /// A call leaves r1 to r5 unreadable.
    pub(crate) fn clobber(&mut self) {
        self.regs[1..6].fill(Value::UNINIT);
    }
}
