//! Lowers a case and its load plan to the steps that the agent executes.

use bpf_case::{Act, Case, Expect, Run};
use bpf_isa::MAP_TYPE_INSN_ARRAY;
use bpf_object::{LoadPlan, MapPlan, ProgramPlan};
use bpf_wire::{MapBtf, MapCreate, ProgramLoad, Step};

pub use harness_session::test::{Lowered, Role};

/// Bytes that a program may add to a packet and that are still taken back.
const PACKET_HEADROOM: u32 = 256;

/// A plan, and what is done with it beside creating its maps and loading its programs.
pub struct Lowering<'a> {
    /// The plan.
    pub plan: &'a LoadPlan,
    /// Changes how the program with this index is loaded: with all privileges and without a log.
    pub load: &'a dyn Fn(usize, &mut ProgramLoad),
    /// Capabilities that maps are created and written without.
    pub without_caps: &'a [u8],
    /// What is run once all is loaded.
    pub runs: Vec<(Role, Step)>,
    /// Whether maps are read after that.
    pub reads: bool,
}

impl Lowering<'_> {
    /// The steps for the agent. Of every program the translated instructions and the machine code are
    /// asked for.
    pub fn lower(self) -> Lowered {
        let Self { plan, load, without_caps, runs, reads } = self;
        let mut steps = Vec::new();
        for (index, map) in plan.maps.iter().enumerate() {
            create_map(index, map, &mut steps);
        }
        for (index, map) in plan.maps.iter().enumerate() {
            for &(key, held) in &map.maps {
                let step = Step::UpdateMapOfMaps { map: index as u32, key, held: held as u32 };
                steps.push((Role::UpdateElem(index), step));
            }
            if reads && map.map_type == PERF_EVENT_ARRAY {
                steps.push((Role::OpenEvents(index), Step::OpenEvents { map: index as u32 }));
            }
        }
        let set_up = steps.len();
        for (index, map) in plan.maps.iter().enumerate() {
            for &(key, prog) in &map.programs {
                let step = Step::UpdateProgArray { map: index as u32, key, prog: prog as u32 };
                steps.push((Role::UpdateProgArray(index), step));
            }
        }
        if !without_caps.is_empty() {
            for (_, step) in &mut steps {
                let inner = std::mem::replace(step, Step::Freeze { map: 0 });
                *step = Step::Without(without_caps.to_vec(), Box::new(inner));
            }
        }
        let loads = plan.programs.iter().enumerate().map(|(index, program)| {
            let mut program = load_program(program);
            load(index, &mut program);
            (Role::Load(index), Step::LoadProgram(Box::new(program)))
        });
        steps.splice(set_up..set_up, loads);
        if !plan.btf.is_empty() {
            steps.insert(0, (Role::LoadBtf, Step::LoadBtf { data: plan.btf.clone() }));
        }
        steps.extend(runs);
        for (index, plan) in plan.maps.iter().enumerate().filter(|_| reads) {
            let map = index as u32;
            match holds(plan) {
                Holds::Data => steps.push((Role::DumpMap(index), Step::DumpMap { map })),
                Holds::Jumps => steps.push((Role::DumpTable(index), Step::DumpMap { map })),
                Holds::Records => steps.push((Role::Drain(index), Step::Drain { map })),
                Holds::Nothing => {}
            }
        }
        let (roles, steps) = steps.into_iter().unzip();
        Lowered { steps, roles }
    }
}

/// Lowers a case.
pub fn lower(case: &Case, plan: &LoadPlan) -> Lowered {
    let runs: &[Run] = match &case.expect {
        Expect::Accepted(runs) => runs,
        Expect::Rejected(_) => &[],
    };
    let runs = runs.iter().enumerate();
    let mut lowered = Lowering {
        plan,
        load: &|_, load| {
            load.flags |= case.load.flags;
            load.without_caps.clone_from(&case.load.without_caps);
        },
        without_caps: &[],
        runs: runs.map(|(at, run)| (Role::Run(at), test_run(&run.ctx, &run.packet))).collect(),
        reads: matches!(case.expect, Expect::Accepted(_)),
    }
    .lower();
    if matches!(case.expect, Expect::Accepted(_)) {
        for (index, check) in case.checks.iter().enumerate() {
            let step =
                named(plan, &check.map).and_then(|(map, plan)| act(&check.act, map as u32, plan));
            if let Some(step) = step {
                lowered.steps.push(step);
                lowered.roles.push(Role::Check(index));
            }
        }
    }
    lowered
}

/// Runs program 0.
pub fn test_run(ctx: &[u8], packet: &[u8]) -> Step {
    Step::TestRun {
        prog: 0,
        data: packet.to_vec(),
        ctx: ctx.to_vec(),
        data_out: if packet.is_empty() { 0 } else { packet.len() as u32 + PACKET_HEADROOM },
        ctx_out: !ctx.is_empty(),
    }
}

/// What there is to read of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Elements by key, which are the program's business and are compared with the model.
    Data,
    /// Offsets in the machine code, which are the kernel's to choose.
    Jumps,
    /// What programs have written for user space, in order.
    Records,
    /// Nothing that user space can read, or ids and addresses of the kernel's.
    Nothing,
}

/// `BPF_MAP_TYPE_PERF_EVENT_ARRAY`.
const PERF_EVENT_ARRAY: u32 = 4;
/// Arrays of perf events, queues, stacks and ring buffers.
const OF_RECORDS: [u32; 4] = [PERF_EVENT_ARRAY, 22, 23, 27];
/// Hashes and arrays, per CPU and with LRU, tries, resizable hashes.
const OF_DATA: [u32; 8] = [1, 2, 5, 6, 9, 10, 11, 35];

/// What there is to read of a map.
pub fn holds(map: &MapPlan) -> Holds {
    match map.map_type {
        MAP_TYPE_INSN_ARRAY => Holds::Jumps,
        of if OF_DATA.contains(&of) => Holds::Data,
        of if OF_RECORDS.contains(&of) => Holds::Records,
        _ => Holds::Nothing,
    }
}

/// Whether a map holds data.
pub fn is_data(map: &MapPlan) -> bool {
    holds(map) == Holds::Data
}

/// What creates a map, without its contents.
fn map_create(map: &MapPlan) -> MapCreate {
    MapCreate {
        name: map.name.clone(),
        map_type: map.map_type,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        flags: map.flags,
        extra: map.extra,
        numa_node: map.numa_node,
        inner: map.inner.as_ref().map(|inner| Box::new(map_create(inner))),
        btf: map.types.map(|types| MapBtf { btf: 0, key: types.key, value: types.value }),
    }
}

/// Adds the steps that create a map of a plan, fill and freeze it.
fn create_map(index: usize, map: &MapPlan, steps: &mut Vec<(Role, Step)>) {
    steps.push((Role::CreateMap(index), Step::CreateMap(Box::new(map_create(map)))));
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

/// What loads a program of a plan, with all privileges and without a log.
fn load_program(program: &ProgramPlan) -> ProgramLoad {
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
