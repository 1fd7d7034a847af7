//! Maps: array, per-CPU array (of one CPU), hash, instruction array.
//!
//! Values live in [`Memory`], so that programs reach them through pointers; keys and the order of
//! slots live here. Other map types exist as handles that no helper takes.

use std::collections::{BTreeMap, HashMap};

use bpf_object::{MapElement, MapPlan};
use foldhash::fast::FixedState;

use crate::functions::FunctionTable;
use crate::lower::{MapValues, TEXT};
use crate::memory::{Kind, Memory};
use crate::trap::TrapKind;
use crate::value::{Prov, Value};

/// `enum bpf_map_type` (`include/uapi/linux/bpf.h`).
pub(crate) mod map_type {
    pub(crate) const HASH: u32 = 1;
    pub(crate) const ARRAY: u32 = 2;
    pub(crate) const PERCPU_ARRAY: u32 = 6;
    pub(crate) use bpf_isa::MAP_TYPE_INSN_ARRAY as INSN_ARRAY;
    pub(crate) use bpf_isa::MAP_TYPE_PROG_ARRAY as PROG_ARRAY;
}

pub(crate) const BPF_F_RDONLY_PROG: u32 = 1 << 7;
const BPF_F_WRONLY_PROG: u32 = 1 << 8;
const BPF_NOEXIST: u64 = 1;
const BPF_EXIST: u64 = 2;
const BPF_F_LOCK: u64 = 4;

/// Bytes of a `struct bpf_spin_lock`, and its alignment.
pub(crate) const LOCK: usize = 4;

/// Bytes that all maps of a plan may have together.
const MAX_BYTES: u64 = 1 << 28;

