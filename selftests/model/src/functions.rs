//! Pointers to functions in read-only data: which words are some, and what reading them gives.
//!
//! In a map a pointer is the byte offset of the function's first instruction in the program. The
//! map is an array with one entry, frozen, and read-only for programs; the program has `callx`; the
//! function is static and one that the kernel knows of. Where the map has a type for its value, only
//! pointers to prototypes and to void can be some; where it has none, a word that is such a number by
//! chance is a pointer as well.

use std::collections::BTreeMap;

use bpf_isa::opcode::CALLX;
use bpf_isa::{Imm64, Insn, Op, decode};
use bpf_object::{LoadPlan, MapPlan, ProgramPlan};

use crate::lower::TEXT;
use crate::maps::{BPF_F_RDONLY_PROG, map_type};
use crate::trap::TrapKind;
use crate::value::{Prov, Value};

/// Bytes of a pointer, and what its offset is a multiple of.
const POINTER: usize = 8;

/// The pointers in the value of one map.
#[derive(Clone, Debug)]
pub(crate) struct FunctionTable {
    /// Number of the program whose functions they are. Others see numbers.
    program: usize,
    /// First slot of the function by word of the value; [`NUMBER`] where there is none.
    words: Vec<u32>,
}

/// A word that is no pointer.
const NUMBER: u32 = u32::MAX;

impl FunctionTable {
    /// What a load of `size` bytes gives that are `bits` in the map.
    pub(crate) fn read(
        &self,
        program: usize,
        offset: usize,
        size: usize,
        bits: u64,
    ) -> Result<Value, TrapKind> {
        let word = self.words.get(offset / POINTER).copied().unwrap_or(NUMBER);
        if word != NUMBER
            && size == POINTER
            && offset.is_multiple_of(POINTER)
            && program == self.program
        {
            return Ok(Value {
                bits: TEXT.wrapping_add(u64::from(word) * 8),
                prov: Prov::function(word),
            });
        }
        self.read_range(program, offset, size).map(|()| Value::scalar(bits))
    }

    /// Whether bytes can be read as numbers: none of them belongs to a pointer.
    pub(crate) fn read_range(
        &self,
        program: usize,
        offset: usize,
        size: usize,
    ) -> Result<(), TrapKind> {
        let words = self.words.iter().take((offset + size).div_ceil(POINTER));
        let touched = words.skip(offset / POINTER).any(|&word| word != NUMBER);
        if touched && program == self.program {
            return Err(TrapKind::FunctionPointer { offset: offset as u64, size: size as u64 });
        }
        Ok(())
    }
}

/// The maps of a plan that hold pointers, by index.
pub(crate) fn tables(plan: &LoadPlan) -> BTreeMap<u32, FunctionTable> {
    let mut tables = BTreeMap::new();
    for (number, program) in plan.programs.iter().enumerate() {
        if !program.insns.iter().any(|insn| insn.code == CALLX) {
            continue;
        }
        let functions = recognised(program);
        for reference in &program.map_refs {
            let Some(value) = plan.maps.get(reference.map).and_then(value) else { continue };
            let typed = plan.function_pointers(reference.map);
            let may_point = |word: usize| {
                typed.as_ref().is_none_or(|typed| typed.contains(&((word * POINTER) as u64)))
            };
            let words: Vec<u32> = value
                .as_chunks::<POINTER>()
                .0
                .iter()
                .enumerate()
                .map(|(word, &bytes)| {
                    let function = functions.get(&u64::from_le_bytes(bytes)).copied();
                    function.filter(|_| may_point(word)).unwrap_or(NUMBER)
                })
                .collect();
            if words.iter().any(|&word| word != NUMBER) {
                // The second program that uses such a map is refused.
                let table = FunctionTable { program: number, words };
                tables.entry(reference.map as u32).or_insert(table);
            }
        }
    }
    tables
}

/// The value of a map that may hold pointers.
fn value(map: &MapPlan) -> Option<&[u8]> {
    let fits = map.map_type == map_type::ARRAY
        && map.max_entries == 1
        && map.frozen
        && map.flags & BPF_F_RDONLY_PROG != 0;
    map.contents.last().filter(|_| fits).map(|element| element.value.as_slice())
}

/// First slot of the functions that data can point to, by byte offset: without BTF those that code
/// refers to, with BTF all that are static. The entry is none of them.
fn recognised(program: &ProgramPlan) -> BTreeMap<u64, u32> {
    let mut slots: Vec<usize> = referred(&program.insns).collect();
    slots.extend(program.func_info.iter().map(|info| info.slot as usize));
    let global = |slot: usize| {
        !program.func_info.is_empty()
            && program.functions.iter().any(|start| start.slot == slot && start.global)
    };
    slots
        .into_iter()
        .filter(|&slot| slot > 0 && slot < program.insns.len() && !global(slot))
        .map(|slot| ((slot * Insn::SIZE) as u64, slot as u32))
        .collect()
}

/// The slots that calls and wide immediates name as functions.
pub(crate) fn referred(insns: &[Insn]) -> impl Iterator<Item = usize> + '_ {
    let mut slot = 0;
    std::iter::from_fn(move || {
        while slot < insns.len() {
            let (found, width) = match decode(insns, slot) {
                Ok((
                    Op::CallLocal { off } | Op::LdImm64 { value: Imm64::Func { off }, .. },
                    slots,
                )) => (usize::try_from(slot as i64 + 1 + i64::from(off)).ok(), slots),
                Ok((_, slots)) => (None, slots),
                Err(_) => (None, 1),
            };
            slot += width;
            if found.is_some() {
                return found;
            }
        }
        None
    })
}
