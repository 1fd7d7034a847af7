//! Writes a unit as a relocatable ELF object, in the format of LLVM 22.
//!
//! That is: little endian, `EM_BPF`, `SHT_REL` with the addends in the instructions; subprograms in
//! `.text`; a section for each kind of program; `.jumptables` without flags, alignment or
//! relocations, with one global `STT_OBJECT` symbol per table; data in `.rodata` and the like, with
//! `R_BPF_64_ABS64` for pointers to functions. References to static functions and data use their
//! section's symbol, or no relocation for a call in the same section; references to global ones,
//! tables and maps use their own symbol.

use std::collections::HashMap;

use bpf_isa::{Insn, Relocation, RelocationKind, Unit};
use object::elf;
use object::write::{Object, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};
use thiserror::Error;

use crate::names::{
    JUMP_TABLE_ENTRY, JUMP_TABLES, LICENSE, LONG_MAP_DEF, MAPS, POINTER, R_BPF_64_ABS64, TEXT,
};

/// Why a unit cannot be written as an object.
#[derive(Debug, Error)]
pub enum WriteError {
    /// Two symbols with the same name.
    #[error("cannot write the object: `{0}` is defined twice; give each symbol its own name")]
    Duplicate(String),
    /// A name with a zero byte, which ends names in ELF.
    #[error("cannot write the object: the name `{}` has a zero byte; remove it", .0.escape_debug())]
    Name(String),
    /// A table of a function that does not exist.
    #[error(
        "cannot write the jump table `{table}`: its function `{function}` is not in the unit; \
         define it or correct the table"
    )]
    TableFunction {
        /// Name of the table.
        table: String,
        /// Name that is missing.
        function: String,
    },
    /// An impossible relocation.
    #[error("cannot write the relocation at slot {slot} of `{function}`: {reason}")]
    Relocation {
        /// The function.
        function: String,
        /// Slot relative to the function.
        slot: usize,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// An impossible pointer in data or in a map's definition.
    #[error("cannot write the pointer at offset {offset} of `{object}`: {reason}")]
    Pointer {
        /// The data object or map.
        object: String,
        /// Bytes from the object's start.
        offset: usize,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The ELF writer failed.
    #[error("cannot lay out the object: {0}")]
    Elf(#[from] object::write::Error),
}

/// Writes a unit as an ELF object with the license `GPL`.
///
/// Jump tables are written unchecked: the linker or the kernel rejects targets outside of the
/// function or numbers that overflow.
///
/// # Errors
///
/// If names clash, a relocation refers to nothing or to a slot that cannot be relocated, or an
/// addend does not fit 32 bits.
pub fn write(unit: &Unit) -> Result<Vec<u8>, WriteError> {
    if let Some(name) = names(unit).find(|name| name.contains('\0')) {
        return Err(WriteError::Name(name.to_owned()));
    }
    let object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let mut writer = Writer { object, sections: HashMap::new(), symbols: HashMap::new() };
    writer.functions(unit)?;
    writer.jump_tables(unit)?;
    writer.data(unit)?;
    writer.maps(unit)?;
    writer.license();
    writer.code(unit)?;
    Ok(writer.object.write()?)
}

/// The names of all symbols and sections.
fn names(unit: &Unit) -> impl Iterator<Item = &str> {
    let functions = unit.functions.iter().flat_map(|f| [&f.name, &f.section]);
    let tables = unit.jump_tables.iter().map(|table| &table.name);
    let data = unit.data.iter().flat_map(|data| [&data.name, &data.section]);
    let maps = unit.maps.iter().map(|map| &map.name);
    functions.chain(tables).chain(data).chain(maps).map(String::as_str)
}

/// Alignment of each data object in its section.
const DATA_ALIGN: u64 = 8;

struct Writer<'u> {
    object: Object<'u>,
    sections: HashMap<&'u str, SectionId>,
    symbols: HashMap<&'u str, Placed<'u>>,
}

/// A symbol and its location.
#[derive(Clone, Copy)]
struct Placed<'u> {
    id: SymbolId,
    section: &'u str,
    offset: u64,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    StaticFunction,
    GlobalFunction,
    StaticData,
    Data,
}

impl Kind {
    fn is_function(self) -> bool {
        matches!(self, Self::StaticFunction | Self::GlobalFunction)
    }

    fn is_static(self) -> bool {
        matches!(self, Self::StaticFunction | Self::StaticData)
    }
}

impl<'u> Writer<'u> {
    fn section(&mut self, name: &'u str, kind: SectionKind) -> SectionId {
        let object = &mut self.object;
        *self
            .sections
            .entry(name)
            .or_insert_with(|| object.add_section(Vec::new(), name.into(), kind))
    }

    /// Places all functions, without their code.
    fn functions(&mut self, unit: &'u Unit) -> Result<(), WriteError> {
        let mut ends: HashMap<&str, u64> = HashMap::new();
        self.section(TEXT, SectionKind::Text);
        for function in &unit.functions {
            self.section(&function.section, SectionKind::Text);
            let end = ends.entry(&function.section).or_default();
            let offset = *end;
            let size = (function.insns.len() * Insn::SIZE) as u64;
            *end += size;
            let kind = if function.global { Kind::GlobalFunction } else { Kind::StaticFunction };
            self.symbol(&function.name, &function.section, offset..offset + size, kind)?;
        }
        Ok(())
    }

