//! The model's way through a program, in the shape of the JSON report.

use serde::{Deserialize, Serialize};

/// The last steps of a run of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trace {
    /// Name of the case.
    pub case: String,
    /// What was run: `run 2` for a run that the case states, `program 1` for a program on an input of
    /// the harness' own.
    pub what: String,
    /// Runs that were made before on the same maps.
    pub runs_before: usize,
    /// The context, in hexadecimal.
    pub context: String,
    /// The packet, in hexadecimal.
    pub packet: String,
    /// Steps before those that are kept.
    pub left_out: u64,
    /// The last steps, 4096 at most, oldest first.
    pub steps: Vec<Step>,
    /// All 64 bits of the result; none after a trap.
    pub r0: Option<String>,
    /// Why the run stopped, where it trapped; its last step is then the one that did, unless it ran
    /// out of the program.
    pub trap: Option<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// Index of the program: a tail call leads to another one.
    pub program: usize,
    /// Slot of the instruction.
    pub slot: usize,
    /// Depth of the frame, 0 for the entry function.
    pub depth: usize,
    /// The instruction in the notation of the verifier's log.
    pub insn: String,
    /// The registers that it gave another value.
    pub changed: Vec<Changed>,
}

/// A register and its new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Changed {
    /// Number of the register.
    pub reg: u8,
    /// The value: a number in hexadecimal, or `stack frame 0 -8`, `map 2 element 3 +16`,
    /// `context +0`, `packet +14`, `func 12`, `insn 40`.
    pub value: String,
}
