//! Jump tables: from the section `.jumptables` to maps of the plan.
//!
//! Like `create_jt_map` in `tools/lib/bpf/libbpf.c`, but with one map per function that refers to a
//! table instead of one per program: the entries are offsets in the function's section, so they
//! have another meaning for another function.

use std::collections::HashMap;

use bpf_isa::{Insn, MAP_TYPE_INSN_ARRAY};
use goblin::elf::sym::{STT_NOTYPE, STT_OBJECT};

use super::MAX_TABLE_ENTRIES;
use super::error::{LinkError, Location};
use super::is_jump_tables;
use crate::names::{JUMP_TABLE_ENTRY, JUMP_TABLES};
use crate::plan::{MapElement, MapPlan};
use crate::read::{Object, Symbol, SymbolPlace};

/// Bytes of a key of `BPF_MAP_TYPE_INSN_ARRAY`.
const KEY_SIZE: u32 = 4;
/// Size of `struct bpf_insn_array_value` of `include/uapi/linux/bpf.h`: `orig_off`, `xlated_off`,
/// `jitted_off` and padding, 32 bits each. User space writes only `orig_off`.
const VALUE_SIZE: u32 = 16;

/// The tables of an object and their maps.
pub(super) struct Tables {
    /// All tables, sorted by start.
    tables: Vec<Table>,
    made: HashMap<(Table, Owner), usize>,
    budget: usize,
}

/// A table: a range of bytes of the section.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Table {
    start: u64,
    size: u64,
    /// Index of its symbol.
    symbol: usize,
}

/// The user of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    /// Index of the program in the plan.
    pub(super) program: usize,
    /// Number of the function.
    pub(super) function: usize,
    /// The function's first slot in its section.
    pub(super) section_slot: usize,
    /// The function's first slot in the program.
    pub(super) program_slot: usize,
}

impl Tables {
    pub(super) fn collect(object: &Object<'_>) -> Self {
        let mut tables: Vec<Table> = (0..object.symbols.len())
            .filter_map(|number| Self::named(object, number, &object.symbols[number]))
            .collect();
        tables.sort_unstable();
        Self { tables, made: HashMap::new(), budget: MAX_TABLE_ENTRIES }
    }

    fn named(object: &Object<'_>, number: usize, symbol: &Symbol<'_>) -> Option<Table> {
        let SymbolPlace::Section(section) = symbol.place else { return None };
        // A label in inline assembly has no type, but `.size` gives it a size.
        let table = match symbol.symbol_type {
            STT_OBJECT => true,
            STT_NOTYPE => symbol.size > 0,
            _ => false,
        };
        (table && is_jump_tables(object.sections[section].name)).then_some(Table {
            start: symbol.value,
            size: symbol.size,
            symbol: number,
        })
    }

    /// The table that a relocation refers to, and the offset in it: that of the symbol itself, or,
    /// for a section symbol, the one that contains the addend.
    pub(super) fn find(
        &self,
        object: &Object<'_>,
        symbol: usize,
        addend: i64,
    ) -> Result<(Table, i64), LinkError> {
        let found = &object.symbols[symbol];
        if let Some(table) = Self::named(object, symbol, found) {
            return Ok((table, addend));
        }
        let at = i128::from(found.value) + i128::from(addend);
        let covers = |table: &&Table| {
            let start = i128::from(table.start);
            start <= at && at < start + i128::from(table.size)
        };
        let table = self.tables.iter().find(covers).ok_or_else(|| {
            Location::new(JUMP_TABLES, found.name, found.value).error(format!(
                "no jump table has a symbol that covers offset {at:#x}; each needs one with its \
                 size, as of the type OBJECT"
            ))
        })?;
        let offset = at - i128::from(table.start);
        // It is smaller than the table, which is smaller than the file.
        Ok((*table, i64::try_from(offset).unwrap_or_default()))
    }

    /// Index of the map for a table as used by one function of a program; creates it if necessary.
    pub(super) fn map(
        &mut self,
        object: &Object<'_>,
        table: Table,
        owner: Owner,
        maps: &mut Vec<MapPlan>,
    ) -> Result<usize, LinkError> {
        if let Some(&map) = self.made.get(&(table, owner)) {
            return Ok(map);
        }
        let plan = self.make(object, table, owner)?;
        maps.push(plan);
        self.made.insert((table, owner), maps.len() - 1);
        Ok(maps.len() - 1)
    }

    fn make(
        &mut self,
        object: &Object<'_>,
        table: Table,
        owner: Owner,
    ) -> Result<MapPlan, LinkError> {
        let symbol = &object.symbols[table.symbol];
        let at = |offset: u64| Location::new(JUMP_TABLES, symbol.name, offset);
        let SymbolPlace::Section(section) = symbol.place else {
            return Err(at(table.start).error("the jump table lies in no section"));
        };
        let section = object.sections[section].data;
        let entry_size = JUMP_TABLE_ENTRY as u64;
        if !table.start.is_multiple_of(entry_size) || !table.size.is_multiple_of(entry_size) {
            return Err(at(table.start).error(format!(
                "a jump table of {} bytes; start and size have to be multiples of {entry_size}",
                table.size
            )));
        }
        let start = usize::try_from(table.start).ok();
        let end = start.zip(usize::try_from(table.size).ok()).and_then(|(a, b)| a.checked_add(b));
        let data = start.zip(end).and_then(|(start, end)| section.get(start..end));
        let data = data.ok_or_else(|| {
            at(table.start).error(format!(
                "a jump table of {} bytes reaches out of its section of {}",
                table.size,
                section.len()
            ))
        })?;
        let (entries, _) = data.as_chunks::<JUMP_TABLE_ENTRY>();
        self.budget = self.budget.checked_sub(entries.len()).ok_or_else(|| {
            at(table.start).error(format!(
                "the jump tables of all programs have more than {MAX_TABLE_ENTRIES} entries"
            ))
        })?;
        let mut contents = Vec::with_capacity(entries.len());
        for (index, &entry) in (0u32..).zip(entries) {
            let entry = u64::from_le_bytes(entry);
            let offset = table.start + u64::from(index) * entry_size;
            let target = rebase(entry, owner).map_err(|reason| at(offset).error(reason))?;
            let mut value = vec![0; VALUE_SIZE as usize];
            value[..4].copy_from_slice(&target.to_le_bytes());
            contents.push(MapElement { key: index.to_le_bytes().to_vec(), value });
        }
        Ok(MapPlan {
            name: symbol.name.to_owned(),
            map_type: MAP_TYPE_INSN_ARRAY,
            key_size: KEY_SIZE,
            value_size: VALUE_SIZE,
            // The limit is far below 32 bits.
            max_entries: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            flags: 0,
            contents,
            frozen: true,
            ..MapPlan::default()
        })
    }
}

/// Converts an entry, in bytes from the start of the function's section, to a slot in the program.
/// The kernel checks whether the function has this slot.
fn rebase(entry: u64, owner: Owner) -> Result<u32, String> {
    let size = Insn::SIZE as u64;
    if !entry.is_multiple_of(size) {
        return Err(format!(
            "the entry {entry:#x} is not a multiple of {size}, so that it is no instruction's offset"
        ));
    }
    let slot = (entry / size)
        .wrapping_sub(owner.section_slot as u64)
        .wrapping_add(owner.program_slot as u64);
    u32::try_from(slot).map_err(|_| {
        format!("the entry {entry:#x} gives slot {slot:#x} of the program, which is not 32 bits")
    })
}