/// Why a plan cannot be set up in the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// `BPF_MAP_CREATE` would fail.
    #[error("cannot create map {map}: {why}")]
    Map {
        /// Index of the map in the plan.
        map: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The maps' values do not fit into the model's memory.
    #[error("cannot create map {map}: with it the maps have more than {MAX_BYTES} bytes")]
    TooLarge {
        /// Index of the map in the plan.
        map: usize,
    },
    /// A `BPF_MAP_UPDATE_ELEM` of the plan's contents would fail.
    #[error("cannot write element {element} of map {map}: {why}")]
    Element {
        /// Index of the map in the plan.
        map: usize,
        /// Index of the element in the map's contents.
        element: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// One map.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) map_type: u32,
    pub(crate) key_size: usize,
    pub(crate) value_size: usize,
    max_entries: u32,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Programs by entry, of a prog array.
    pub(crate) programs: HashMap<u32, usize>,
    /// Offset of the `bpf_spin_lock` in each value.
    lock: Option<u32>,
    /// Object that holds the values, or the jump table; none for types the model does not know.
    object: Option<u32>,
    hash: HashSlots,
}

/// Which element of the object holds which key of a hash map.
#[derive(Clone, Debug, Default)]
struct HashSlots {
    slots: HashMap<Vec<u8>, u32, FixedState>,
    /// Freed slots, the last one freed is the first one used.
    free: Vec<u32>,
    /// Slots from here on were never used.
    fresh: u32,
    /// An update of an existing key takes this slot and leaves the old one here, as
    /// `alloc_htab_elem()` does: pointers to the old value do not see the new one.
    extra: u32,
}

/// All maps of a plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maps(pub(crate) Vec<Map>);

impl Maps {
    /// Creates and fills the maps, with their values in `memory`.
    pub(crate) fn create(plans: &[MapPlan], memory: &mut Memory) -> Result<Self, ModelError> {
        let mut maps = Self::default();
        let mut budget = MAX_BYTES;
        for (index, plan) in plans.iter().enumerate() {
            let map = Map::create(index, plan, memory, &mut budget)?;
            maps.0.push(map);
            for (number, element) in plan.contents.iter().enumerate() {
                maps.0[index].fill(index, element, memory).map_err(|why| ModelError::Element {
                    map: index,
                    element: number,
                    why,
                })?;
            }
        }
        Ok(maps)
    }

    /// Says which maps hold pointers to functions.
    pub(crate) fn hold_functions(&self, tables: BTreeMap<u32, FunctionTable>, memory: &mut Memory) {
        for (map, table) in tables {
            let object = self.0.get(map as usize).and_then(|map| map.object);
            if let Some(object) = object.and_then(|object| memory.objects.get_mut(object as usize))
            {
                object.kind = Kind::Functions { map };
                memory.functions.insert(map, table);
            }
        }
    }
}

impl Map {
    fn create(
        index: usize,
        plan: &MapPlan,
        memory: &mut Memory,
        budget: &mut u64,
    ) -> Result<Self, ModelError> {
        let known = matches!(
            plan.map_type,
            map_type::HASH | map_type::ARRAY | map_type::PERCPU_ARRAY | map_type::INSN_ARRAY
        );
        let mut map = Self {
            map_type: plan.map_type,
            key_size: plan.key_size as usize,
            value_size: plan.value_size as usize,
            max_entries: plan.max_entries,
            readable: plan.flags & BPF_F_WRONLY_PROG == 0,
            writable: plan.flags & BPF_F_RDONLY_PROG == 0,
            programs: plan.programs.iter().copied().collect(),
            lock: plan.spin_lock,
            object: None,
            hash: HashSlots { fresh: 1, ..HashSlots::default() },
        };
        memory.jump_tables.push(Vec::new());
        if !known {
            return Ok(map);
        }
        map.check().map_err(|why| ModelError::Map { map: index, why })?;
        let (len, count, kind) = map.layout(index as u32);
        let bytes = (len as u64).next_multiple_of(8).checked_mul(count);
        *budget = bytes
            .and_then(|bytes| budget.checked_sub(bytes))
            .ok_or(ModelError::TooLarge { map: index })?;
        map.object = Some(memory.add(len, count as usize, kind));
        if map.map_type == map_type::INSN_ARRAY {
            memory.jump_tables[index] = vec![0; map.max_entries as usize];
            for entry in 0..map.max_entries {
                map.set_target(index, entry, 0, memory);
            }
        }
        Ok(map)
    }

    /// What `map_alloc_check` of the types demands.
    fn check(&self) -> Result<(), &'static str> {
        if self.max_entries == 0 || self.key_size == 0 || self.value_size == 0 {
            return Err("entries, key and value have to have a size");
        }
        match self.map_type {
            map_type::INSN_ARRAY if self.key_size != 4 || self.value_size != 16 => {
                Err("an instruction array has keys of 4 and values of 16 bytes")
            }
            map_type::ARRAY | map_type::PERCPU_ARRAY if self.key_size != 4 => {
                Err("an array has keys of 4 bytes")
            }
            map_type::HASH if self.key_size > 512 => Err("keys have at most 512 bytes"),
            map_type::HASH | map_type::ARRAY => Ok(()),
            _ if self.lock.is_some() => Err("a map of this type has no lock in its values"),
            _ => Ok(()),
        }?;
        match self.lock {
            Some(lock) if !lock.is_multiple_of(LOCK as u32) => Err("the lock is not aligned"),
            Some(lock) if lock as usize + LOCK > self.value_size => {
                Err("the lock reaches out of the value")
            }
            Some(_) if !self.readable || !self.writable => {
                Err("a map with a lock is one that programs read and write")
            }
            _ => Ok(()),
        }
    }

    /// Bytes of an element, number of elements, kind of the object.
    fn layout(&self, index: u32) -> (usize, u64, Kind) {
        let kind = match self.lock {
            Some(lock) => Kind::Guarded { map: index, lock },
            None => Kind::Values { map: index, read: self.readable, write: self.writable },
        };
        match self.map_type {
            // bpf_insn_array: one object with the addresses, whatever the value's size.
            map_type::INSN_ARRAY => {
                (8 * self.max_entries as usize, 1, Kind::JumpTable { map: index })
            }
            map_type::HASH => (self.value_size, u64::from(self.max_entries) + 1, kind),
            _ => (self.value_size, u64::from(self.max_entries), kind),
        }
    }

    fn set_target(&self, index: usize, entry: u32, slot: u32, memory: &mut Memory) {
        let Some(object) = self.object else { return };
        if let Some(target) = memory.jump_tables[index].get_mut(entry as usize) {
            *target = slot;
        }
        let at = entry as usize * 8;
        if let Some(bytes) = memory.element_mut(object, 0).get_mut(at..at + 8) {
            bytes.copy_from_slice(&TEXT.wrapping_add(u64::from(slot) * 8).to_le_bytes());
        }
    }

    /// Writes an element of the plan's contents, as user space would.
    fn fill(
        &mut self,
        index: usize,
        element: &MapElement,
        memory: &mut Memory,
    ) -> Result<(), &'static str> {
        if element.key.len() != self.key_size {
            return Err("the key has another size than the map's");
        }
        if element.value.len() != self.value_size {
            return Err("the value has another size than the map's");
        }
        if self.map_type == map_type::INSN_ARRAY {
            let entry = self.array_index(&element.key).ok_or("the index is past the end")?;
            let word = |at: usize| {
                element
                    .value
                    .get(at..at + 4)
                    .map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            };
            if word(4) != 0 || word(8) != 0 {
                return Err("only orig_off may be set");
            }
            self.set_target(index, entry, word(0), memory);
            return Ok(());
        }
        match self.update(&element.key, &element.value, 0, memory) {
            Some(0) | None => Ok(()),
            Some(_) => Err("the map is full or the index is past the end"),
        }
    }

    fn array_index(&self, key: &[u8]) -> Option<u32> {
        let index = u32::from_le_bytes(key.try_into().ok()?);
        (index < self.max_entries).then_some(index)
    }

    /// Object and element of a key; `Err` for types whose values programs cannot look up.
    pub(crate) fn lookup(&self, key: &[u8]) -> Result<Option<(u32, u32)>, ()> {
        match (self.map_type, self.object) {
            (map_type::ARRAY | map_type::PERCPU_ARRAY, Some(object)) => {
                Ok(self.array_index(key).map(|index| (object, index)))
            }
            (map_type::HASH, Some(object)) => {
                Ok(self.hash.slots.get(key).map(|&slot| (object, slot)))
            }
            _ => Err(()),
        }
    }

    /// `map_update_elem`: 0 or a negative errno; none for types the model does not update.
    pub(crate) fn update(
        &mut self,
        key: &[u8],
        value: &[u8],
        flags: u64,
        memory: &mut Memory,
    ) -> Option<i64> {
        let object = self.object?;
        let place = match self.map_type {
            map_type::ARRAY | map_type::PERCPU_ARRAY => self.array_place(key, flags),
            map_type::HASH => {
                let lock = self.lock.is_some();
                self.hash.place(key, flags, self.max_entries, lock)
            }
            _ => return None,
        };
        let element = match place {
            Ok(element) => element,
            Err(errno) => return Some(-errno),
        };
        let bytes = memory.element_mut(object, element);
        if bytes.len() == value.len() {
            // copy_map_value() leaves the lock alone.
            let lock = self.lock.map_or(0..0, |at| at as usize..at as usize + LOCK);
            bytes[..lock.start].copy_from_slice(&value[..lock.start]);
            bytes[lock.end..].copy_from_slice(&value[lock.end..]);
        }
        Some(0)
    }

    /// Index of the element that an update writes, or an errno: `array_map_update_elem()`.
    fn array_place(&self, key: &[u8], flags: u64) -> Result<u32, i64> {
        if flags & !BPF_F_LOCK > BPF_EXIST {
            return Err(EINVAL);
        }
        let index = self.array_index(key).ok_or(E2BIG)?;
        if flags & BPF_NOEXIST != 0 {
            return Err(EEXIST);
        }
        if flags & BPF_F_LOCK != 0 && self.lock.is_none() {
            return Err(EINVAL);
        }
        Ok(index)
    }

    /// `map_delete_elem`: 0 or a negative errno; none for types the model does not delete from.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Option<i64> {
        match self.map_type {
            map_type::ARRAY | map_type::PERCPU_ARRAY => Some(-EINVAL),
            map_type::HASH => Some(match self.hash.slots.remove(key) {
                Some(slot) => {
                    self.hash.free.push(slot);
                    0
                }
                None => -ENOENT,
            }),
            _ => None,
        }
    }
}