    fn symbol(
        &mut self,
        name: &'u str,
        section: &'u str,
        range: std::ops::Range<u64>,
        kind: Kind,
    ) -> Result<(), WriteError> {
        let (bind, scope) = if kind.is_static() {
            (elf::STB_LOCAL, SymbolScope::Compilation)
        } else {
            (elf::STB_GLOBAL, SymbolScope::Dynamic)
        };
        let (st_type, symbol_kind) = if kind.is_function() {
            (elf::STT_FUNC, SymbolKind::Text)
        } else {
            (elf::STT_OBJECT, SymbolKind::Data)
        };
        let id = self.object.add_symbol(Symbol {
            name: name.into(),
            value: range.start,
            size: range.end - range.start,
            kind: symbol_kind,
            scope,
            weak: false,
            section: SymbolSection::Section(self.sections[section]),
            flags: SymbolFlags::Elf {
                st_info: elf::SymbolInfo::new(bind, st_type),
                st_other: elf::STV_DEFAULT.into(),
            },
        });
        let placed = Placed { id, section, offset: range.start, kind };
        match self.symbols.insert(name, placed) {
            None => Ok(()),
            Some(_) => Err(WriteError::Duplicate(name.to_owned())),
        }
    }

    fn jump_tables(&mut self, unit: &'u Unit) -> Result<(), WriteError> {
        if unit.jump_tables.is_empty() {
            return Ok(());
        }
        let section = self.section(JUMP_TABLES, SectionKind::Other);
        for table in &unit.jump_tables {
            let function = self.symbols.get(table.function.as_str());
            let base = function
                .filter(|function| function.kind.is_function())
                .ok_or_else(|| WriteError::TableFunction {
                    table: table.name.clone(),
                    function: table.function.clone(),
                })?
                .offset;
            let mut data = Vec::with_capacity(table.targets.len() * JUMP_TABLE_ENTRY);
            for target in &table.targets {
                let entry = target.wrapping_mul(Insn::SIZE as u64).wrapping_add(base);
                data.extend_from_slice(&entry.to_le_bytes());
            }
            let start = self.object.append_section_data(section, &data, 1);
            let range = start..start + data.len() as u64;
            self.symbol(&table.name, JUMP_TABLES, range, Kind::Data)?;
        }
        Ok(())
    }

    fn maps(&mut self, unit: &'u Unit) -> Result<(), WriteError> {
        if unit.maps.is_empty() {
            return Ok(());
        }
        let section = self.section(MAPS, SectionKind::Data);
        for map in &unit.maps {
            let fields = [map.map_type, map.key_size, map.value_size, map.max_entries, map.flags];
            let mut data: Vec<u8> = fields.into_iter().flat_map(u32::to_le_bytes).collect();
            if map.spin_lock.is_some() || !map.programs.is_empty() {
                let lock = map.spin_lock.map_or(0, |offset| offset.wrapping_add(1));
                data.extend_from_slice(&lock.to_le_bytes());
                data.resize(LONG_MAP_DEF + map.programs.len() * POINTER, 0);
            }
            let start = self.object.append_section_data(section, &data, 4);
            self.symbol(&map.name, MAPS, start..start + data.len() as u64, Kind::Data)?;
            for (entry, program) in map.programs.iter().enumerate() {
                let Some(program) = program else { continue };
                let offset = LONG_MAP_DEF + entry * POINTER;
                let placed = self.symbols.get(program.as_str());
                let placed =
                    placed.filter(|placed| placed.kind.is_function()).ok_or_else(|| {
                        WriteError::Pointer {
                            object: map.name.clone(),
                            offset,
                            reason: format!("no function is named `{program}`; define it"),
                        }
                    })?;
                let r_type = elf::RelocationType(R_BPF_64_ABS64);
                self.relocate(section, start + offset as u64, placed.id, r_type)?;
            }
        }
        Ok(())
    }

