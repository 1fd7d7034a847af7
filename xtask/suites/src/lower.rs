//! Lowers a case and its load plan to the steps that the agent executes.

use bpf_isa::{MAP_TYPE_INSN_ARRAY, MAP_TYPE_PROG_ARRAY};
use bpf_object::{LoadPlan, MapPlan, ProgramPlan};
use bpf_suites::{Act, Case, Expect, LoadOptions};
use bpf_wire::{MapBtf, ProgramLoad, Step};

/// Bytes that a program may add to a packet and that are still taken back.
pub(super) const PACKET_HEADROOM: u32 = 256;

/// What a step is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Loads the BTF.
    LoadBtf,
    /// Creates the map with this index.
    CreateMap(usize),
    /// Writes an element of the map with this index.
    UpdateElem(usize),
    /// Freezes the map with this index.
    Freeze(usize),
    /// Loads the program with this index.
    Load(usize),
    /// Makes the run with this index.
    Run(usize),
    /// Writes an entry of the prog array with this index.
    UpdateProgArray(usize),
    /// Reads the map with this index.
    DumpMap(usize),
    /// Makes the check with this index.
    Check(usize),
    /// Reads the instruction array with this index, to see where it leads in the machine code.
    DumpTable(usize),
}

/// Steps and, for each, its role.
#[derive(Debug)]
pub struct Lowered {
    /// What the agent executes.
    pub steps: Vec<Step>,
    /// As many roles as steps.
    pub roles: Vec<Role>,
}

/// Lowers a case. Of every program the translated instructions and the machine code are asked for,
/// and the jump tables.
pub fn lower(case: &Case, plan: &LoadPlan) -> Lowered {
    let mut steps = Vec::new();
    if !plan.btf.is_empty() {
        steps.push((Role::LoadBtf, Step::LoadBtf { data: plan.btf.clone() }));
    }
    for (index, map) in plan.maps.iter().enumerate() {
        create_map(index, map, &mut steps);
    }
    for (index, program) in plan.programs.iter().enumerate() {
        steps.push((Role::Load(index), load_as(program, &case.load)));
    }
    for (index, map) in plan.maps.iter().enumerate() {
        for &(key, prog) in &map.programs {
            let step = Step::UpdateProgArray { map: index as u32, key, prog: prog as u32 };
            steps.push((Role::UpdateProgArray(index), step));
        }
    }
    if let Expect::Accepted(runs) = &case.expect {
        for (index, run) in runs.iter().enumerate() {
            let step = Step::TestRun {
                prog: 0,
                data: run.packet.clone(),
                ctx: run.ctx.clone(),
                data_out: match run.packet.len() {
                    0 => 0,
                    len => len as u32 + PACKET_HEADROOM,
                },
                ctx_out: !run.ctx.is_empty(),
            };
            steps.push((Role::Run(index), step));
        }
        for (index, map) in plan.maps.iter().enumerate() {
            let step = Step::DumpMap { map: index as u32 };
            if is_data(map) {
                steps.push((Role::DumpMap(index), step));
            } else if map.map_type == MAP_TYPE_INSN_ARRAY {
                steps.push((Role::DumpTable(index), step));
            }
        }
        for (index, check) in case.checks.iter().enumerate() {
            let step =
                named(plan, &check.map).and_then(|(map, plan)| act(&check.act, map as u32, plan));
            steps.extend(step.map(|step| (Role::Check(index), step)));
        }
    }
    let (roles, steps) = steps.into_iter().unzip();
    Lowered { steps, roles }
}

/// Whether what a map holds is the program's business and is compared with the model. The offsets
/// in an instruction array are the kernel's to choose, and so are the ids of programs.
pub fn is_data(map: &MapPlan) -> bool {
    !matches!(map.map_type, MAP_TYPE_INSN_ARRAY | MAP_TYPE_PROG_ARRAY)
}

/// Adds the steps that create a map of a plan, fill and freeze it.
pub fn create_map(index: usize, map: &MapPlan, steps: &mut Vec<(Role, Step)>) {
    steps.push((
        Role::CreateMap(index),
        Step::CreateMap {
            name: map.name.clone(),
            map_type: map.map_type,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
            flags: map.flags,
            btf: map.types.map(|types| MapBtf { btf: 0, key: types.key, value: types.value }),
        },
    ));
    for element in &map.contents {
        steps.push((
            Role::UpdateElem(index),
            Step::UpdateElem {
                map: index as u32,
                key: element.key.clone(),
                value: element.value.clone(),
                flags: 0,
            },
        ));
    }
    if map.frozen {
        steps.push((Role::Freeze(index), Step::Freeze { map: index as u32 }));
    }
}

fn load_as(program: &ProgramPlan, options: &LoadOptions) -> Step {
    let load = load_program(program);
    Step::LoadProgram(Box::new(ProgramLoad {
        flags: load.flags | options.flags,
        without_caps: options.without_caps.clone(),
        ..load
    }))
}

/// What loads a program of a plan, with all privileges and without a log.
pub fn load_program(program: &ProgramPlan) -> ProgramLoad {
    ProgramLoad {
        name: program.name.clone(),
        prog_type: program.prog_type,
        expected_attach_type: program.expected_attach_type,
        flags: program.flags,
        license: program.license.clone(),
        insns: program.insns.iter().flat_map(|insn| insn.to_bytes()).collect(),
        map_refs: program.map_refs.iter().map(|r| (r.slot as u32, r.map as u32)).collect(),
        // The only one of the batch.
        btf: (!program.func_info.is_empty()).then_some(0),
        func_info: program
            .func_info
            .iter()
            .flat_map(|info| [info.slot, info.type_id])
            .flat_map(u32::to_le_bytes)
            .collect(),
        line_info: program
            .line_info
            .iter()
            .flat_map(|line| [line.slot, line.file, line.text, line.line_col])
            .flat_map(u32::to_le_bytes)
            .collect(),
        log_level: 0,
        without_caps: Vec::new(),
        dump: true,
    }
}

/// The first map of a name, with its index.
pub(super) fn named<'p>(plan: &'p LoadPlan, name: &str) -> Option<(usize, &'p MapPlan)> {
    plan.maps.iter().enumerate().find(|(_, map)| map.name == name)
}

/// The step of a check of the map with this index; none if reading the map, which is done anyway, is
/// enough.
pub(super) fn act(act: &Act, map: u32, plan: &MapPlan) -> Option<Step> {
    let step = match act {
        Act::UpdateFails(_) => Step::Attempt(Box::new(Step::UpdateElem {
            map,
            key: vec![0; plan.key_size as usize],
            value: vec![0; plan.value_size as usize],
            flags: 0,
        })),
        Act::LookupBatch => Step::LookupBatch { map },
        Act::Mmap => Step::ReadMapped { map },
        Act::Holds(_) => return None,
    };
    Some(step)
}
