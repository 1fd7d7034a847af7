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

/// `BPF_MAP_TYPE_PROG_ARRAY`.
const PROG_ARRAY: u32 = 3;

/// The maps of the sections `maps` and `.maps`, sorted by offset.
#[derive(Default)]
pub(super) struct Maps {
    sections: Vec<usize>,
    maps: Vec<MapPlan>,
    /// By section and offset: the index of a map, or why there is none.
    by_place: HashMap<(usize, u64), Result<usize, LinkError>>,
    /// What is wrong with definitions.
    pub(super) errors: Vec<LinkError>,
    /// What users should know about their maps.
    pub(super) notes: Vec<String>,
}

impl Maps {
    pub(super) fn collect(
        object: &Object<'_>,
        functions: &Functions<'_>,
        types: &mut Types<'_>,
    ) -> Self {
        let mut found = Self::default();
        found.described(object, functions, types);
        let Some((number, section)) = object.section(MAPS) else { return found };
        found.sections.push(number);
        let mut left = section.relocations.len();
        for symbol in symbols(object, number) {
            let plan = legacy(object, functions, (section, symbol), types, &mut left);
            found.add((number, MAPS), symbol, plan);
        }
        found
    }

    /// The maps of the section `.maps`.
    fn described(&mut self, object: &Object<'_>, functions: &Functions<'_>, types: &mut Types<'_>) {
        let Some((number, section)) = object.section(BTF_MAPS) else { return };
        self.sections.push(number);
        let mut left = section.relocations.len();
        // Maps of maps, with what their definitions have as entries.
        let mut outer = Vec::new();
        for symbol in symbols(object, number) {
            let plan = btf_maps::map(symbol, types, &mut self.notes).and_then(|definition| {
                let Definition { mut plan, entries } = definition;
                let Some(entries) = entries else { return Ok(plan) };
                let definition = (BTF_MAPS, symbol.name, &entries);
                let held = self::entries(section, definition, &mut left)?;
                if plan.map_type == PROG_ARRAY {
                    plan.programs = programs(object, functions, held, (BTF_MAPS, symbol.name))?;
                } else {
                    outer.push((self.maps.len(), symbol.name, held));
                }
                Ok(plan)
            });
            self.add((number, BTF_MAPS), symbol, plan);
        }
        for (index, name, held) in outer {
            let maps: Result<Vec<_>, _> =
                held.into_iter().map(|entry| self.held_map(object, entry, name)).collect();
            match maps {
                Ok(maps) => self.maps[index].maps = maps,
                Err(error) => self.withdraw(index, error),
            }
        }
        if let Some(relocation) = section.relocations.first().filter(|_| left > 0) {
            self.errors.push(Location::new(BTF_MAPS, "", relocation.offset).error(format!(
                "{left} of {} relocations are neither programs that prog arrays hold from the start \
                 nor maps in maps; others are not supported",
                section.relocations.len()
            )));
        }
    }

    /// An entry of a map of maps.
    fn held_map(
        &self,
        object: &Object<'_>,
        Entry { index, relocation, addend }: Entry,
        name: &str,
    ) -> Result<(u32, usize), LinkError> {
        let symbol = &object.symbols[relocation.symbol];
        let held = match symbol.place {
            SymbolPlace::Section(section) => self.at(section, symbol.value.wrapping_add(addend)),
            _ => None,
        };
        match held {
            Some(Ok(map)) => Ok((index, map)),
            Some(Err(error)) => Err(error),
            None => Err(Location::new(BTF_MAPS, name, relocation.offset).error(format!(
                "the symbol `{}` is no map; maps of maps hold maps of this section",
                symbol.name
            ))),
        }
    }

    /// Adds a map that a symbol defines, or what is wrong with it.
    fn add(
        &mut self,
        (section, name): (usize, &str),
        symbol: &Symbol<'_>,
        plan: Result<MapPlan, LinkError>,
    ) {
        let place = (section, symbol.value);
        let plan = match self.by_place.contains_key(&place) {
            true => {
                Err(Location::new(name, symbol.name, symbol.value).error("two maps at one offset"))
            }
            false => plan,
        };
        let map = plan.map(|plan| {
            self.maps.push(plan);
            self.maps.len() - 1
        });
        self.errors.extend(map.as_ref().err().cloned());
        self.by_place.insert(place, map);
    }

    /// Makes a map one that cannot be referred to.
    fn withdraw(&mut self, index: usize, error: LinkError) {
        for map in self.by_place.values_mut().filter(|map| **map == Ok(index)) {
            *map = Err(error.clone());
        }
        self.errors.push(error);
    }