const ENOENT: i64 = 2;
const E2BIG: i64 = 7;
const EEXIST: i64 = 17;
const EINVAL: i64 = 22;

impl HashSlots {
    /// Slot that a key's new value goes to, or an errno: `htab_map_update_elem()`. `lock` says
    /// whether the values have one.
    fn place(&mut self, key: &[u8], flags: u64, max_entries: u32, lock: bool) -> Result<u32, i64> {
        let (in_place, flags) = (flags & BPF_F_LOCK != 0, flags & !BPF_F_LOCK);
        if flags > BPF_EXIST || in_place && !lock {
            return Err(EINVAL);
        }
        if let Some(slot) = self.slots.get_mut(key) {
            if flags == BPF_NOEXIST {
                return Err(EEXIST);
            }
            if !in_place {
                std::mem::swap(slot, &mut self.extra);
            }
            return Ok(*slot);
        }
        if flags == BPF_EXIST {
            return Err(ENOENT);
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            // Slot 0 is the first `extra`, so there are max_entries others.
            None if self.fresh <= max_entries => {
                self.fresh = self.fresh.wrapping_add(1);
                self.fresh.wrapping_sub(1)
            }
            None => return Err(E2BIG),
        };
        self.slots.insert(key.to_vec(), slot);
        Ok(slot)
    }
}

