//! The verifier's log as a graph.
//!
//! At log level 2 the verifier prints, before each instruction, the registers and slots that have
//! changed since the last one, of the frame that it is in (`print_insn_state()`); and a whole frame
//! where it comes back to a branch (`from X to Y:`), enters a function (`callee:`) or leaves one
//! (`to caller at N:`). Carried along each path, that gives what it knew before each instruction.
//!
//! What a state does not say: a register that the verifier has dropped, because it is dead or a call
//! has clobbered it, is not printed again. A call drops r0 to r5 here, too; what is dropped for being
//! dead is carried on, and remains true until it is written, or until a path ends because an older
//! state was as good (`safe`), which [`crate::check`] sees to.

mod reader;

use std::collections::HashMap;
use std::rc::Rc;

use bpf_isa::Insn;

pub use crate::frame::FrameState;

/// Registers that programs see.
pub(crate) const REGS: usize = 11;

/// A frame further up.
#[derive(Debug)]
pub struct Up {
    /// What was known of it when it called.
    pub state: FrameState,
    /// Slot of the call.
    pub callsite: usize,
    /// The one above.
    pub up: Option<Rc<Up>>,
    depth: usize,
}

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The verifier went through the instruction.
    Instruction,
    /// It stopped before it, as an older state was as good.
    Pruned {
        /// The older state was not done with: every number was compared (`SCC backedge`).
        exact: bool,
        /// Registers of this frame that the older state needs to be precise.
        precise: Vec<usize>,
    },
}

/// A state before an instruction.
#[derive(Clone, Debug)]
pub struct Node {
    /// Slot of the instruction.
    pub slot: usize,
    /// Line of the log.
    pub line: usize,
    /// What it stands for.
    pub kind: Kind,
    /// What is known of the frame.
    pub state: FrameState,
    /// The callers.
    pub up: Option<Rc<Up>>,
    /// Whether the frame is that of a function that a helper has called.
    pub callback: bool,
    /// Number of the chain of calls.
    pub chain: usize,
    /// Where the verifier went on.
    pub next: Vec<usize>,
    before: Vec<usize>,
    /// Whether what it has put aside was come back to, or it has put nothing aside.
    done: bool,
    /// The same of the other ways on at a `gotox`, or a read of a pointer to a function.
    chosen: bool,
}

impl Node {
    /// Depth of the frame, 0 for the function that the verifier began with.
    pub fn depth(&self) -> usize {
        depth(self.up.as_ref())
    }
}

fn depth(up: Option<&Rc<Up>>) -> usize {
    up.map_or(0, |up| up.depth + 1)
}

/// What was read of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Registers and slots that were printed.
    pub printed: usize,
    /// Those of them that were not understood.
    pub unparsed: usize,
    /// Lines that were not understood.
    pub lines: usize,
    /// Places where the path through the log was lost.
    pub lost: usize,
    /// The first few of all that.
    pub examples: Vec<String>,
}

impl Parsed {
    const EXAMPLES: usize = 5;

    fn note(&mut self, text: &str) {
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(text.to_owned());
        }
    }

    /// Adds what was read of another log.
    pub fn add(&mut self, other: &Self) {
        self.printed += other.printed;
        self.unparsed += other.unparsed;
        self.lines += other.lines;
        self.lost += other.lost;
        other.examples.iter().for_each(|example| self.note(example));
    }
}

/// A log as a graph.
#[derive(Debug, Default)]
pub struct Log {
    /// The states in the order in which the verifier came to them.
    pub nodes: Vec<Node>,
    /// First nodes of what was verified by itself: the program, global functions.
    pub starts: Vec<usize>,
    /// Registers that are alive before each slot.
    pub live: HashMap<usize, u16>,
    /// Nodes of each slot.
    pub at: HashMap<usize, Vec<usize>>,
    /// What was read.
    pub parsed: Parsed,
    chains: HashMap<(usize, Vec<usize>), usize>,
}

impl Log {
    /// Reads the log of a load of these instructions.
    pub fn read(text: &str, insns: &[Insn]) -> Self {
        reader::read(text, insns)
    }
}