    /// The maps for the plan, with the same indices.
    pub(super) fn plans(&self) -> Vec<MapPlan> {
        self.maps.clone()
    }

    /// Whether the section contains map definitions.
    pub(super) fn is_section(&self, section: usize) -> bool {
        self.sections.contains(&section)
    }

    /// Index of the map defined at an offset of a section, or why it cannot be used.
    pub(super) fn at(&self, section: usize, offset: u64) -> Option<Result<usize, LinkError>> {
        self.by_place.get(&(section, offset)).cloned()
    }
}

/// A map of the section `maps`.
fn legacy(
    object: &Object<'_>,
    functions: &Functions<'_>,
    (section, symbol): (&Section<'_>, &Symbol<'_>),
    types: &mut Types<'_>,
    left: &mut usize,
) -> Result<MapPlan, LinkError> {
    let location = || Location::new(MAPS, symbol.name, symbol.value);
    let size = usize::try_from(symbol.size).unwrap_or(usize::MAX);
    let long = size >= LONG_MAP_DEF && (size - LONG_MAP_DEF).is_multiple_of(POINTER);
    if size != MAP_DEF && !long {
        return Err(location().error(format!(
            "a map definition of {size} bytes; {MAP_DEF} are expected: type, key_size, value_size, \
             max_entries, flags; or {LONG_MAP_DEF} and {POINTER} for each entry of a prog array"
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
    let held = self::entries(section, (MAPS, symbol.name, &entries), left)?;
    let spin_lock = field(5).checked_sub(1);
    Ok(MapPlan {
        name: symbol.name.to_owned(),
        map_type: field(0),
        key_size: field(1),
        value_size: field(2),
        max_entries: field(3),
        flags: field(4),
        spin_lock,
        types: spin_lock.map(|lock| types.of_locked_map(field(1), field(2), lock)),
        programs: programs(object, functions, held, (MAPS, symbol.name))?,
        ..MapPlan::default()
    })
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

/// Location of the entries of a prog array or a map of maps in its section, in bytes.
pub(super) struct Entries {
    pub(super) definition: Range<u64>,
    /// Offset of the first entry.
    pub(super) first: u64,
}

/// An entry that a definition gives.
struct Entry {
    index: u32,
    relocation: SectionRelocation,
    /// What the section holds in its place.
    addend: u64,
}

/// The entries in a definition.
fn entries(
    section: &Section<'_>,
    (place, name, Entries { definition, first: first_entry }): (&str, &str, &Entries),
    left: &mut usize,
) -> Result<Vec<Entry>, LinkError> {
    let relocations = &section.relocations;
    let first = relocations.partition_point(|relocation| relocation.offset < definition.start);
    let inside = |relocation: &&SectionRelocation| relocation.offset < definition.end;
    let mut entries: Vec<Entry> = Vec::new();
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
                 of an entry of a prog array or a map of maps is expected",
                relocation.relocation_type
            )));
        };
        // Far below 32 bits, like the file size.
        let index = u32::try_from(entry / POINTER as u64).unwrap_or(u32::MAX);
        if entries.last().is_some_and(|last| last.index == index) {
            return Err(location().error("two relocations of one entry"));
        }
        let at = usize::try_from(relocation.offset).unwrap_or(usize::MAX);
        let addend = section.data.get(at..).and_then(|rest| rest.first_chunk());
        let addend = addend.map_or(0, |&word| u64::from_le_bytes(word));
        entries.push(Entry { index, relocation: *relocation, addend });
    }
    Ok(entries)
}

/// The programs that the entries of a prog array are, by number among the programs.
fn programs(
    object: &Object<'_>,
    functions: &Functions<'_>,
    entries: Vec<Entry>,
    (place, name): (&str, &str),
) -> Result<Vec<(u32, usize)>, LinkError> {
    let program = |Entry { index, relocation, addend }: Entry| {
        let symbol = &object.symbols[relocation.symbol];
        let program = match symbol.place {
            SymbolPlace::Section(section) => {
                functions.program(section, symbol.value.wrapping_add(addend))
            }
            _ => None,
        };
        let program = program.ok_or_else(|| {
            Location::new(place, name, relocation.offset).error(format!(
                "the symbol `{}` is no program; prog arrays hold functions outside of `.text`",
                symbol.name
            ))
        })?;
        Ok((index, program))
    };
    entries.into_iter().map(program).collect()
}
