//! Runs arbitrary slots as a program with maps of each kind.
//!
//! The first byte selects the program's type, the others are its slots. An `ld_imm64` of a map gets
//! the one selected by its immediate.

use bpf_isa::opcode::LD_IMM64;
use bpf_isa::{Imm64, Insn, Op, decode};
use bpf_model::Input;
use bpf_object::{FunctionStart, LoadPlan, MapElement, MapPlan, MapRef, ProgramPlan};

use crate::Seed;
use crate::decode::slots;
use crate::exercise::exercise;

/// `enum bpf_prog_type` of the types that the model supports.
pub(crate) const PROG_TYPES: [u32; 6] = [31, 1, 3, 4, 6, 17];

/// `enum bpf_map_type` of the maps here, in order.
const MAP_TYPES: [u32; 6] = [ARRAY, 1, INSN_ARRAY, ARRAY, 3, 6];
const ARRAY: u32 = 2;
const INSN_ARRAY: u32 = 34;
const BPF_F_RDONLY_PROG: u32 = 1 << 7;

/// Runs the target. A panic is a finding.
pub fn run(bytes: &[u8]) {
    let Some((&kind, rest)) = bytes.split_first() else { return };
    let insns = slots(rest);
    let prog_type = PROG_TYPES[usize::from(kind) % PROG_TYPES.len()];
    exercise(&plan(prog_type, insns), &Input { ctx: vec![2; 24], packet: vec![8; 60] });
}

fn plan(prog_type: u32, insns: Vec<Insn>) -> LoadPlan {
    let map_refs = insns.iter().enumerate().filter(|(_, insn)| insn.code == LD_IMM64);
    let map_refs = map_refs
        .map(|(slot, insn)| MapRef { slot, map: insn.imm as usize % MAP_TYPES.len() })
        .collect();
    let program = ProgramPlan {
        name: "main".into(),
        prog_type,
        expected_attach_type: 0,
        flags: 0,
        license: "GPL".into(),
        functions: vec![FunctionStart { name: "main".into(), slot: 0, global: true }],
        map_refs,
        func_info: Vec::new(),
        line_info: Vec::new(),
        insns,
    };
    let maps = MAP_TYPES.iter().enumerate().map(|(index, &map_type)| map(index, map_type));
    LoadPlan { maps: maps.collect(), programs: vec![program], btf: Vec::new() }
}

fn map(index: usize, map_type: u32) -> MapPlan {
    let element = |key: u32, value: Vec<u8>| MapElement { key: key.to_le_bytes().to_vec(), value };
    let plain = MapPlan {
        name: format!("m{index}"),
        map_type,
        key_size: 4,
        value_size: 16,
        max_entries: 4,
        ..MapPlan::default()
    };
    match index {
        // A value with a lock after the first 8 bytes.
        0 => MapPlan { spin_lock: Some(8), ..plain },
        // Every other slot up to 64, as a jump table.
        2 => {
            let value = |slot: u32| [slot.to_le_bytes().to_vec(), vec![0; 12]].concat();
            let contents = (0..32).map(|entry| element(entry, value(entry * 2))).collect();
            MapPlan { max_entries: 32, contents, frozen: true, ..plain }
        }
        // The byte offsets of every slot up to 32: those of functions are pointers.
        3 => {
            let contents =
                vec![element(0, (0..32u64).flat_map(|s| (s * 8).to_le_bytes()).collect())];
            MapPlan {
                value_size: 256,
                max_entries: 1,
                flags: BPF_F_RDONLY_PROG,
                frozen: true,
                contents,
                ..plain
            }
        }
        4 => MapPlan { value_size: 4, programs: vec![(0, 0), (2, 0)], ..plain },
        _ => plain,
    }
}

/// The instructions of the suites' programs, with their maps replaced by those of the same kind
/// here.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for case in bpf_suites::all() {
        let Ok(plan) = case.plan() else { continue };
        for (number, program) in plan.programs.iter().enumerate() {
            if program.insns.len() > 256 {
                continue;
            }
            let mut insns = program.insns.clone();
            for reference in &program.map_refs {
                let Some(map) = plan.maps.get(reference.map) else { continue };
                let kind = if map.map_type == ARRAY && map.frozen {
                    3
                } else {
                    MAP_TYPES.iter().position(|&ours| ours == map.map_type).unwrap_or_default()
                };
                if matches!(
                    decode(&insns, reference.slot),
                    Ok((Op::LdImm64 { value: Imm64::MapFd(_) | Imm64::MapValue { .. }, .. }, _))
                ) {
                    insns[reference.slot].imm = kind as i32;
                }
            }
            let kind = PROG_TYPES.iter().position(|&known| known == program.prog_type);
            let mut bytes = vec![kind.unwrap_or_default() as u8];
            bytes.extend(insns.iter().flat_map(|insn| insn.to_bytes()));
            seeds.push((format!("{}-{number}", case.name), bytes));
        }
    }
    seeds
}
