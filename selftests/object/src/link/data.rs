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
use goblin::elf::sym::STB_WEAK;

use super::error::{LinkError, Location};
use super::functions::Functions;
use super::types::Types;
use super::{BtfUse, slots};
use crate::names::{DATA, POINTER, R_BPF_64_ABS64, READ_ONLY_DATA, ZEROS};
use crate::plan::{MapElement, MapPlan};
use crate::read::{Object, Section, Symbol, SymbolPlace};

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
    /// Its pointers to functions, sorted by offset.
    pub(super) pointers: Vec<Pointer>,
    /// Whether programs cannot change it.
    pub(super) read_only: bool,
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
        notes: &mut Vec<String>,
    ) -> Result<Used, LinkError> {
        let found = &object.sections[section];
        let read_only = is_read_only(found.name);
        if let Some(&map) = self.shared.get(&section) {
            return Ok(Used { section, map, pointers: Vec::new(), read_only });
        }
        // Zeros take no space in the file, so it may claim any number of them.
        let zeros = found.section_type == SHT_NOBITS;
        let size = if zeros { found.size } else { found.data.len() as u64 };
        let left = usize::try_from(size).ok().and_then(|size| self.budget.checked_sub(size));
        self.budget = left.ok_or_else(|| {
            Location::new(found.name, "", 0).error(format!(
                "the data of all programs has more than {MAX_DATA} bytes; use less of it"
            ))
        })?;
        let pointers = pointers(object, functions, section, notes)?;
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
        Ok(Used { section, map, pointers, read_only })
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

/// The functions that a section points to. Pointers to other data stay what the compiler left in
/// their place, as libbpf leaves them, for nothing else has an address before the program is loaded.
fn pointers(
    object: &Object<'_>,
    functions: &Functions<'_>,
    number: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<Pointer>, LinkError> {
    let section = &object.sections[number];
    let mut pointers: Vec<Pointer> = Vec::with_capacity(section.relocations.len());
    let mut left_alone: Option<(usize, u64, &str)> = None;
    let mut end = 0;
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
        if end > offset {
            return Err(location().error("the pointer overlaps with the one before it"));
        }
        end = offset + POINTER;
        let address = i128::from(symbol.value) + i128::from(i64::from_le_bytes(addend));
        match target(object, functions, symbol, address).map_err(|why| location().error(why))? {
            Some(function) => pointers.push(Pointer { offset, function }),
            None => {
                let (count, _, _) =
                    left_alone.get_or_insert((0, relocation.offset, place(object, symbol)));
                *count += 1;
            }
        }
    }
    if let Some((count, first, to)) = left_alone {
        notes.push(format!(
            "{}: {count} of its pointers, the first at {first:#x} to {to}, are no addresses that a \
             program could use: only functions have one before it is loaded",
            section.name
        ));
    }
    Ok(pointers)
}

/// What a pointer in data points to, in words.
fn place<'o>(object: &Object<'o>, symbol: &Symbol<'o>) -> &'o str {
    match symbol.place {
        SymbolPlace::Section(section) if symbol.name.is_empty() => object.sections[section].name,
        _ => symbol.name,
    }
}

/// The function at an address of a symbol's section; none if data does not point to a function.
fn target(
    object: &Object<'_>,
    functions: &Functions<'_>,
    symbol: &Symbol<'_>,
    address: i128,
) -> Result<Option<usize>, String> {
    let SymbolPlace::Section(target) = symbol.place else {
        return match symbol.bind {
            STB_WEAK => Ok(None),
            _ => Err(format!(
                "the symbol `{}` is not defined in this object; define it here",
                symbol.name
            )),
        };
    };
    let size = Insn::SIZE as i128;
    let found = if address % size == 0 { functions.at(target, address / size) } else { None };
    let starts = |function: &usize| functions[*function].start as i128 == address;
    let code = object.sections[target].flags & u64::from(SHF_EXECINSTR) != 0;
    match found {
        Some(function) if !starts(&function) => Err(format!(
            "data points into `{}`, at {address:#x} of section `{}`: a label, as of `&&label` in C. \
             The kernel knows tables of labels only as jump tables; write a `switch`, or \
             `goto *` on labels that no static table holds",
            functions[function].name, object.sections[target].name
        )),
        // A program cannot be called.
        Some(_) if !functions.is_text(target) => Ok(None),
        None if code => Err(format!(
            "no function starts at {address:#x} of section `{}`; functions are pointed to by their \
             start",
            object.sections[target].name
        )),
        function => Ok(function),
    }
}
