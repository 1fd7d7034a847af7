//! What the kernel makes of a case: translated instructions, machine code, jump tables, and where each
//! instruction went.
//!
//! The kernel itself keeps track of lines: those of a program's `line_info` move with its instructions
//! through every rewrite of the verifier and into the machine code. So the programs are loaded once
//! more with a line for each instruction. Only what came out the same that way is aligned by it.

use anyhow::{Result, bail};
use bpf_case::Case;
use bpf_isa::{Insn, MAP_TYPE_INSN_ARRAY};
use bpf_object::btf::{Btf, Linkage};
use bpf_object::{BtfUse, LoadPlan, ProgramPlan};
use bpf_wire::{Mode, Output, ProgramLine, Step};

use super::names::width;
use harness_results::notation::errno_name;
use harness_session::Executor;
use harness_suites::judge::describe;
use harness_suites::lower::{Role, lower};

/// Bits of `line_col` below the number of the line (`BPF_LINE_INFO_LINE_NUM()`,
/// include/uapi/linux/bpf.h).
const LINE_SHIFT: u32 = 10;

/// `xlated_off` of an entry whose instruction was removed (kernel/bpf/bpf_insn_array.c).
const REMOVED: u32 = u32::MAX;

/// What came of loading a case.
#[derive(Debug)]
pub enum Found {
    /// Everything was loaded.
    Loaded(Image),
    /// The kernel refused a step.
    Refused {
        /// The step.
        step: String,
        /// Its errno.
        errno: String,
        /// The verifier's log, or nothing.
        log: String,
    },
}

/// Everything that the kernel made.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// By the index of the program in the plan.
    pub(super) programs: Vec<ProgramImage>,
    /// Jump tables, by the index of the map in the plan.
    pub(super) tables: Vec<(usize, Vec<Entry>)>,
    /// Why the lines of the programs are not known, if so.
    pub(super) unaligned: Option<String>,
    /// Titles of splats that the console showed.
    pub(super) splats: Vec<String>,
}

/// One program.
#[derive(Clone, Debug, Default)]
pub(super) struct ProgramImage {
    pub(super) xlated: Vec<Insn>,
    /// Machine code of all functions, one behind the other.
    pub(super) jited: Vec<u8>,
    /// Address and length of each.
    pub(super) functions: Vec<(u64, u32)>,
    /// Where the instructions went.
    pub(super) lines: Vec<ProgramLine>,
    /// Ids of the maps.
    pub(super) maps: Vec<u32>,
}

impl ProgramImage {
    /// Whether another image is of the same code: immediates are those of ids, of addresses and of
    /// blinding, which are never the same twice.
    fn is_as(&self, other: &Self) -> bool {
        let codes = |image: &Self| {
            let code = |insn: &Insn| (insn.code, insn.dst, insn.src, insn.off);
            image.xlated.iter().map(code).collect::<Vec<_>>()
        };
        codes(self) == codes(other) && self.jited.is_empty() == other.jited.is_empty()
    }
}

/// An entry of a jump table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Slot as loaded.
    pub(super) loaded: u32,
    /// Slot in the translated instructions; `None` where the instruction was removed.
    pub(super) xlated: Option<u32>,
    /// Offset of the machine code in its function.
    pub(super) jited: u32,
}

impl Entry {
    /// From a `struct bpf_insn_array_value`.
    fn from_value(value: &[u8]) -> Option<Self> {
        let field = |at| Some(u32::from_le_bytes(value.get(at..at + 4)?.try_into().ok()?));
        let xlated = field(4)?;
        let xlated = (xlated != REMOVED).then_some(xlated);
        Some(Self { loaded: field(0)?, xlated, jited: field(8)? })
    }
}

/// The slot as loaded that a line stands for.
pub(super) fn slot_of(line: &ProgramLine) -> Option<usize> {
    usize::try_from(line.line_col >> LINE_SHIFT).ok()?.checked_sub(1)
}

/// What a step is there for.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Case(Role),
    Describe(usize),
}

/// Loads a case as it is, and if that is accepted, once more with a line for each instruction.
///
/// # Errors
///
/// When the guest cannot be started or does not survive it.
pub fn of(case: &Case, plan: &LoadPlan, mode: Mode, executor: &mut dyn Executor) -> Result<Found> {
    let plain = match load(case, plan, mode, steps(case, plan), executor)? {
        Found::Loaded(image) => image,
        refused @ Found::Refused { .. } => return Ok(refused),
    };
    let fallback = |reason: &str| {
        Ok(Found::Loaded(Image { unaligned: Some(reason.to_owned()), ..plain.clone() }))
    };
    if case.btf == BtfUse::Never {
        return fallback("the case is about a program without BTF, and lines need BTF");
    }
    let mut annotated = steps(case, plan);
    annotate(plan, &mut annotated);
    match load(case, plan, mode, annotated, executor)? {
        Found::Refused { step, errno, log } => {
            let said = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            fallback(&format!("with a line for each instruction {step} fails with {errno}: {said}"))
        }
        Found::Loaded(image) => {
            let mut pairs = image.programs.iter().zip(&plain.programs);
            if pairs.all(|(one, other)| one.is_as(other)) {
                return Ok(Found::Loaded(image));
            }
            fallback("with a line for each instruction the kernel makes something else of it")
        }
    }
}

