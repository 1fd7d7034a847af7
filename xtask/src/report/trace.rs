//! The model's way through a program, in the shape of the JSON report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The last steps of a run of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Trace {
    /// Name of the case.
    pub(crate) case: String,
    /// What was run: `run 2` for a run that the case states, `program 1` for a program on an input of
    /// the harness' own.
    pub(crate) what: String,
    /// Runs that were made before on the same maps.
    pub(crate) runs_before: usize,
    /// The context, in hexadecimal.
    pub(crate) context: String,
    /// The packet, in hexadecimal.
    pub(crate) packet: String,
    /// Steps before those that are kept.
    pub(crate) left_out: u64,
    /// The last steps, 4096 at most, oldest first.
    pub(crate) steps: Vec<Step>,
    /// All 64 bits of the result; none after a trap.
    pub(crate) r0: Option<String>,
    /// Why the run stopped, where it trapped; its last step is then the one that did, unless it ran
    /// out of the program.
    pub(crate) trap: Option<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Step {
    /// Index of the program: a tail call leads to another one.
    pub(crate) program: usize,
    /// Slot of the instruction.
    pub(crate) slot: usize,
    /// Depth of the frame, 0 for the entry function.
    pub(crate) depth: usize,
    /// The instruction in the notation of the verifier's log.
    pub(crate) insn: String,
    /// The registers that it gave another value.
    pub(crate) changed: Vec<Changed>,
}

/// A register and its new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Changed {
    /// Number of the register.
    pub(crate) reg: u8,
    /// The value: a number in hexadecimal, or `stack frame 0 -8`, `map 2 element 3 +16`,
    /// `context +0`, `packet +14`, `func 12`, `insn 40`.
    pub(crate) value: String,
}
