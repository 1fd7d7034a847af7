//! What was found of a program about which nothing is stated.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::notation::hex;

/// A program of an object: what each mode and the model gave.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectRun {
    /// The object.
    pub file: PathBuf,
    /// Name of the program.
    pub program: String,
    /// `enum bpf_prog_type`.
    pub prog_type: u32,
    /// Why it could not be linked, or not be loaded on this kernel; then there are no executions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// The modes', then the model's.
    pub executions: Vec<Execution>,
    /// What is wrong, one line each.
    pub problems: Vec<String>,
    /// How many slots the program has.
    #[serde(skip)]
    pub slots: usize,
    /// How many functions.
    #[serde(skip)]
    pub functions: usize,
    /// Context that it was run on.
    #[serde(skip)]
    pub ctx: Vec<u8>,
    /// Packet that it was run on.
    #[serde(skip)]
    pub packet: Vec<u8>,
}

impl ObjectRun {
    /// Whether the kernel has run the program, or loaded it, as far as it can, in any mode.
    pub fn has_run(&self) -> bool {
        let kernel = self.executions.iter().filter(|execution| execution.by != MODEL);
        let has_run =
            |outcome: &Outcome| matches!(outcome, Outcome::Ran(_) | Outcome::Loaded { .. });
        kernel.map(|execution| &execution.outcome).any(has_run)
    }
}

/// Who executes besides the modes.
pub const MODEL: &str = "model";

/// Keys and values of a map.
type Elements = Vec<(Vec<u8>, Vec<u8>)>;

/// The outcome of one execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran to its end.
    Ran(Ran),
    /// It was loaded, and the kernel cannot run programs of its type by request.
    Loaded {
        /// Why it was not run.
        reason: String,
    },
    /// The kernel has programs like this only in other modes.
    Skipped {
        /// What the kernel says.
        reason: String,
    },
    /// The kernel refused a step.
    Refused {
        /// Which step, and its errno.
        what: String,
        /// Whether it was the load itself.
        load: bool,
    },
    /// The model cannot say anything, or says that the program must not be accepted.
    Trapped {
        /// Where and why.
        why: String,
        /// Whether no verifier may accept a program that does this.
        unsound: bool,
    },
    /// The guest did not survive it.
    Died {
        /// What the console says.
        why: String,
    },
}

/// What a run gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// The low 32 bits of r0.
    pub returned: u32,
    /// The context afterwards, in hexadecimal.
    #[serde(serialize_with = "as_hex")]
    pub ctx: Vec<u8>,
    /// The packet afterwards, in hexadecimal.
    #[serde(serialize_with = "as_hex")]
    pub packet: Vec<u8>,
    /// Maps with data, by name.
    pub maps: Vec<Contents>,
    /// What was written into ring buffers, arrays of perf events, queues and stacks.
    pub written: Vec<Written>,
    /// What the result depends on that is the kernel's choice, so that executions may differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels_choice: Option<&'static str>,
}

/// What a map holds, ordered by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The map's name.
    pub name: String,
    /// Keys and values in hexadecimal.
    #[serde(serialize_with = "pairs_as_hex")]
    pub elements: Elements,
}

/// What was written into a map for user space, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The map's name.
    pub name: String,
    /// Records in hexadecimal.
    #[serde(serialize_with = "all_as_hex")]
    pub records: Vec<Vec<u8>>,
}

/// One execution.
#[derive(Clone, Debug, Serialize)]
pub struct Execution {
    /// `interp`, `jit`, `jit-hardened`, or `model`.
    pub by: &'static str,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Bytes of machine code; 0 in the interpreter and in the model.
    pub jited_len: u32,
    /// The verifier's log, where there is one.
    pub log: String,
    /// What is wrong beside: splats, another mode than asked.
    pub problems: Vec<String>,
}

impl Execution {
    /// One without log, machine code and problems.
    pub fn of(by: &'static str, outcome: Outcome) -> Self {
        Self { by, outcome, jited_len: 0, log: String::new(), problems: Vec::new() }
    }
}

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}

fn all_as_hex<S: Serializer>(all: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(|bytes| hex(bytes)))
}

fn pairs_as_hex<S: Serializer>(pairs: &Elements, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(pairs.iter().map(|(key, value)| (hex(key), hex(value))))
}
