//! The maps that an object defines.

use std::collections::HashMap;
use std::ops::Range;

use goblin::elf::sym::{STT_NOTYPE, STT_OBJECT};

use super::btf_maps::{self, Definition};
use super::error::{LinkError, Location};
use super::functions::Functions;
use super::types::Types;
use crate::names::{BTF_MAPS, LONG_MAP_DEF, MAP_DEF, MAPS, POINTER, R_BPF_64_ABS64};
use crate::plan::MapPlan;
use crate::read::{Object, Section, SectionRelocation, Symbol, SymbolPlace};

/// The maps of the sections `maps` and `.maps`, sorted by offset.
#[derive(Default)]
pub(super) struct Maps {
    sections: Vec<usize>,
    maps: Vec<MapPlan>,
    /// Indices by section and offset.
    by_place: HashMap<(usize, u64), usize>,
}

impl Maps {
    pub(super) fn collect(
        object: &Object<'_>,
        functions: &Functions<'_>,
        types: &mut Types<'_>,
    ) -> Result<Self, LinkError> {
        let mut found = Self::default();
        found.described(object, functions, types)?;
        let Some((number, section)) = object.section(MAPS) else { return Ok(found) };
        found.sections.push(number);
        let mut left = section.relocations.len();
        for symbol in symbols(object, number) {
            let location = || Location::new(MAPS, symbol.name, symbol.value);
            let size = usize::try_from(symbol.size).unwrap_or(usize::MAX);
            let long = size >= LONG_MAP_DEF && (size - LONG_MAP_DEF).is_multiple_of(POINTER);
            if size != MAP_DEF && !long {
                return Err(location().error(format!(
                    "a map definition of {size} bytes; {MAP_DEF} are expected: type, key_size, \
                     value_size, max_entries, flags; or {LONG_MAP_DEF} and {POINTER} for each \
                     entry of a prog array"
                )));
            }
            let start = usize::try_from(symbol.value).unwrap_or(usize::MAX);
            let data = start.checked_add(size).and_then(|end| section.data.get(start..end));
            let Some(data) = data else {
                return Err(location().error("the map definition reaches out of its section"));
            };
            let field = |at: usize| {
                let word = data.get(4 * at..).and_then(|rest| rest.first_chunk());
                word.map_or(0, |&word| u32::from_le_bytes(word))
            };
            let entries = Entries {
                definition: start as u64..(start + size) as u64,
                first: (start + LONG_MAP_DEF) as u64,
            };
            let definition = (MAPS, symbol.name, &entries);
            let spin_lock = field(5).checked_sub(1);
            found.place((number, MAPS), symbol)?;
            found.maps.push(MapPlan {
                name: symbol.name.to_owned(),
                map_type: field(0),
                key_size: field(1),
                value_size: field(2),
                max_entries: field(3),
                flags: field(4),
                spin_lock,
                types: spin_lock.map(|lock| types.of_locked_map(field(1), field(2), lock)),
                programs: programs(object, functions, section, definition, &mut left)?,
                ..MapPlan::default()
            });
        }
        Ok(found)
    }

