//! Traps: why the model stopped, where, and with what in the registers.

use std::borrow::Cow;
use std::fmt;

use crate::value::{Value, ValueKind};

/// Why an execution stopped before the program returned.
///
/// Every kind but [`TrapKind::Budget`] and [`TrapKind::Unsupported`] means that a verifier that
/// accepted the program was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrapKind {
    /// A register was read that nothing has written, or that a call has clobbered.
    #[error("r{reg} is read but was not written")]
    UninitRegister {
        /// Number of the register.
        reg: u8,
    },
    /// Stack bytes were read that this frame has not written.
    ///
    /// The kernel allows this to programs loaded with CAP_PERFMON
    /// (`bpf_allow_uninit_stack()`); what they then see is undefined.
    #[error("{size} bytes of stack at fp{offset:+} are read but were not all written")]
    UninitStack {
        /// First byte, relative to the frame pointer of the frame that owns it.
        offset: i64,
        /// Bytes read.
        size: u64,
    },
    /// An access touches bytes outside the object that its pointer belongs to.
    #[error("{size} bytes at offset {offset} of {object}, which has {len}")]
    OutOfBounds {
        /// The object, in words.
        object: Box<str>,
        /// First byte, relative to the object's start.
        offset: i64,
        /// Bytes accessed.
        size: u64,
        /// Bytes that the object has.
        len: u64,
    },
    /// A stack access lies below the 512 bytes of its frame.
    #[error("{size} bytes of stack at fp{offset:+}; a frame has 512")]
    StackOverflow {
        /// First byte, relative to the frame pointer of the frame that owns it.
        offset: i64,
        /// Bytes accessed.
        size: u64,
    },
    /// The frames of a chain of calls use more than 512 bytes together. Only in programs whose
    /// frames all lie on the kernel's stack (`check_max_stack_depth()` and
    /// `bpf_enable_priv_stack()` in `kernel/bpf/verifier.c`), and counted as what was written so
    /// far, in words of 8 bytes: the kernel counts more, what other ways through the functions
    /// use and the rounding of each frame.
    #[error("{bytes} bytes of stack in a chain of calls, which may have 512")]
    CombinedStack {
        /// Bytes that the frames have used.
        bytes: u64,
    },
    /// A pointer into the stack frame of a function that has returned was used.
    #[error("the stack frame that is accessed belongs to a function that has returned")]
    DeadFrame,
    /// Memory was accessed through something that is no pointer.
    #[error("memory access through {found}")]
    NotAPointer {
        /// What it was.
        found: ValueKind,
    },
    /// A write to memory that programs may not write.
    #[error("write to {object}, which is read-only")]
    ReadOnly {
        /// The object, in words.
        object: Box<str>,
    },
    /// A read from a map that programs may not read (`BPF_F_WRONLY_PROG`).
    #[error("read from {object}, which is write-only")]
    WriteOnly {
        /// The object, in words.
        object: Box<str>,
    },
    /// A read of data that touches a pointer to a function without being exactly it.
    #[error("read of {size} bytes at offset {offset} overlaps with a pointer to a function")]
    FunctionPointer {
        /// First byte, relative to the start of the map's value.
        offset: u64,
        /// Bytes read.
        size: u64,
    },
    /// An atomic access, or one to a jump table, that is not aligned to its size.
    #[error("access of {size} bytes at address {address:#x} is not aligned")]
    Misaligned {
        /// The made-up address.
        address: u64,
        /// Bytes accessed.
        size: u64,
    },
    /// A jump or call to something that is no instruction of the function, respectively the
    /// program: past the end, another function, the second half of a wide instruction.
    #[error("jump to slot {target}: {why}")]
    BadJumpTarget {
        /// Slot that was meant.
        target: i64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `gotox` through something that was not loaded from an instruction array.
    #[error("gotox through r{reg}, which holds {found}, expected an instruction address")]
    NotInstructionAddress {
        /// Number of the register.
        reg: u8,
        /// What it held.
        found: ValueKind,
    },
    /// `callx` through something that is not the address of a function.
    #[error("callx through r{reg}, which holds {found}, expected a function address")]
    NotFunctionAddress {
        /// Number of the register.
        reg: u8,
        /// What it held.
        found: ValueKind,
    },
    /// A `bpf_spin_lock` that is not used as the kernel demands.
    #[error("the spin lock {why}")]
    Lock {
        /// What is wrong.
        why: &'static str,
    },
    /// More than 32 frames: a frame is charged 128 bytes of 4096 (`BPF_JIT_FRAME_SIZE`,
    /// `include/linux/bpf_verifier.h`). Between two global functions the kernel allows 16.
    #[error("call depth exceeds 32 frames")]
    CallDepth,
    /// The step budget is used up.
    #[error("the budget of {budget} steps is used up")]
    Budget {
        /// Steps that were allowed.
        budget: u64,
    },
    /// Execution ran past the last instruction of a function.
    #[error("execution falls off the end of the function")]
    FellOff,
    /// An instruction that does not exist or that breaks the encoding's rules.
    #[error("invalid instruction: {why}")]
    InvalidInstruction {
        /// What is wrong with it.
        why: Box<str>,
    },
    /// A helper was given an argument that it does not take.
    #[error("helper {helper}: r{reg} {why}")]
    HelperArgument {
        /// Number of the helper.
        helper: i32,
        /// Number of the register that holds the argument.
        reg: u8,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// The model does not know what the kernel does here. It says nothing about the program.
    #[error("not supported by the model: {0}")]
    Unsupported(Cow<'static, str>),
}

impl TrapKind {
    /// Whether the trap shows that the program must not be accepted.
    ///
    /// False for [`TrapKind::Budget`] and [`TrapKind::Unsupported`], and for
    /// [`TrapKind::UninitStack`], which the kernel allows to privileged programs.
    pub fn is_unsound(&self) -> bool {
        !matches!(self, Self::Budget { .. } | Self::Unsupported(_) | Self::UninitStack { .. })
    }
}

/// An execution that stopped before the program returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Why.
    pub kind: TrapKind,
    /// Number of the program that was running: after a tail call it is not the one that was started.
    pub program: usize,
    /// Slot of the instruction in the program.
    pub slot: usize,
    /// The instruction in the notation of the verifier's log.
    pub insn: String,
    /// r0 to r10 before the instruction.
    pub regs: [Value; 11],
    /// Those of them that hold something, as [`TraceEntry::changed`] has them.
    pub shown: Vec<Change>,
    /// Steps taken before it.
    pub steps: u64,
    /// The last steps; empty unless the run was traced. The instruction that trapped is the last
    /// one, unless the run left the program.
    pub trace: Trace,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} `{}`: {} (", self.slot, self.insn, self.kind)?;
        write_changes(f, &self.shown)?;
        f.write_str(")")
    }
}

