//! The function being assembled: its instructions, labels and tables.

use std::collections::HashMap;

use super::directive::{name, target};
use super::error::{AsmError, Problem};
use super::instruction::{Parsed, with_offset};
use super::symbols::{Reference, Symbols};
use super::{FunctionLines, Line};
use crate::Insn;
use crate::encode::encode;
use crate::op::{Imm64, Op};
use crate::opcode::{CALL_IMM, PSEUDO_CALL, PSEUDO_MAP_FD};
use crate::unit::{Function, JumpTable, RelocationKind, Unit};

/// A function whose end has not been reached.
pub(super) struct OpenFunction<'s> {
    name: &'s str,
    section: &'s str,
    global: bool,
    start: Line<'s>,
    insns: Vec<Insn>,
    /// The line of each slot.
    lines: Vec<usize>,
    labels: HashMap<&'s str, (usize, Line<'s>)>,
    jumps: Vec<Jump<'s>>,
    tables: Vec<Table<'s>>,
    references: Vec<Reference<'s>>,
}

/// A jump to a label that may not be defined yet.
struct Jump<'s> {
    slot: usize,
    op: Op,
    label: &'s str,
    line: Line<'s>,
}

/// A table with its targets as text.
struct Table<'s> {
    name: &'s str,
    targets: &'s str,
    line: Line<'s>,
}

impl<'s> OpenFunction<'s> {
    pub(super) fn new(name: &'s str, section: &'s str, global: bool, start: Line<'s>) -> Self {
        Self {
            name,
            section,
            global,
            start,
            insns: Vec::new(),
            lines: Vec::new(),
            labels: HashMap::new(),
            jumps: Vec::new(),
            tables: Vec::new(),
            references: Vec::new(),
        }
    }

    pub(super) fn label(&mut self, label: &'s str, line: Line<'s>) -> Result<(), AsmError> {
        name(label).map_err(|problem| line.fail(problem))?;
        match self.labels.insert(label, (self.insns.len(), line)) {
            None => Ok(()),
            Some((_, first)) => Err(line.fail(Problem::new(
                format!("the label `{label}` stands in line {} already", first.number + 1),
                "a label once in a function",
            ))),
        }
    }

    pub(super) fn table(&mut self, name: &'s str, targets: &'s str, line: Line<'s>) {
        self.tables.push(Table { name, targets, line });
    }

    pub(super) fn push(&mut self, parsed: Parsed<'s>, line: Line<'s>) {
        let slot = self.insns.len();
        let mut refer = |symbol, addend, kind| {
            self.references.push(Reference { slot, symbol, addend, kind, line });
        };
        match parsed {
            Parsed::Op(op) => self.insns.extend_from_slice(&encode(&op)),
            Parsed::Raw(insn) => self.insns.push(insn),
            Parsed::Jump(op, label) => {
                self.insns.extend_from_slice(&encode(&op));
                self.jumps.push(Jump { slot, op, label, line });
            }
            Parsed::Address { dst, symbol, addend } => {
                refer(symbol, addend, RelocationKind::Address);
                self.insns.extend_from_slice(&wide(dst));
            }
            Parsed::Map { dst, symbol } => {
                refer(symbol, 0, RelocationKind::Address);
                let [mut first, second] = wide(dst);
                first.src = PSEUDO_MAP_FD;
                self.insns.extend_from_slice(&[first, second]);
            }
            Parsed::Call { symbol } => {
                refer(symbol, 0, RelocationKind::Call);
                self.insns.push(Insn {
                    code: CALL_IMM,
                    src: PSEUDO_CALL,
                    imm: -1,
                    ..Insn::default()
                });
            }
        }
        self.lines.resize(self.insns.len(), line.number);
    }

    /// Resolves the labels, moves the function into the unit, and returns the line of each slot.
    pub(super) fn close(
        mut self,
        unit: &mut Unit,
        symbols: &mut Symbols<'s>,
    ) -> Result<FunctionLines, AsmError> {
        if self.insns.is_empty() {
            return Err(self.start.fail(Problem::new(
                format!("the function `{}` has no instructions", self.name),
                "at least one instruction before the next function or the end",
            )));
        }
        for jump in &self.jumps {
            let target = self.find(jump.label, jump.line)?;
            // Slot numbers are far below the range of i128.
            let offset = target as i128 - jump.slot as i128 - 1;
            let op = with_offset(jump.op, offset).map_err(|problem| jump.line.fail(problem))?;
            self.insns[jump.slot] = encode(&op)[0];
        }
        for table in &self.tables {
            let targets = self.targets(table)?;
            let (name, function) = (table.name.to_owned(), self.name.to_owned());
            unit.jump_tables.push(JumpTable { name, function, targets });
        }
        symbols.refer(unit.functions.len(), std::mem::take(&mut self.references));
        unit.functions.push(Function {
            name: self.name.to_owned(),
            section: self.section.to_owned(),
            global: self.global,
            insns: self.insns,
            relocations: Vec::new(),
        });
        Ok(FunctionLines { start: self.start.number, slots: self.lines })
    }

    fn targets(&self, table: &Table<'s>) -> Result<Vec<u64>, AsmError> {
        if table.targets.is_empty() {
            return Ok(Vec::new());
        }
        table
            .targets
            .split(',')
            .map(|word| match target(word.trim()) {
                Some(number) => Ok(number),
                None => Ok(self.find(word.trim(), table.line)? as u64),
            })
            .collect()
    }

    fn find(&self, label: &str, line: Line<'s>) -> Result<usize, AsmError> {
        self.labels.get(label).map(|&(slot, _)| slot).ok_or_else(|| {
            line.fail(Problem::new(
                format!("the function `{}` has no label `{label}`", self.name),
                "a label of the same function, or a number of slots",
            ))
        })
    }
}

/// An empty `ld_imm64`.
fn wide(dst: u8) -> [Insn; 2] {
    let encoded = encode(&Op::LdImm64 { dst, value: Imm64::Value(0) });
    [encoded[0], encoded[1]]
}
