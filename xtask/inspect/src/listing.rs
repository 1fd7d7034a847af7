//! The listing of a case: for each instruction its source, and what became of it.

use std::collections::HashMap;

use anyhow::Result;
use bpf_case::Case;
use bpf_object::{LoadPlan, ProgramPlan};
use bpf_wire::{Mode, ProgramLine};
use serde::Serialize;

use super::code::{self, Function};
use super::image::{Entry, Found, Image, ProgramImage, slot_of};
use super::names::{Loaded, Xlated, text, width};
use super::source::{Source, SourceLine};
use super::symbols::Symbols;

/// A case in one mode.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listing {
    /// `suite/case`.
    pub case: String,
    /// One line: what it shows.
    pub about: String,
    /// The mode; none where no kernel was asked.
    pub mode: Option<&'static str>,
    /// Whether each instruction stands beside what became of it.
    pub aligned: bool,
    /// What a reader has to know: why something is missing or not aligned.
    pub notes: Vec<String>,
    /// How the kernel refused it, if it did.
    pub refused: Option<Refused>,
    /// Its programs.
    pub programs: Vec<Program>,
    /// Its jump tables.
    pub tables: Vec<Table>,
}

/// A refusal.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// The step that failed.
    pub step: String,
    /// Its errno by name and number.
    pub errno: String,
    /// The verifier's log.
    pub log: String,
}

/// A program.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its rows, in the order in which it is loaded.
    pub rows: Vec<Row>,
    /// Source whose instructions are not known one by one.
    pub source: Vec<SourceLine>,
    /// Translated instructions where they are not aligned.
    pub xlated: Vec<Slot>,
    /// Machine code where it is not aligned.
    pub jited: Vec<Machine>,
}

/// A line of source, an instruction, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The function that starts here.
    pub function: Option<String>,
    /// The line of source; none for a line's second instruction.
    pub source: Option<SourceLine>,
    /// The instruction as it is loaded; none for a line without.
    pub loaded: Option<Slot>,
    /// What the verifier made of it. Empty in an aligned listing: it was removed.
    pub xlated: Vec<Slot>,
    /// What the JIT made of it. Empty in an aligned listing: nothing.
    pub jited: Vec<Machine>,
}

/// An instruction of BPF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Its first slot.
    pub slot: usize,
    /// In the kernel's notation.
    pub text: String,
}

/// An instruction of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Offset in its function.
    pub offset: u64,
    /// Its function, where it is the first instruction of that.
    pub starts: Option<String>,
    /// In NASM's notation.
    pub text: String,
}

/// A jump table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// The map's name.
    pub name: String,
    /// Its entries in their order.
    pub entries: Vec<TableEntry>,
}

/// An entry of a jump table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableEntry {
    /// Slot as loaded.
    pub loaded: u32,
    /// Slot of the translated instruction; none where that was removed.
    pub xlated: Option<u32>,
    /// Offset of the machine code in its function; none in the interpreter.
    pub jited: Option<u32>,
}

