//! Looking at a run from outside: a callback before each instruction.

use std::fmt;

use crate::lower::Program;
use crate::memory::{BASE, FRAME_SIZE, Kind, Memory, Region};
use crate::state::State;
use crate::value::{Prov, Value, ValueKind};

/// Sees each step of a run before it is executed.
pub trait Observer {
    /// An instruction is about to be executed.
    fn step(&mut self, step: &Step<'_>);
}

/// What the interpreter tells of its steps. The machine's own is [`crate::trace::Tracer`].
pub(crate) trait Watch {
    /// The code with this index is about to be executed.
    fn step(&mut self, program: &Program, code: usize, state: &State, memory: &Memory);
    /// The last step has ended.
    fn end(&mut self, state: &State);
}

/// An observer as the interpreter takes it.
pub(crate) struct Observed<'a>(pub(crate) &'a mut dyn Observer);

impl Watch for Observed<'_> {
    fn step(&mut self, program: &Program, code: usize, state: &State, memory: &Memory) {
        if program.is_marker(code) {
            return;
        }
        let slot = program.slot_of.get(code).copied().unwrap_or_default() as usize;
        self.0.step(&Step { slot, state, memory });
    }

    fn end(&mut self, _: &State) {}
}

/// The state before an instruction.
pub struct Step<'a> {
    slot: usize,
    state: &'a State,
    memory: &'a Memory,
}

impl Step<'_> {
    /// Number of the program: a tail call leads to another one.
    pub fn program(&self) -> usize {
        self.state.program
    }

    /// Slot of the instruction.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Depth of the frame, 0 for the entry function.
    pub fn depth(&self) -> usize {
        self.state.depth
    }

    /// What a register of the current function holds.
    pub fn reg(&self, number: usize) -> Seen {
        self.seen(self.state.regs.get(number).copied().unwrap_or(Value::UNINIT))
    }

    /// What r6 to r9 of a function further up hold; `None` for other registers, which a call does
    /// not keep.
    pub fn saved(&self, depth: usize, number: usize) -> Option<Seen> {
        if depth >= self.state.depth {
            return None;
        }
        self.state.saved(depth + 1, number).map(|value| self.seen(value))
    }

    /// The eight bytes of stack at this offset from the frame pointer of a function.
    pub fn stack(&self, depth: usize, offset: i64) -> Slot {
        let start = self.memory.objects.get(depth);
        let index = start.and_then(|object| {
            let within = usize::try_from(FRAME_SIZE as i64 + offset).ok()?;
            (within + 8 <= FRAME_SIZE).then_some(object.start + within)
        });
        let Some(index) = index else { return Slot::default() };
        let mut slot = Slot::default();
        let mut word = [0; 8];
        for (byte, at) in (index..index + 8).enumerate() {
            let written = self.memory.written(at);
            let known = written.is_some_and(|prov| prov == Prov::SCALAR);
            let bits = self.memory.bytes.get(at).copied().unwrap_or_default();
            word[byte] = bits;
            slot.written[byte] = written.is_some();
            slot.bytes[byte] = known.then_some(bits);
        }
        slot.whole = self.memory.written_word(index).map(|prov| {
            let bits = u64::from_le_bytes(word);
            self.seen(Value { bits, prov })
        });
        slot
    }

    /// The value of a register as a number, whatever it is.
    fn seen(&self, value: Value) -> Seen {
        let selector = value.prov.selector() as usize;
        match value.kind() {
            ValueKind::Scalar => Seen::Number(value.bits),
            ValueKind::Indeterminate => Seen::Indeterminate,
            ValueKind::Uninit => Seen::Nothing,
            ValueKind::Map => Seen::Map(selector),
            ValueKind::Instruction => Seen::Instruction(selector),
            ValueKind::Function => Seen::Function(selector),
            ValueKind::Pointer => self.pointer(value),
        }
    }

    fn pointer(&self, value: Value) -> Seen {
        let Some(object) = self.memory.objects.get(value.prov.object()) else {
            return Seen::Indeterminate;
        };
        let element = value.prov.selector();
        let stack = object.kind == Kind::Stack;
        let start = object.start as u64
            + if stack { FRAME_SIZE as u64 } else { object.stride as u64 * u64::from(element) };
        let offset = value.bits.wrapping_sub(BASE.wrapping_add(start)) as i64;
        let into = match object.kind {
            Kind::Stack if element != object.generation => return Seen::Indeterminate,
            Kind::Stack => Object::Stack { depth: value.prov.object() },
            Kind::Plain(Region::SyscallContext) | Kind::Context => Object::Context,
            Kind::Plain(Region::Packet) => Object::Packet { len: object.len },
            Kind::Plain(Region::Argument) => Object::Memory,
            Kind::Values { map, .. }
            | Kind::Guarded { map, .. }
            | Kind::Functions { map }
            | Kind::JumpTable { map } => Object::Value { map: map as usize },
        };
        Seen::Pointer { into, offset }
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("program", &self.program())
            .field("slot", &self.slot)
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}

/// A value by what it is, not by a made-up address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never written, or no longer readable.
    Nothing,
    /// A number.
    Number(u64),
    /// A number that is another one in the kernel, or a pointer to what is gone.
    Indeterminate,
    /// A pointer into an object.
    Pointer {
        /// The object.
        into: Object,
        /// Bytes from its start; from the frame pointer in a stack frame.
        offset: i64,
    },
    /// The map with this index in the plan.
    Map(usize),
    /// The instruction at this slot.
    Instruction(usize),
    /// The function that starts at this slot.
    Function(usize),
}

/// What a pointer points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// The stack frame of the function at this depth.
    Stack {
        /// 0 for the entry function.
        depth: usize,
    },
    /// The context.
    Context,
    /// The packet.
    Packet {
        /// Its bytes.
        len: usize,
    },
    /// An element of the map with this index in the plan.
    Value {
        /// The map.
        map: usize,
    },
    /// The memory that a function is run on.
    Memory,
}

/// Eight bytes of stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Which bytes were written.
    pub written: [bool; 8],
    /// The bytes that are known numbers.
    pub bytes: [Option<u8>; 8],
    /// What a load of all of them gives, if all were written.
    pub whole: Option<Seen>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Number(bits) => write!(f, "{bits:#x}"),
            Self::Indeterminate => f.write_str("an indeterminate number"),
            Self::Map(map) => write!(f, "map {map}"),
            Self::Instruction(slot) => write!(f, "insn {slot}"),
            Self::Function(slot) => write!(f, "func {slot}"),
            Self::Pointer { into, offset } => match into {
                Object::Stack { depth } => write!(f, "stack frame {depth} {offset:+}"),
                Object::Context => write!(f, "context {offset:+}"),
                Object::Packet { .. } => write!(f, "packet {offset:+}"),
                Object::Value { map } => write!(f, "value of map {map} {offset:+}"),
                Object::Memory => write!(f, "memory {offset:+}"),
            },
        }
    }
}