    fn data(&mut self, unit: &'u Unit) -> Result<(), WriteError> {
        for data in &unit.data {
            let kind = match data.section.as_str() {
                name if name.starts_with(".data.rel.ro") => SectionKind::ReadOnlyDataWithRel,
                name if name.starts_with(".rodata") => SectionKind::ReadOnlyData,
                _ => SectionKind::Data,
            };
            let section = self.section(&data.section, kind);
            let mut bytes = data.bytes.clone();
            let mut relocations = Vec::with_capacity(data.pointers.len());
            for pointer in &data.pointers {
                let fail = |reason: String| WriteError::Pointer {
                    object: data.name.clone(),
                    offset: pointer.offset,
                    reason,
                };
                let place = bytes
                    .get_mut(pointer.offset..)
                    .and_then(|rest| rest.first_chunk_mut::<POINTER>())
                    .ok_or_else(|| fail("its 8 bytes are not all in the object".to_owned()))?;
                let function = self
                    .symbols
                    .get(pointer.function.as_str())
                    .copied()
                    .filter(|placed| placed.kind.is_function())
                    .ok_or_else(|| {
                        fail(format!("no function is named `{}`; define it", pointer.function))
                    })?;
                let (symbol, addend) = if pointer.own_symbol {
                    (function.id, 0)
                } else {
                    self.symbol_and_offset(function)
                };
                *place = addend.to_le_bytes();
                relocations.push((pointer.offset as u64, symbol));
            }
            let start = self.object.append_section_data(section, &bytes, DATA_ALIGN);
            for (offset, symbol) in relocations {
                self.relocate(
                    section,
                    start + offset,
                    symbol,
                    elf::RelocationType(R_BPF_64_ABS64),
                )?;
            }
            let kind = if data.global { Kind::Data } else { Kind::StaticData };
            let range = start..start + bytes.len() as u64;
            self.symbol(&data.name, &data.section, range, kind)?;
        }
        Ok(())
    }

    /// Adds a relocation whose addend is already in the section's bytes at BPF's position; the ELF
    /// writer would fill all 64 bits of an instruction.
    fn relocate(
        &mut self,
        section: SectionId,
        offset: u64,
        symbol: SymbolId,
        r_type: elf::RelocationType,
    ) -> Result<(), WriteError> {
        let flags = RelocationFlags::Elf { r_type };
        let relocation = object::write::Relocation { offset, symbol, addend: 0, flags };
        Ok(self.object.add_relocation(section, relocation)?)
    }

    /// The symbol for a reference, and the offset from it.
    fn symbol_and_offset(&mut self, placed: Placed<'u>) -> (SymbolId, u64) {
        if placed.kind.is_static() {
            (self.object.section_symbol(self.sections[placed.section]), placed.offset)
        } else {
            (placed.id, 0)
        }
    }

    fn license(&mut self) {
        let section = self.section(LICENSE, SectionKind::Data);
        self.object.append_section_data(section, b"GPL\0", 1);
    }

    fn code(&mut self, unit: &'u Unit) -> Result<(), WriteError> {
        for function in &unit.functions {
            let mut insns = function.insns.clone();
            // Functions of a section are laid out in the order of the unit, so the data appended so
            // far ends where this function was placed.
            let base = self.symbols[function.name.as_str()].offset;
            let section = self.sections[function.section.as_str()];
            for relocation in &function.relocations {
                let fail = |reason: String| WriteError::Relocation {
                    function: function.name.clone(),
                    slot: relocation.slot,
                    reason,
                };
                let insn = insns.get_mut(relocation.slot).ok_or_else(|| {
                    fail("there is no such slot; count slots from the function's start".to_owned())
                })?;
                let placed =
                    self.symbols.get(relocation.symbol.as_str()).copied().ok_or_else(|| {
                        fail(format!("nothing is named `{}`; define it", relocation.symbol))
                    })?;
                let offset = base + (relocation.slot * Insn::SIZE) as u64;
                if relocation.kind == RelocationKind::Call
                    && placed.kind == Kind::StaticFunction
                    && placed.section == function.section
                {
                    insn.imm = distance(offset, placed.offset, relocation).map_err(fail)?;
                    continue;
                }
                let (symbol, addend) = self.reference(placed, relocation);
                insn.imm = addend.map_err(fail)?;
                let r_type = match relocation.kind {
                    RelocationKind::Address => elf::R_BPF_64_64,
                    RelocationKind::Call => elf::R_BPF_64_32,
                };
                self.relocate(section, offset, symbol, r_type)?;
            }
            let data: Vec<u8> = insns.into_iter().flat_map(Insn::to_bytes).collect();
            self.object.append_section_data(section, &data, Insn::SIZE as u64);
        }
        Ok(())
    }

    /// The symbol of a relocation, and the value for the immediate.
    fn reference(
        &mut self,
        placed: Placed<'u>,
        relocation: &Relocation,
    ) -> (SymbolId, Result<i32, String>) {
        let (symbol, offset) = self.symbol_and_offset(placed);
        let bytes = i128::from(offset) + i128::from(relocation.addend);
        let addend = match relocation.kind {
            RelocationKind::Address => bytes,
            // Calls count slots from the next instruction.
            RelocationKind::Call => bytes / Insn::SIZE as i128 - 1,
        };
        (symbol, i32::try_from(addend).map_err(|_| too_far(addend)))
    }
}

/// The immediate of a call inside a section; both offsets in bytes from the section's start.
fn distance(call: u64, target: u64, relocation: &Relocation) -> Result<i32, String> {
    let bytes = i128::from(target) + i128::from(relocation.addend) - i128::from(call);
    let slots = bytes / Insn::SIZE as i128 - 1;
    i32::try_from(slots).map_err(|_| too_far(slots))
}

fn too_far(number: i128) -> String {
    format!("{number} does not fit the immediate of 32 bits; use a smaller addend or object")
}
