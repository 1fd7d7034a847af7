//! Data sections: each becomes an array map with one entry, whose value is the section's bytes.
//!
//! Like `bpf_object__init_internal_map` in `tools/lib/bpf/libbpf.c`, plus pointers to functions
//! (`R_BPF_64_ABS64`), which become the byte offset of the function's first instruction in the
//! program. That differs between programs, so each program that uses such a section gets its own
//! map, which the kernel requires anyway.

use std::collections::HashMap;

use bpf_isa::Insn;
use bpf_isa::opcode::CALLX;
use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS};

use super::error::{LinkError, Location};
use super::functions::Functions;
use super::types::Types;
use super::{BtfUse, slots};
use crate::names::{DATA, POINTER, R_BPF_64_ABS64, READ_ONLY_DATA, ZEROS};
use crate::plan::{MapElement, MapPlan};
use crate::read::{Object, Section, SymbolPlace};

/// Size limit for all maps of data sections together, in bytes.
pub(super) const MAX_DATA: usize = 1 << 26;

const MAP_TYPE_ARRAY: u32 = 2;
const KEY_SIZE: u32 = 4;
const BPF_F_RDONLY_PROG: u32 = 1 << 7;

/// The data of an object, and the maps that programs share.
pub(super) struct Data {
    /// Maps of sections without pointers to functions, by section number.
    shared: HashMap<usize, usize>,
    budget: usize,
    /// Whether maps of read-only data get types that say where they point to functions, so that the
    /// kernel does not take numbers for pointers: if a program has indirect calls.
    describe: bool,
}

/// A pointer to a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pointer {
    /// Offset in the section, in bytes.
    pub(super) offset: usize,
    /// Number of the function.
    pub(super) function: usize,
}

/// A section as used by one program.
pub(super) struct Used {
    /// Number of the section.
    pub(super) section: usize,
    /// Index of its map in the plan.
    pub(super) map: usize,
    /// Its pointers, sorted by offset.
    pub(super) pointers: Vec<Pointer>,
}

/// Whether a section contains data that a program may use.
pub(super) fn is_data(section: &Section<'_>) -> bool {
    let alloc = section.flags & u64::from(SHF_ALLOC | SHF_EXECINSTR) == u64::from(SHF_ALLOC);
    let named = |start| section.name.starts_with(start);
    alloc
        && match section.section_type {
            SHT_PROGBITS => is_read_only(section.name) || named(DATA),
            SHT_NOBITS => named(ZEROS),
            _ => false,
        }
}

/// Whether the data of a section is read-only, according to its name.
fn is_read_only(name: &str) -> bool {
    READ_ONLY_DATA.iter().any(|start| name.starts_with(start))
}

impl Data {
    pub(super) fn new(object: &Object<'_>, btf: BtfUse) -> Self {
        let calls = |section: &Section<'_>| {
            section.flags & u64::from(SHF_EXECINSTR) != 0
                && slots(section.data).any(|insn| insn.code == CALLX)
        };
        let describe = btf != BtfUse::Never && object.sections.iter().any(calls);
        Self { shared: HashMap::new(), budget: MAX_DATA, describe }
    }

    /// The map for a section as used by one program: shared by all programs if the section has no
    /// pointers to functions, otherwise a new one whose pointers are filled in later.
    pub(super) fn used(
        &mut self,
        object: &Object<'_>,
        functions: &Functions<'_>,
        section: usize,
        types: &mut Types<'_>,
        maps: &mut Vec<MapPlan>,
    ) -> Result<Used, LinkError> {
        if let Some(&map) = self.shared.get(&section) {
            return Ok(Used { section, map, pointers: Vec::new() });
        }
        let found = &object.sections[section];
        // Zeros take no space in the file, so it may claim any number of them.
        let zeros = found.section_type == SHT_NOBITS;
        let size = if zeros { found.size } else { found.data.len() as u64 };
        let left = usize::try_from(size).ok().and_then(|size| self.budget.checked_sub(size));
        self.budget = left.ok_or_else(|| {
            Location::new(found.name, "", 0).error(format!(
                "the data of all programs has more than {MAX_DATA} bytes; use less of it"
            ))
        })?;
        let pointers = pointers(object, functions, section)?;
        let read_only = is_read_only(found.name);
        let map = maps.len();
        // The budget is far below 32 bits.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        maps.push(MapPlan {
            name: found.name.to_owned(),
            map_type: MAP_TYPE_ARRAY,
            key_size: KEY_SIZE,
            value_size: size,
            max_entries: 1,
            flags: if read_only { BPF_F_RDONLY_PROG } else { 0 },
            contents: if zeros {
                Vec::new()
            } else {
                vec![MapElement { key: vec![0; KEY_SIZE as usize], value: found.data.into() }]
            },
            frozen: read_only,
            types: if self.describe && read_only {
                types.of_pointers(found.name, found.data, &pointers)
            } else {
                types.of_data(found.name, size)
            },
            ..MapPlan::default()
        });
        if pointers.is_empty() {
            self.shared.insert(section, map);
        }
        Ok(Used { section, map, pointers })
    }
}