/// Lists a case: its source and what is loaded, without any kernel.
///
/// # Errors
///
/// When the source of a program in Rust cannot be read.
pub fn before_load(case: &Case, plan: &LoadPlan) -> Result<Listing> {
    let source = Source::of(case)?;
    let placed: Vec<_> = plan.programs.iter().map(|program| source.place(program)).collect();
    let mut notes = Vec::new();
    if placed.iter().any(Option::is_none) {
        notes.push(match case.source {
            bpf_case::Source::Rust(_) => {
                "the source is Rust, which stands beside the code without being aligned".to_owned()
            }
            bpf_case::Source::Assembly(_) => {
                "the case changes its program after it is assembled: the source is not aligned"
                    .to_owned()
            }
        });
    } else if case.adjust.is_some() {
        notes.push("the case changes what it loads after it is assembled".to_owned());
    }
    let mut programs = Vec::new();
    for (index, (program, placed)) in plan.programs.iter().zip(&placed).enumerate() {
        let mut listed = Program { name: program.name.clone(), ..Program::default() };
        let names = Loaded { plan, program };
        let slot =
            |slot| Slot { slot, text: text(&program.insns, slot, &names).unwrap_or_default() };
        match placed {
            Some(functions) => {
                if index == 0 {
                    listed.rows.extend(source.head().iter().map(of_source));
                }
                for (function, lines) in program.functions.iter().zip(functions) {
                    let first = listed.rows.len();
                    for (line, slots) in lines {
                        let firsts = firsts(program, slots);
                        listed.rows.extend(rows(line, firsts.into_iter().map(slot)));
                    }
                    if let Some(row) = listed.rows.get_mut(first) {
                        row.function = Some(function.name.clone());
                    }
                }
            }
            None => {
                if index == 0 {
                    listed.source = source.whole().to_vec();
                }
                listed.rows = plain(program, slot);
            }
        }
        programs.push(listed);
    }
    if placed.iter().all(Option::is_some)
        && let Some(last) = programs.last_mut()
    {
        last.rows.extend(source.unused(&plan.programs).into_iter().map(of_source));
    }
    let (case, about) = (case.name.clone(), case.about.clone());
    Ok(Listing { case, about, notes, programs, ..Listing::default() })
}

fn of_source(line: &SourceLine) -> Row {
    Row { source: Some(line.clone()), ..Row::default() }
}

/// The slots among these that start an instruction.
fn firsts(program: &ProgramPlan, slots: &[usize]) -> Vec<usize> {
    let mut next = 0;
    let starts = slots.iter().copied().filter(|&slot| {
        let starts = slot >= next;
        next = if starts { slot + width(&program.insns, slot) } else { next };
        starts
    });
    starts.collect()
}

/// A row for each instruction of a line, the first with the line; one row for a line without.
fn rows(line: &SourceLine, slots: impl Iterator<Item = Slot>) -> Vec<Row> {
    let mut rows: Vec<Row> =
        slots.map(|slot| Row { loaded: Some(slot), ..Row::default() }).collect();
    match rows.first_mut() {
        Some(row) => row.source = Some(line.clone()),
        None => rows.push(of_source(line)),
    }
    rows
}

fn plain(program: &ProgramPlan, text: impl Fn(usize) -> Slot) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut slot = 0;
    while slot < program.insns.len() {
        let function = program.functions.iter().find(|function| function.slot == slot);
        let function = function.map(|function| function.name.clone());
        rows.push(Row { function, loaded: Some(text(slot)), ..Row::default() });
        slot += width(&program.insns, slot);
    }
    rows
}

impl Listing {
    /// Whether any of it is machine code.
    pub fn has_code(&self) -> bool {
        let aligned = |program: &Program| program.rows.iter().any(|row| !row.jited.is_empty());
        self.programs.iter().any(|program| aligned(program) || !program.jited.is_empty())
    }

    /// Adds what the kernel made of the case in a mode.
    pub fn with(mut self, plan: &LoadPlan, mode: Mode, found: &Found, symbols: &Symbols) -> Self {
        self.mode = Some(mode.name());
        match found {
            Found::Refused { step, errno, log } => {
                let (step, errno, log) = (step.clone(), errno.clone(), log.trim_end().to_owned());
                self.refused = Some(Refused { step, errno, log });
            }
            Found::Loaded(image) => self.add(plan, mode, image, symbols),
        }
        self
    }