    /// The maps of the section `.maps`.
    fn described(
        &mut self,
        object: &Object<'_>,
        functions: &Functions<'_>,
        types: &mut Types<'_>,
    ) -> Result<(), LinkError> {
        let Some((number, section)) = object.section(BTF_MAPS) else { return Ok(()) };
        self.sections.push(number);
        let mut left = section.relocations.len();
        for symbol in symbols(object, number) {
            self.place((number, BTF_MAPS), symbol)?;
            let Definition { mut plan, entries } = btf_maps::map(symbol, types)?;
            if let Some(entries) = entries {
                let definition = (BTF_MAPS, symbol.name, &entries);
                plan.programs = programs(object, functions, section, definition, &mut left)?;
            }
            self.maps.push(plan);
        }
        match section.relocations.first() {
            Some(relocation) if left > 0 => {
                Err(Location::new(BTF_MAPS, "", relocation.offset).error(format!(
                    "{left} of {} relocations are no programs that prog arrays hold from the start; \
                     others are not supported",
                    section.relocations.len()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Records where the next map is defined.
    fn place(
        &mut self,
        (section, name): (usize, &str),
        symbol: &Symbol<'_>,
    ) -> Result<(), LinkError> {
        match self.by_place.insert((section, symbol.value), self.maps.len()) {
            None => Ok(()),
            Some(_) => {
                Err(Location::new(name, symbol.name, symbol.value).error("two maps at one offset"))
            }
        }
    }

    /// The maps for the plan, with the same indices.
    pub(super) fn plans(&self) -> Vec<MapPlan> {
        self.maps.clone()
    }

    /// Whether the section contains map definitions.
    pub(super) fn is_section(&self, section: usize) -> bool {
        self.sections.contains(&section)
    }

    /// Index of the map defined at an offset of a section.
    pub(super) fn at(&self, section: usize, offset: u64) -> Option<usize> {
        self.by_place.get(&(section, offset)).copied()
    }
}

/// The symbols that define the maps of a section.
fn symbols<'o>(object: &'o Object<'o>, section: usize) -> Vec<&'o Symbol<'o>> {
    let mut symbols: Vec<_> = object
        .symbols
        .iter()
        .filter(|symbol| symbol.place == SymbolPlace::Section(section))
        .filter(|symbol| matches!(symbol.symbol_type, STT_OBJECT | STT_NOTYPE))
        .collect();
    symbols.sort_by_key(|symbol| symbol.value);
    symbols
}

/// Location of the entries of a prog array in its section, in bytes.
pub(super) struct Entries {
    pub(super) definition: Range<u64>,
    /// Offset of the first entry.
    pub(super) first: u64,
}

/// Entries and programs in the definition of a prog array.
fn programs(
    object: &Object<'_>,
    functions: &Functions<'_>,
    section: &Section<'_>,
    (place, name, Entries { definition, first: first_entry }): (&str, &str, &Entries),
    left: &mut usize,
) -> Result<Vec<(u32, usize)>, LinkError> {
    let relocations = &section.relocations;
    let first = relocations.partition_point(|relocation| relocation.offset < definition.start);
    let inside = |relocation: &&SectionRelocation| relocation.offset < definition.end;
    let mut programs: Vec<(u32, usize)> = Vec::new();
    for relocation in relocations[first..].iter().take_while(inside) {
        let location = || Location::new(place, name, relocation.offset);
        // Definitions of well-formed objects do not overlap.
        *left = left
            .checked_sub(1)
            .ok_or_else(|| location().error("the definition overlaps with another one"))?;
        let entry = relocation.offset.checked_sub(*first_entry);
        let entry = entry.filter(|at| at.is_multiple_of(POINTER as u64));
        let (Some(entry), R_BPF_64_ABS64) = (entry, relocation.relocation_type) else {
            let offset = relocation.offset - definition.start;
            return Err(location().error(format!(
                "a relocation of type {} at byte {offset} of a map definition; R_BPF_64_ABS64 (2) \
                 of an entry of a prog array is expected",
                relocation.relocation_type
            )));
        };
        // Far below 32 bits, like the file size.
        let entry = u32::try_from(entry / POINTER as u64).unwrap_or(u32::MAX);
        if programs.last().is_some_and(|&(last, _)| last == entry) {
            return Err(location().error("two relocations of one entry"));
        }
        let symbol = &object.symbols[relocation.symbol];
        let program = match symbol.place {
            SymbolPlace::Section(section) => functions.program(section, symbol.value),
            _ => None,
        };
        let program = program.ok_or_else(|| {
            location().error(format!(
                "the symbol `{}` is no program; prog arrays hold functions outside of `.text`",
                symbol.name
            ))
        })?;
        programs.push((entry, program));
    }
    Ok(programs)
}