impl Used {
    /// Writes the pointers into the map: byte offsets of functions in the program, 0 for functions
    /// that it does not contain.
    pub(super) fn fill(&self, placed: &HashMap<usize, usize>, maps: &mut [MapPlan]) {
        let value = maps.get_mut(self.map).and_then(|map| map.contents.first_mut());
        let Some(MapElement { value, .. }) = value else { return };
        for pointer in &self.pointers {
            let slot = placed.get(&pointer.function).copied().unwrap_or(0);
            let place = value.get_mut(pointer.offset..pointer.offset + POINTER);
            if let Some(place) = place {
                place.copy_from_slice(&((slot * Insn::SIZE) as u64).to_le_bytes());
            }
        }
    }
}

/// The functions that a section points to.
fn pointers(
    object: &Object<'_>,
    functions: &Functions<'_>,
    number: usize,
) -> Result<Vec<Pointer>, LinkError> {
    let section = &object.sections[number];
    let mut pointers: Vec<Pointer> = Vec::with_capacity(section.relocations.len());
    for relocation in &section.relocations {
        let symbol = &object.symbols[relocation.symbol];
        let location = || Location::new(section.name, symbol.name, relocation.offset);
        if relocation.relocation_type != R_BPF_64_ABS64 {
            return Err(location().error(format!(
                "a relocation of type {} in data; R_BPF_64_ABS64 (2) is expected",
                relocation.relocation_type
            )));
        }
        let offset = usize::try_from(relocation.offset).unwrap_or(usize::MAX);
        let addend = section.data.get(offset..).and_then(|rest| rest.first_chunk::<POINTER>());
        let Some(&addend) = addend else {
            return Err(location().error("the 8 bytes of the pointer reach out of the section"));
        };
        if pointers.last().is_some_and(|last| last.offset + POINTER > offset) {
            return Err(location().error("the pointer overlaps with the one before it"));
        }
        let SymbolPlace::Section(target) = symbol.place else {
            return Err(location().error(format!(
                "the symbol `{}` is not defined in this object; define it here",
                symbol.name
            )));
        };
        let name = object.sections[target].name;
        if !functions.is_text(target) {
            return Err(location().error(format!(
                "data points into section `{name}`; it can point to functions in `.text` alone, as \
                 nothing else has an address before the program is loaded"
            )));
        }
        let size = Insn::SIZE as i128;
        let address = i128::from(symbol.value) + i128::from(i64::from_le_bytes(addend));
        let found = if address % size == 0 { functions.at(target, address / size) } else { None };
        let Some(function) = found.filter(|&function| functions[function].start as i128 == address)
        else {
            return Err(location().error(format!(
                "no function starts at {address:#x} of section `{name}`; functions are pointed to \
                 by their start"
            )));
        };
        pointers.push(Pointer { offset, function });
    }
    Ok(pointers)
}
