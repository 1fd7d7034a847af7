//! The symbols of a source (functions, jump tables, data, maps) and the references to them.

use std::collections::HashMap;

use super::Line;
use super::error::{AsmError, Problem};
use crate::helpers::helper_id;
use crate::opcode::{PSEUDO_MAP_FD, PSEUDO_MAP_VALUE};
use crate::unit::{Relocation, RelocationKind, Unit};

/// A reference to a symbol.
pub(super) struct Reference<'s> {
    pub(super) slot: usize,
    pub(super) symbol: &'s str,
    pub(super) addend: i64,
    pub(super) kind: RelocationKind,
    pub(super) line: Line<'s>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Table,
    Map,
    Data,
}

/// All symbols that a source defines or refers to.
#[derive(Default)]
pub(super) struct Symbols<'s> {
    defined: HashMap<&'s str, (Kind, Line<'s>)>,
    /// By the index of the referring function.
    references: Vec<(usize, Vec<Reference<'s>>)>,
    /// Data objects by index, with the line that defines them.
    data: Vec<(usize, Line<'s>)>,
    /// Maps by index, with the line that defines them.
    maps: Vec<(usize, Line<'s>)>,
}

impl<'s> Symbols<'s> {
    pub(super) fn define_function(
        &mut self,
        name: &'s str,
        line: Line<'s>,
    ) -> Result<(), AsmError> {
        self.define(name, Kind::Function, line)
    }

    pub(super) fn define_table(&mut self, name: &'s str, line: Line<'s>) -> Result<(), AsmError> {
        self.define(name, Kind::Table, line)
    }

    pub(super) fn define_map(&mut self, name: &'s str, line: Line<'s>) -> Result<(), AsmError> {
        self.define(name, Kind::Map, line)
    }

    pub(super) fn define_data(&mut self, name: &'s str, line: Line<'s>) -> Result<(), AsmError> {
        self.define(name, Kind::Data, line)
    }

    /// Records a data object whose pointers must refer to functions.
    pub(super) fn point(&mut self, object: usize, line: Line<'s>) {
        self.data.push((object, line));
    }

    /// Records a map whose programs must be functions.
    pub(super) fn hold_programs(&mut self, map: usize, line: Line<'s>) {
        self.maps.push((map, line));
    }

    fn define(&mut self, name: &'s str, kind: Kind, line: Line<'s>) -> Result<(), AsmError> {
        match self.defined.insert(name, (kind, line)) {
            None => Ok(()),
            Some((_, first)) => Err(line.fail(Problem::new(
                format!("`{name}` is defined in line {} already", first.number + 1),
                "a name once among functions, jump tables, data and maps",
            ))),
        }
    }

    pub(super) fn refer(&mut self, function: usize, references: Vec<Reference<'s>>) {
        self.references.push((function, references));
    }

    /// Checks that a name refers to a function.
    fn function(&self, name: &str, line: Line<'s>) -> Result<(), AsmError> {
        match self.defined.get(name) {
            Some((Kind::Function, _)) => Ok(()),
            Some(_) => Err(line.fail(no_function(name))),
            None => Err(line.fail(unknown(name, "a function of this source"))),
        }
    }

    /// Turns references into relocations, and helper calls into plain instructions.
    pub(super) fn resolve(self, unit: &mut Unit) -> Result<(), AsmError> {
        for &(object, line) in &self.data {
            for pointer in &unit.data[object].pointers {
                self.function(&pointer.function, line)?;
            }
        }
        for &(map, line) in &self.maps {
            for program in unit.maps[map].programs.iter().flatten() {
                self.function(program, line)?;
            }
        }
        for (function, references) in self.references {
            let function = &mut unit.functions[function];
            for reference in references {
                let Reference { slot, symbol, addend, kind, line } = reference;
                let insn = &mut function.insns[slot];
                let defined = self.defined.get(symbol).map(|&(kind, _)| kind);
                match (kind, defined) {
                    (RelocationKind::Call, Some(Kind::Function)) => {}
                    (RelocationKind::Call, None) => {
                        let id = helper_id(symbol).ok_or_else(|| {
                            line.fail(unknown(symbol, "a function of this source, or a helper"))
                        })?;
                        (insn.src, insn.imm) = (0, id);
                        continue;
                    }
                    (RelocationKind::Call, Some(_)) => {
                        return Err(line.fail(no_function(symbol)));
                    }
                    (RelocationKind::Address, Some(Kind::Map)) => {
                        if insn.src != PSEUDO_MAP_FD {
                            insn.src = PSEUDO_MAP_VALUE;
                        }
                    }
                    (RelocationKind::Address, Some(Kind::Function))
                        if insn.src == PSEUDO_MAP_FD =>
                    {
                        return Err(line.fail(Problem::new(
                            format!("`{symbol}` is no map"),
                            "`map NAME ll` with a map, a jump table or data; `NAME ll` for a function",
                        )));
                    }
                    (RelocationKind::Address, Some(_)) => {}
                    (RelocationKind::Address, None) => {
                        let accepted = "a function, jump table, map or data of this source";
                        return Err(line.fail(unknown(symbol, accepted)));
                    }
                }
                let symbol = symbol.to_owned();
                function.relocations.push(Relocation { slot, symbol, addend, kind });
            }
        }
        Ok(())
    }
}

fn unknown(symbol: &str, accepted: &str) -> Problem {
    Problem::new(format!("nothing is named `{symbol}`"), accepted)
}

fn no_function(symbol: &str) -> Problem {
    Problem::new(
        format!("`{symbol}` is no function"),
        "a function of this source, or, in a call, a helper by name or number",
    )
}
