//! A case: a program, inputs, and expected results.

use std::sync::Arc;

use bpf_object::{BtfUse, CompileError, LinkError, LoadPlan, compile_elf, compile_with, link_with};
use bpf_programs::{BuildError, Program};
use thiserror::Error;

/// Subject of the patch without which a dump shows the address of every jump table.
pub const TABLES_IN_DUMPS: &str = "bpf: Show instruction arrays as maps in dumps of programs";

/// One test case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Full name, `suite/case`, words joined by `_`.
    pub name: String,
    /// One line: what the case shows, or which rule it tests.
    pub about: String,
    /// The program.
    pub source: Source,
    /// Kernel features that the case requires.
    pub needs: Vec<Feature>,
    /// Which of its programs get BTF.
    pub btf: BtfUse,
    /// Modifies the plan after linking, for what an object file cannot express.
    pub adjust: Option<fn(&mut LoadPlan)>,
    /// Privileges and load flags.
    pub load: LoadOptions,
    /// Subject of the patch of our series without which the kernel gets the case wrong, most often
    /// by crashing. On a kernel known to lack the patch the case is skipped.
    pub fixed_by: Option<&'static str>,
    /// Outcome of constant blinding, which the mode `jit-hardened` tries.
    pub blinding: Blinding,
    /// Errno and part of the verifier's log, if the program cannot run in the interpreter: there
    /// its load must fail with both.
    pub interp_refuses: Option<(i32, &'static str)>,
    /// Lines of the first program's xlated code, in the notation of the verifier's log and without
    /// their slots; all must be present, unless its constants are blinded.
    pub xlated: Vec<String>,
    /// The same, on a kernel that mitigates Spectre v1.
    pub xlated_mitigated: Vec<String>,
    /// Checks after all runs.
    pub checks: Vec<Check>,
    /// The expected outcome.
    pub expect: Expect,
}

/// Source of a case's program.
#[derive(Clone, Debug)]
pub enum Source {
    /// The assembler's notation (`bpf_isa::assemble`).
    Assembly(String),
    /// A program in Rust, compiled by rustc when the plan is requested.
    Rust(&'static Program),
}

impl Source {
    /// The object file that is linked.
    ///
    /// # Errors
    ///
    /// If the source cannot be assembled or compiled.
    pub fn object(&self) -> Result<Vec<u8>, PlanError> {
        Ok(match self {
            Self::Assembly(text) => compile_elf(text)?,
            Self::Rust(program) => bpf_programs::object(program)?,
        })
    }
}

/// Why a case has no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The assembly is invalid.
    #[error(transparent)]
    Assembly(#[from] CompileError),
    /// The program in Rust does not compile.
    #[error(transparent)]
    Rust(#[from] BuildError),
    /// rustc's object does not link.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// A check of a map after the last run, in addition to comparing its contents, read one by one,
/// with the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Name of the map; the first one with this name in the plan.
    pub map: String,
    /// The operation.
    pub act: Act,
}

/// An operation on a map from user space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes its first element, which fails with this `errno`.
    UpdateFails(i32),
    /// Reads all elements with one `BPF_MAP_LOOKUP_BATCH`; they must equal the model's.
    LookupBatch,
    /// Reads the array through `mmap(2)`; the values must equal the model's. The map must have
    /// `BPF_F_MMAPABLE`.
    Mmap,
    /// Reads its first element, which must hold these words: stated by the author, independently of
    /// the model.
    Holds(Arc<Words>),
}

/// A table of 64-bit words, little endian, that a map's value must contain, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Name of each column, such as the operation.
    pub columns: Vec<String>,
    /// Name of each row, such as the operands.
    pub rows: Vec<String>,
    /// Rows times columns words.
    pub words: Vec<u64>,
}

impl Words {
    /// The first word that differs in `value`, with the names of its row and column.
    pub fn difference(&self, value: &[u8]) -> Option<String> {
        let (held, rest) = value.as_chunks::<8>();
        if held.len() != self.words.len() || !rest.is_empty() {
            let words = self.words.len();
            return Some(format!("{} bytes, the case states {words} words", value.len()));
        }
        let held = held.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut pairs = held.zip(&self.words).enumerate();
        let (at, (held, stated)) = pairs.find(|(_, (held, stated))| held != *stated)?;
        let name = |names: &[String], index: usize| names.get(index).cloned().unwrap_or_default();
        let width = self.columns.len().max(1);
        let (row, column) = (name(&self.rows, at / width), name(&self.columns, at % width));
        Some(format!("`{column}` of {row}: {held:#x}, the case states {stated:#x}"))
    }
}

impl Case {
    /// The plan to load and to model: assembled or compiled, linked, adjusted.
    ///
    /// # Errors
    ///
    /// If the source cannot be assembled or compiled, or its object not linked.
    pub fn plan(&self) -> Result<LoadPlan, PlanError> {
        let mut plan = match &self.source {
            Source::Assembly(text) => compile_with(text, self.btf)?,
            Source::Rust(program) => link_with(&bpf_programs::object(program)?, self.btf)?,
        };
        if let Some(adjust) = self.adjust {
            adjust(&mut plan);
        }
        Ok(plan)
    }
}

/// Outcome of constant blinding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blinding {
    /// It succeeds.
    #[default]
    Works,
    /// It fails, and the kernel must fall back to the interpreter.
    FallsBack,
    /// It fails, and because the program needs the JIT, its load must fail with this `errno`.
    Refused(i32),
}

/// A feature of the kernel under test. Probed in each mode, never assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// `gotox` (0x0d).
    Gotox,
    /// The address of an instruction that is spilled and filled is still one; since Linux 7.3.
    SpilledTarget,
    /// `callx` (0x8d).
    Callx,
}

/// How `BPF_PROG_LOAD` is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Capability numbers (`linux/capability.h`) that the loading thread drops.
    pub without_caps: Vec<u8>,
    /// Extra `BPF_F_*` flags, such as `BPF_F_TEST_STATE_FREQ`.
    pub flags: u32,
}

/// Expected outcome of a case.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Every program of the plan loads, and the first one returns these results.
    Accepted(Vec<Run>),
    /// A step fails.
    Rejected(Rejection),
}

/// One execution of the program and its result, stated by the case's author.
///
/// The model computes the result too; author, model and kernel must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Bytes of the context, for `syscall` programs.
    pub ctx: Vec<u8>,
    /// Packet, for program types with packets.
    pub packet: Vec<u8>,
    /// The return value stated by the author.
    pub returns: u32,
    /// The context's bytes afterwards, if stated.
    pub ctx_after: Option<Vec<u8>>,
    /// The packet's bytes afterwards, if stated.
    pub packet_after: Option<Vec<u8>>,
}

/// A rejection by the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The step that fails.
    pub at: RejectedAt,
    /// `errno`, positive.
    pub errno: i32,
    /// Texts that must all appear in the verifier's log.
    pub log: Vec<String>,
}

/// The step that is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedAt {
    /// `BPF_MAP_CREATE` of the map with this index.
    CreateMap(usize),
    /// A `BPF_MAP_UPDATE_ELEM` of the map with this index.
    UpdateElem(usize),
    /// `BPF_PROG_LOAD` of the program with this index.
    LoadProgram(usize),
}