impl std::error::Error for Trap {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

/// The last steps of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Steps of the run that came before the first entry.
    pub left_out: u64,
    /// The steps, oldest first.
    pub entries: Vec<TraceEntry>,
}

/// One step of a traced run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// Number of the program: a tail call leads to another one.
    pub program: usize,
    /// Slot of the instruction.
    pub slot: usize,
    /// Depth of the frame, 0 for the entry function.
    pub depth: usize,
    /// The instruction in the notation of the verifier's log.
    pub insn: String,
    /// The registers that have another value after the instruction. Those that have become
    /// unreadable are not among them.
    pub changed: Vec<Change>,
}

/// A register and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Number of the register.
    pub reg: u8,
    /// What it holds.
    pub value: Value,
    /// The same in words: `0x2a`, `stack frame 0 -8`, `map 2 element 3 +16`, `context +0`,
    /// `packet +14`, `func 12`, `insn 40`.
    pub text: String,
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}: {}{}", self.slot, "  ".repeat(self.depth), self.insn)?;
        if !self.changed.is_empty() {
            f.write_str("  ; ")?;
            write_changes(f, &self.changed)?;
        }
        Ok(())
    }
}

fn write_changes(f: &mut fmt::Formatter<'_>, changes: &[Change]) -> fmt::Result {
    for (number, Change { reg, text, .. }) in changes.iter().enumerate() {
        let separator = if number == 0 { "" } else { ", " };
        write!(f, "{separator}r{reg} = {text}")?;
    }
    Ok(())
}
