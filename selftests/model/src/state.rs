//! Registers and frames of a run.

use crate::arith::readable;
use crate::memory::{FRAME_SIZE, FRAMES, Memory};
use crate::trap::TrapKind;
use crate::value::Value;

/// Jumps over `may_goto` that a call of a function makes before its budget is spent
/// (`BPF_MAX_LOOPS`, `include/linux/bpf.h`).
const MAX_LOOPS: u64 = 8 * 1024 * 1024;

/// Programs that may follow each other by tail calls (`MAX_TAIL_CALL_CNT`, `include/linux/bpf.h`).
const MAX_TAIL_CALLS: u32 = 33;

/// Registers, frames and position of a run.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// r0 to r10; the rest is there so that a masked index is always in range.
    pub(crate) regs: [Value; 16],
    pub(crate) frames: [Frame; FRAMES],
    pub(crate) depth: usize,
    /// Number of the program that is being executed.
    pub(crate) program: usize,
    /// The context, as the first program got it in r1.
    ctx: Value,
    /// Tail calls so far.
    tail_calls: u32,
    /// Arguments beyond the fifth that the current function was called with.
    incoming: Vec<Value>,
    /// Those that it has written for its next call.
    outgoing: Vec<Value>,
    /// The `bpf_spin_lock` that is held.
    pub(crate) lock: Option<Value>,
    /// Code that was executed last: the one that trapped, after a trap.
    pub(crate) at: usize,
    pub(crate) steps: u64,
    /// The path taken depends on an address.
    pub(crate) leaked: bool,
    /// A `may_goto` has jumped.
    pub(crate) may_goto_spent: bool,
    /// All frames lie on one stack, which may have 512 bytes.
    pub(crate) one_stack: bool,
}

/// What a function call puts aside, and what a function has of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    /// Code to go on with after the return.
    ret: usize,
    /// Number of the program that this code belongs to: after a tail call it is another one.
    program: usize,
    /// Set where a helper has called the function.
    callback: Option<Callback>,
    /// r6 to r10 of the caller.
    saved: [Value; 5],
    /// How often `may_goto` still falls through.
    pub(crate) may_goto: u64,
    /// Bytes of stack that the callers had used, if that is limited. Not those of another program.
    below: usize,
}

/// A function that `bpf_loop` calls again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callback {
    /// Its first code.
    pub(crate) start: usize,
    /// Times that it is called at most; not 0.
    pub(crate) count: u32,
    /// Its second argument.
    pub(crate) ctx: Value,
    /// Times that it was called before.
    pub(crate) index: u32,
}

/// Arguments of a function beyond the fifth (`MAX_STACK_ARG_SLOTS`, `include/linux/bpf_verifier.h`).
const MAX_STACK_ARGS: usize = 7;

/// Where a run goes on after the end of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nowhere: it was the entry function.
    Finished,
    /// At a code of the program with this number.
    Code(usize, usize),
}

impl State {
    /// The state before the first instruction.
    pub(crate) fn new(program: usize, r1: Value, memory: &mut Memory) -> Self {
        let mut regs = [Value::UNINIT; 16];
        regs[1] = r1;
        regs[10] = memory.enter_frame(0);
        let mut frames = [Frame::default(); FRAMES];
        frames[0].may_goto = MAX_LOOPS;
        Self {
            regs,
            frames,
            depth: 0,
            program,
            ctx: r1,
            tail_calls: 0,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            lock: None,
            at: 0,
            steps: 0,
            leaked: false,
            may_goto_spent: false,
            one_stack: false,
        }
    }

    /// Enters a function: its r1 to r5 are the caller's, nothing else is.
    #[inline]
    pub(crate) fn enter(&mut self, ret: usize, memory: &mut Memory) -> Result<(), TrapKind> {
        if self.depth + 1 >= FRAMES {
            return Err(TrapKind::CallDepth);
        }
        let below = if self.one_stack { self.stack_used(memory)? } else { 0 };
        self.depth += 1;
        let frame = &mut self.frames[self.depth];
        frame.below = below;
        frame.ret = ret;
        frame.program = self.program;
        frame.callback = None;
        frame.saved.copy_from_slice(&self.regs[6..11]);
        std::mem::swap(&mut self.incoming, &mut self.outgoing);
        self.outgoing.clear();
        self.begin_function(memory);
        Ok(())
    }

    /// Bytes of stack that the frames of the chain have used so far.
    #[inline]
    fn stack_used(&self, memory: &Memory) -> Result<usize, TrapKind> {
        let bytes = self.frames[self.depth].below + memory.used_by_frame(self.depth);
        if bytes > FRAME_SIZE {
            return Err(TrapKind::CombinedStack { bytes: bytes as u64 });
        }
        Ok(bytes)
    }

    /// What the current function has used of the stack, now that it is over.
    #[inline]
    pub(crate) fn check_stack(&self, memory: &Memory) -> Result<(), TrapKind> {
        if memory.frame_uses_more_than_beside(self.depth, self.frames[self.depth].below) {
            self.stack_used(memory)?;
        }
        Ok(())
    }

