//! The maps that an object defines.

use std::collections::HashMap;

use goblin::elf::sym::{STT_NOTYPE, STT_OBJECT};

use super::error::{LinkError, Location};
use crate::names::{MAP_DEF, MAPS};
use crate::plan::MapPlan;
use crate::read::{Object, SymbolPlace};

/// The maps of the section `maps`, in the order of their offsets.
pub(super) struct Maps {
    section: Option<usize>,
    maps: Vec<MapPlan>,
    by_offset: HashMap<u64, usize>,
}

impl Maps {
    pub(super) fn collect(object: &Object<'_>) -> Result<Self, LinkError> {
        let Some((number, section)) = object.section(MAPS) else {
            return Ok(Self { section: None, maps: Vec::new(), by_offset: HashMap::new() });
        };
        let mut symbols: Vec<_> = object
            .symbols
            .iter()
            .filter(|symbol| symbol.place == SymbolPlace::Section(number))
            .filter(|symbol| matches!(symbol.symbol_type, STT_OBJECT | STT_NOTYPE))
            .collect();
        symbols.sort_by_key(|symbol| symbol.value);
        let mut maps = Vec::with_capacity(symbols.len());
        let mut by_offset = HashMap::new();
        for symbol in symbols {
            let location = || Location::new(MAPS, symbol.name, symbol.value);
            if symbol.size != MAP_DEF as u64 {
                return Err(location().error(format!(
                    "a map definition of {} bytes; {MAP_DEF} are expected: type, key_size, \
                     value_size, max_entries, flags",
                    symbol.size
                )));
            }
            let start = usize::try_from(symbol.value).ok();
            let data = start.and_then(|start| section.data.get(start..)?.first_chunk::<MAP_DEF>());
            let Some(data) = data else {
                return Err(location().error("the map definition reaches out of its section"));
            };
            let field = |at: usize| {
                let [a, b, c, d] = [0, 1, 2, 3].map(|byte| data[4 * at + byte]);
                u32::from_le_bytes([a, b, c, d])
            };
            if by_offset.insert(symbol.value, maps.len()).is_some() {
                return Err(location().error("two maps at one offset"));
            }
            maps.push(MapPlan {
                name: symbol.name.to_owned(),
                map_type: field(0),
                key_size: field(1),
                value_size: field(2),
                max_entries: field(3),
                flags: field(4),
                contents: Vec::new(),
                frozen: false,
            });
        }
        Ok(Self { section: Some(number), maps, by_offset })
    }

    /// The maps as the plan holds them, at the same indices.
    pub(super) fn plans(&self) -> Vec<MapPlan> {
        self.maps.clone()
    }

    /// Whether the section holds map definitions.
    pub(super) fn is_section(&self, section: usize) -> bool {
        self.section == Some(section)
    }

    /// Index of the map that is defined at an offset of the section.
    pub(super) fn at(&self, offset: u64) -> Option<usize> {
        self.by_offset.get(&offset).copied()
    }
}