    fn add(&mut self, plan: &LoadPlan, mode: Mode, image: &Image, symbols: &Symbols) {
        self.aligned = image.unaligned.is_none();
        let reason = image.unaligned.iter().map(|reason| format!("not aligned: {reason}"));
        self.notes.extend(reason);
        self.notes
            .extend(image.splats.iter().map(|title| format!("the kernel complained: {title}")));
        let jited = image.programs.iter().any(|program| !program.jited.is_empty());
        if mode == Mode::Interp {
            self.notes.push("the interpreter runs translated instructions: no machine code".into());
        } else if !jited {
            self.notes.push("the kernel fell back to the interpreter: no machine code".to_owned());
        }
        let programs = self.programs.iter_mut().zip(&plan.programs).zip(&image.programs);
        for ((listed, program), image) in programs {
            let maps = Xlated::maps(&image.maps, plan, program);
            let names = Xlated { maps, functions: starts(image, program), symbols };
            let xlated = xlated(image, &names);
            let code = code::functions(image, program, symbols);
            if self.aligned {
                align(listed, image, xlated, &code);
            } else {
                listed.xlated = xlated;
                listed.jited = code.iter().flat_map(machine).map(|(_, machine)| machine).collect();
            }
        }
        let table = |(map, entries): &(usize, Vec<Entry>)| Table {
            name: plan.maps.get(*map).map_or_else(String::new, |map| map.name.clone()),
            entries: entries
                .iter()
                .map(|entry| TableEntry {
                    loaded: entry.loaded,
                    xlated: entry.xlated,
                    jited: entry.xlated.and(jited.then_some(entry.jited)),
                })
                .collect(),
        };
        self.tables = image.tables.iter().map(table).collect();
    }
}

/// Where functions start in the translated instructions, as far as lines tell.
fn starts<'p>(image: &ProgramImage, program: &'p ProgramPlan) -> Vec<(usize, &'p str)> {
    let start = |line: &ProgramLine| {
        let slot = slot_of(line)?;
        let function = program.functions.iter().find(|function| function.slot == slot)?;
        Some((line.xlated as usize, function.name.as_str()))
    };
    image.lines.iter().filter_map(start).collect()
}

fn xlated(image: &ProgramImage, names: &Xlated<'_>) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut slot = 0;
    while let Some(text) = text(&image.xlated, slot, names) {
        slots.push(Slot { slot, text });
        slot += width(&image.xlated, slot);
    }
    slots
}

/// The instructions of a function with their addresses.
fn machine(function: &Function) -> impl Iterator<Item = (u64, Machine)> + '_ {
    function.code.iter().map(|(address, text)| {
        let offset = address - function.address;
        let starts = (offset == 0).then(|| function.name.clone());
        (*address, Machine { offset, starts, text: text.clone() })
    })
}

/// Puts every instruction beside the one that it comes from: that of the last line that starts at or
/// before it, of its function where it is machine code.
fn align(listed: &mut Program, image: &ProgramImage, xlated: Vec<Slot>, code: &[Function]) {
    let place = listed.rows.iter().enumerate();
    let place = place.filter_map(|(row, it)| Some((it.loaded.as_ref()?.slot, row)));
    let rows: HashMap<usize, usize> = place.collect();
    let row_of = |line: Option<&ProgramLine>| rows.get(&slot_of(line?)?).copied();
    for slot in xlated {
        let behind = image.lines.partition_point(|line| line.xlated as usize <= slot.slot);
        match row_of(behind.checked_sub(1).and_then(|at| image.lines.get(at))) {
            Some(row) => listed.rows[row].xlated.push(slot),
            None => listed.xlated.push(slot),
        }
    }
    for function in code {
        let last = function.code.last().map_or(0, |(address, _)| *address);
        let inside = |line: &&ProgramLine| (function.address..=last).contains(&line.jited);
        let mut lines: Vec<&ProgramLine> = image.lines.iter().filter(inside).collect();
        // Of lines without code of their own the last is the one that has the code behind them.
        lines.sort_by_key(|line| (line.jited, line.xlated));
        for (address, machine) in machine(function) {
            let behind = lines.partition_point(|line| line.jited <= address);
            match row_of(behind.checked_sub(1).and_then(|at| lines.get(at)).copied()) {
                Some(row) => listed.rows[row].jited.push(machine),
                None => listed.jited.push(machine),
            }
        }
    }
}

#[cfg(test)]
mod tests;
