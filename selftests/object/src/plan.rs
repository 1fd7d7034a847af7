//! The load plan: what has to be created and loaded, in the kernel's own terms.
//!
//! The model executes it and the agent loads it; neither sees the ELF object that it came from.

use std::collections::BTreeSet;

use bpf_isa::Insn;

use crate::btf_read::Types;

/// Everything that has to exist before a program of the object can run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadPlan {
    /// Maps, in the order of creation. Programs refer to them by index.
    pub maps: Vec<MapPlan>,
    /// Programs, in the order of loading.
    pub programs: Vec<ProgramPlan>,
    /// BTF to load first (`BPF_BTF_LOAD`), which programs and maps refer to by type ids; empty if
    /// there is none.
    pub btf: Vec<u8>,
}

impl LoadPlan {
    /// Where the value of a map may contain pointers to functions, according to its type: offsets
    /// in bytes. `None` if the value has no type, so pointers and numbers cannot be told apart.
    pub fn function_pointers(&self, map: usize) -> Option<BTreeSet<u64>> {
        let value = self.maps.get(map)?.types?.value;
        let types = Types::read(&self.btf).ok()?;
        Some(types.function_pointers(value).unwrap_or_default())
    }

    /// The plan with only these programs, in their order here, and the maps that they refer to.
    /// Prog array entries with other programs are left out.
    pub fn restricted_to(&self, programs: &[usize]) -> Self {
        let mut maps: Vec<usize> = programs
            .iter()
            .filter_map(|&program| self.programs.get(program))
            .flat_map(|program| program.map_refs.iter().map(|reference| reference.map))
            .collect();
        let mut next = 0;
        while let Some(&at) = maps.get(next) {
            next += 1;
            let held = self.maps.get(at).map_or(&[][..], |map| &map.maps);
            let new: Vec<usize> =
                held.iter().map(|&(_, held)| held).filter(|held| !maps.contains(held)).collect();
            maps.extend(new);
        }
        maps.sort_unstable();
        maps.dedup();
        let place = |of: &[usize], index: usize| of.iter().position(|&kept| kept == index);
        let program = |&index: &usize| {
            let mut program = self.programs.get(index)?.clone();
            for reference in &mut program.map_refs {
                reference.map = place(&maps, reference.map)?;
            }
            Some(program)
        };
        let map = |&index: &usize| {
            let mut map = self.maps.get(index)?.clone();
            for (_, held) in &mut map.maps {
                *held = place(&maps, *held)?;
            }
            map.programs.retain_mut(|(_, held)| match place(programs, *held) {
                Some(kept) => {
                    *held = kept;
                    true
                }
                None => false,
            });
            Some(map)
        };
        Self {
            maps: maps.iter().filter_map(map).collect(),
            programs: programs.iter().filter_map(program).collect(),
            btf: self.btf.clone(),
        }
    }
}

/// One map with its contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapPlan {
    /// Name; the kernel uses the first 15 bytes of `[A-Za-z0-9_.]`.
    pub name: String,
    /// `enum bpf_map_type`; `BPF_MAP_TYPE_INSN_ARRAY` for a jump table.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Number of entries. 0 in an array of perf events: one for each processor.
    pub max_entries: u32,
    /// `BPF_F_*` creation flags.
    pub flags: u32,
    /// `map_extra`: the number of hash functions of a bloom filter, the address of an arena.
    pub extra: u64,
    /// Node of memory, with the flag `BPF_F_NUMA_NODE`.
    pub numa_node: u32,
    /// What the maps in a map of maps look like.
    pub inner: Option<Box<MapPlan>>,
    /// Entries of a map of maps and their maps, by index into [`LoadPlan::maps`]; written after all
    /// maps are created.
    pub maps: Vec<(u32, usize)>,
    /// Elements to write before the map is frozen.
    pub contents: Vec<MapElement>,
    /// Whether to freeze the map (`BPF_MAP_FREEZE`) before programs are loaded.
    pub frozen: bool,
    /// Entries of a prog array and their programs, by index into [`LoadPlan::programs`]; written
    /// after all programs are loaded.
    pub programs: Vec<(u32, usize)>,
    /// Offset in bytes of the `struct bpf_spin_lock` in each value, if any. The kernel finds it in
    /// the type of the value.
    pub spin_lock: Option<u32>,
    /// Ids of the types of key and value in [`LoadPlan::btf`], if the map has BTF.
    pub types: Option<MapTypes>,
}

/// The types of a map's key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapTypes {
    /// `btf_key_type_id`; 0 for a data section.
    pub key: u32,
    /// `btf_value_type_id`.
    pub value: u32,
}

/// One element of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapElement {
    /// Key, `key_size` bytes.
    pub key: Vec<u8>,
    /// Value, `value_size` bytes.
    pub value: Vec<u8>,
}

/// One program: the entry and then all its subprograms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramPlan {
    /// Name of the entry function.
    pub name: String,
    /// `enum bpf_prog_type`.
    pub prog_type: u32,
    /// `enum bpf_attach_type`, 0 if it does not matter.
    pub expected_attach_type: u32,
    /// `BPF_F_*` flags of `BPF_PROG_LOAD`.
    pub flags: u32,
    /// License string, `GPL` unless the object says otherwise.
    pub license: String,
    /// The entry function's instructions, then those of each subprogram it needs.
    pub insns: Vec<Insn>,
    /// Where each function starts, the entry first.
    pub functions: Vec<FunctionStart>,
    /// The `ld_imm64` instructions whose immediate the loader replaces with a map's descriptor.
    pub map_refs: Vec<MapRef>,
    /// BTF of each function, sorted by slot; empty for a program without BTF.
    pub func_info: Vec<FuncInfo>,
    /// Source lines of the instructions, sorted by slot; none, or at least one for the start of
    /// each function.
    pub line_info: Vec<LineInfo>,
}

/// `struct bpf_line_info` of `include/uapi/linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// Slot of the first instruction of the line.
    pub slot: u32,
    /// Offset of the file's name in the strings of [`LoadPlan::btf`].
    pub file: u32,
    /// Offset of the line's text there.
    pub text: u32,
    /// Line number, from 1, in the upper 22 bits, column in the lower 10.
    pub line_col: u32,
}

/// `struct bpf_func_info` of `include/uapi/linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuncInfo {
    /// Slot of the function's first instruction.
    pub slot: u32,
    /// Id of its `BTF_KIND_FUNC` in [`LoadPlan::btf`].
    pub type_id: u32,
}

/// Start of a function inside a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionStart {
    /// Symbol name.
    pub name: String,
    /// Slot of its first instruction.
    pub slot: usize,
    /// Whether its symbol is global and visible; otherwise static. Only matters to the kernel with
    /// BTF: a program without BTF has only static functions.
    pub global: bool,
}

/// An instruction that refers to a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRef {
    /// Slot of the `ld_imm64`. Its `src` says whether it loads the map (`BPF_PSEUDO_MAP_FD`) or the
    /// address of its value (`BPF_PSEUDO_MAP_VALUE`, offset in the second slot's `imm`).
    pub slot: usize,
    /// Index into [`LoadPlan::maps`].
    pub map: usize,
}