    /// Enters a function that a helper calls.
    pub(crate) fn enter_callback(
        &mut self,
        ret: usize,
        callback: Callback,
        memory: &mut Memory,
    ) -> Result<(), TrapKind> {
        self.enter(ret, memory)?;
        self.frames[self.depth].callback = Some(callback);
        self.pass_to_callback(callback);
        Ok(())
    }

    /// `set_loop_callback_state()` of `kernel/bpf/verifier.c`: the rest is not readable.
    fn pass_to_callback(&mut self, callback: Callback) {
        self.clobber();
        self.regs[1] = Value::scalar(callback.index.into());
        self.regs[2] = callback.ctx;
    }

    /// The frame of the current depth is a new one.
    #[inline]
    fn begin_function(&mut self, memory: &mut Memory) {
        self.frames[self.depth].may_goto = MAX_LOOPS;
        self.regs[0] = Value::UNINIT;
        self.regs[6..10].fill(Value::UNINIT);
        self.regs[10] = memory.enter_frame(self.depth);
    }

    /// Ends the current function with the result in r0, whoever has called it.
    pub(crate) fn end_function(&mut self, memory: &mut Memory) -> Result<After, TrapKind> {
        if self.depth == 0 {
            readable(0, self.regs[0])?;
            if self.lock.is_some() {
                return Err(TrapKind::Lock { why: "is held at the end of the program" });
            }
            memory.leave_frame(0);
            return Ok(After::Finished);
        }
        let Some(mut callback) = self.frames[self.depth].callback else {
            let (program, code) = self.leave(memory);
            return Ok(After::Code(program, code));
        };
        readable(0, self.regs[0])?;
        self.leaked |= self.regs[0].prov.is_address();
        callback.index += 1;
        if self.regs[0].bits != 0 || callback.index == callback.count {
            let (program, code) = self.leave(memory);
            self.regs[0] = Value::scalar(callback.index.into());
            return Ok(After::Code(program, code));
        }
        memory.leave_frame(self.depth);
        self.frames[self.depth].callback = Some(callback);
        self.begin_function(memory);
        self.pass_to_callback(callback);
        Ok(After::Code(self.program, callback.start))
    }

    /// Ends the current function if another one of the program has called it: program and code to
    /// go on with.
    #[inline]
    pub(crate) fn return_to_caller(&mut self, memory: &mut Memory) -> Option<(usize, usize)> {
        if self.depth == 0 || self.frames[self.depth].callback.is_some() {
            return None;
        }
        Some(self.leave(memory))
    }

    /// Returns from a function that is not the entry: program and code to go on with.
    #[inline]
    fn leave(&mut self, memory: &mut Memory) -> (usize, usize) {
        memory.leave_frame(self.depth);
        let frame = &self.frames[self.depth];
        self.depth -= 1;
        self.regs[6..11].copy_from_slice(&frame.saved);
        let after = (frame.program, frame.ret);
        self.clobber();
        after
    }

    /// What r6 to r10 of the caller of the function at this depth hold.
    pub(crate) fn saved(&self, depth: usize, number: usize) -> Option<Value> {
        let frame = self.frames.get(depth)?;
        frame.saved.get(number.checked_sub(6)?).copied()
    }

    /// Whether another tail call may be made, and r1 is what it needs.
    pub(crate) fn may_tail_call(&self) -> Result<bool, &'static str> {
        if self.regs[1] != self.ctx {
            return Err("is not the context");
        }
        Ok(self.tail_calls < MAX_TAIL_CALLS)
    }

    /// Replaces the current function by another program, which starts with r1 alone.
    pub(crate) fn tail_call(&mut self, program: usize, memory: &mut Memory) {
        self.tail_calls += 1;
        self.frames[self.depth].below = 0;
        self.program = program;
        memory.leave_frame(self.depth);
        self.clobber();
        self.regs[1] = self.ctx;
        self.begin_function(memory);
    }

    /// A call leaves r1 to r5 unreadable, and arguments beyond the fifth.
    pub(crate) fn clobber(&mut self) {
        self.regs[1..6].fill(Value::UNINIT);
        self.incoming.clear();
        self.outgoing.clear();
    }

    /// Writes an argument beyond the fifth for the next call. Where those of the current function
    /// were passed may be overwritten by it.
    pub(crate) fn pass(&mut self, number: usize, value: Value) -> Result<(), TrapKind> {
        if number >= MAX_STACK_ARGS {
            return Err(TrapKind::Unsupported("more than twelve arguments".into()));
        }
        self.incoming.clear();
        let written = self.outgoing.len().max(number + 1);
        self.outgoing.resize(written, Value::UNINIT);
        if let Some(slot) = self.outgoing.get_mut(number) {
            *slot = value;
        }
        Ok(())
    }

    /// An argument beyond the fifth of the current function.
    pub(crate) fn passed(&self, number: usize) -> Value {
        self.incoming.get(number).copied().unwrap_or(Value::UNINIT)
    }
}