/// Maps and memory together know what a `ld_imm64` of a map loads.
pub(crate) struct MapLoader<'a> {
    pub(crate) maps: &'a Maps,
    pub(crate) memory: &'a Memory,
}

impl MapValues for MapLoader<'_> {
    fn map(&self, map: usize) -> Result<Value, TrapKind> {
        match self.maps.0.get(map) {
            Some(_) => {
                Ok(Value { bits: MAP_HANDLES + map as u64 * 0x1000, prov: Prov::map(map as u32) })
            }
            None => Err(no_such_map()),
        }
    }

    fn value(&self, map: usize, off: u32) -> Result<Value, TrapKind> {
        let Some(map) = self.maps.0.get(map) else { return Err(no_such_map()) };
        match (map.map_type, map.object) {
            // array_map_direct_value_addr().
            (map_type::ARRAY, _) if map.max_entries != 1 => Err(TrapKind::InvalidInstruction {
                why: "the address of a value in an array of more than one entry".into(),
            }),
            (map_type::INSN_ARRAY | map_type::ARRAY | map_type::PERCPU_ARRAY, Some(object)) => {
                let start = self.memory.pointer(object, 0);
                Ok(Value { bits: start.bits.wrapping_add(u64::from(off)), ..start })
            }
            _ => Err(TrapKind::Unsupported("address of a value in a map of this type".into())),
        }
    }
}

/// Address of the first map's handle; nothing can be read there.
const MAP_HANDLES: u64 = 0xffff_c900_0000_0000;

fn no_such_map() -> TrapKind {
    TrapKind::InvalidInstruction { why: "the plan names a map that it does not have".into() }
}

/// The contents of a map after a run.
#[derive(Clone, Copy, Debug)]
pub struct MapView<'a> {
    pub(crate) map: &'a Map,
    pub(crate) memory: &'a Memory,
}

impl MapView<'_> {
    /// The value of a key.
    pub fn lookup(&self, key: &[u8]) -> Option<&[u8]> {
        let (object, element) = self.map.lookup(key).ok().flatten()?;
        Some(self.memory.element(object, element))
    }

    /// All elements as `(key, value)`, sorted by key: arrays by index, hash maps by bytes.
    ///
    /// Empty for instruction arrays, whose contents are the kernel's business, and for types that
    /// the model does not know.
    pub fn elements(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Some(object) = self.map.object else { return Vec::new() };
        let value = |element| self.memory.element(object, element).to_vec();
        match self.map.map_type {
            map_type::ARRAY | map_type::PERCPU_ARRAY => (0..self.map.max_entries)
                .map(|index| (index.to_le_bytes().to_vec(), value(index)))
                .collect(),
            map_type::HASH => {
                let mut all: Vec<_> = self
                    .map
                    .hash
                    .slots
                    .iter()
                    .map(|(key, &slot)| (key.clone(), value(slot)))
                    .collect();
                all.sort();
                all
            }
            _ => Vec::new(),
        }
    }
}