/// The steps of a case up to the last load, and those that read what came of it.
fn steps(case: &Case, plan: &LoadPlan) -> Vec<(Ask, Step)> {
    let lowered = lower(case, plan);
    let wanted = |role: &Role| {
        !matches!(role, Role::Run(_) | Role::DumpMap(_) | Role::DumpTable(_) | Role::Check(_))
    };
    let mut steps: Vec<(Ask, Step)> = lowered
        .roles
        .into_iter()
        .zip(lowered.steps)
        .filter(|(role, _)| wanted(role))
        .map(|(role, step)| (Ask::Case(role), step))
        .collect();
    for (index, map) in plan.maps.iter().enumerate() {
        if map.map_type == MAP_TYPE_INSN_ARRAY {
            let step = Step::DumpMap { map: index as u32 };
            steps.push((Ask::Case(Role::DumpTable(index)), step));
        }
    }
    for index in 0..plan.programs.len() {
        steps.push((Ask::Describe(index), Step::DescribeProgram { prog: index as u32 }));
    }
    steps
}

/// Gives every program a line for each instruction, and those without BTF some that says no more
/// than the kernel takes for granted without: that all functions are static.
fn annotate(plan: &LoadPlan, steps: &mut Vec<(Ask, Step)>) {
    let own = u32::from(!plan.btf.is_empty());
    let mut btf = Btf::default();
    let int = btf.int("int", 4, true);
    let proto = btf.func_proto(int, &[]);
    let mut described = false;
    for (ask, step) in steps.iter_mut() {
        let (Ask::Case(Role::Load(index)), Step::LoadProgram(load)) = (*ask, step) else {
            continue;
        };
        let Some(program) = plan.programs.get(index) else { continue };
        load.line_info = lines(program);
        if load.btf.is_none() {
            described = true;
            load.btf = Some(own);
            load.func_info = program
                .functions
                .iter()
                .map(|function| {
                    // The entry is global in any case.
                    let entry = function.slot == 0;
                    let linkage = if entry { Linkage::Global } else { Linkage::Static };
                    [function.slot as u32, btf.func(&function.name, proto, linkage)]
                })
                .flat_map(|record| record.map(u32::to_le_bytes).concat())
                .collect();
        }
    }
    if described {
        let step = Step::LoadBtf { data: btf.finish() };
        steps.insert(own as usize, (Ask::Case(Role::LoadBtf), step));
    }
}

/// `struct bpf_line_info`: slot, name of the file, text (both empty), number of the line.
fn lines(program: &ProgramPlan) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut slot = 0;
    while slot < program.insns.len() {
        let record = [slot as u32, 0, 0, (slot as u32 + 1) << LINE_SHIFT];
        bytes.extend(record.map(u32::to_le_bytes).concat());
        slot += width(&program.insns, slot);
    }
    bytes
}

fn load(
    case: &Case,
    plan: &LoadPlan,
    mode: Mode,
    steps: Vec<(Ask, Step)>,
    executor: &mut dyn Executor,
) -> Result<Found> {
    let (asks, steps): (Vec<Ask>, Vec<Step>) = steps.into_iter().unzip();
    let (report, splats) = executor.execute(&case.name, mode, steps)?.into_report()?;
    let programs = plan.programs.iter().map(|_| ProgramImage::default()).collect();
    let mut image = Image { programs, splats, ..Image::default() };
    for (ask, step) in asks.into_iter().zip(report.steps) {
        let output = match (ask, step) {
            (_, Ok(output)) => output,
            (Ask::Case(role), Err(failure)) => {
                let (step, errno) = (describe(role), errno_name(failure.errno));
                return Ok(Found::Refused { step, errno, log: failure.log });
            }
            (Ask::Describe(index), Err(failure)) => {
                let errno = errno_name(failure.errno);
                bail!("failed to ask for the lines of program {index}: {errno}");
            }
        };
        take(&mut image, ask, output);
    }
    Ok(Found::Loaded(image))
}

fn take(image: &mut Image, ask: Ask, output: Output) {
    match (ask, output) {
        (Ask::Case(Role::Load(index)), Output::Loaded { xlated, jited, jited_funcs, .. }) => {
            if let Some(program) = image.programs.get_mut(index) {
                let insns = xlated.as_chunks().0.iter();
                program.xlated = insns.map(|bytes| Insn::from_bytes(*bytes)).collect();
                program.jited = jited;
                program.functions = jited_funcs;
            }
        }
        (Ask::Case(Role::DumpTable(map)), Output::Elements(mut elements)) => {
            elements.sort();
            let entries = elements.iter().filter_map(|(_, value)| Entry::from_value(value));
            image.tables.push((map, entries.collect()));
        }
        (Ask::Describe(index), Output::Described { lines, maps }) => {
            if let Some(program) = image.programs.get_mut(index) {
                program.lines = lines;
                program.maps = maps;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
