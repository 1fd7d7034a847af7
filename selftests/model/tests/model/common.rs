//! What the tests share: plans made by hand, one instruction at a time.

use bpf_isa::Insn;
use bpf_model::{Input, Machine, Outcome, Trap, TrapKind};
use bpf_object::{FunctionStart, LoadPlan, MapElement, MapPlan, MapRef, ProgramPlan};

pub(crate) const SOCKET_FILTER: u32 = 1;
pub(crate) const SCHED_CLS: u32 = 3;
pub(crate) const XDP: u32 = 6;
pub(crate) const SYSCALL: u32 = 31;

pub(crate) const HASH: u32 = 1;
pub(crate) const ARRAY: u32 = 2;
pub(crate) const INSN_ARRAY: u32 = 34;

/// Any slot.
pub(crate) const fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { code, dst, src, off, imm }
}

/// `ld_imm64` of a number.
pub(crate) fn wide(dst: u8, bits: u64) -> [Insn; 2] {
    [insn(0x18, dst, 0, 0, bits as i32), insn(0, 0, 0, 0, (bits >> 32) as i32)]
}

/// `ld_imm64` of a map (`src` 1), of an address in its value (2), or of a function (4).
pub(crate) fn pseudo(dst: u8, src: u8, imm: i32, off: i32) -> [Insn; 2] {
    [insn(0x18, dst, src, 0, imm), insn(0, 0, 0, 0, off)]
}

pub(crate) const EXIT: Insn = insn(0x95, 0, 0, 0, 0);

pub(crate) fn mov(dst: u8, imm: i32) -> Insn {
    insn(0xb7, dst, 0, 0, imm)
}

pub(crate) fn mov_reg(dst: u8, src: u8) -> Insn {
    insn(0xbf, dst, src, 0, 0)
}

/// A static function.
pub(crate) fn function(name: &str, slot: usize) -> FunctionStart {
    FunctionStart { name: name.into(), slot, global: false }
}

/// A plan of one `syscall` program.
pub(crate) fn plan(insns: &[Insn]) -> LoadPlan {
    plan_of(SYSCALL, insns)
}

/// A plan of one program.
pub(crate) fn plan_of(prog_type: u32, insns: &[Insn]) -> LoadPlan {
    LoadPlan {
        maps: Vec::new(),
        programs: vec![ProgramPlan {
            name: "main".into(),
            prog_type,
            expected_attach_type: 0,
            flags: 0,
            license: "GPL".into(),
            insns: insns.to_vec(),
            functions: vec![function("main", 0)],
            map_refs: Vec::new(),
            func_info: Vec::new(),
            line_info: Vec::new(),
        }],
        btf: Vec::new(),
    }
}

/// Adds a map, and the references to it.
pub(crate) fn with_map(mut plan: LoadPlan, map: MapPlan, slots: &[usize]) -> LoadPlan {
    let index = plan.maps.len();
    plan.maps.push(map);
    let refs = slots.iter().map(|&slot| MapRef { slot, map: index });
    plan.programs[0].map_refs.extend(refs);
    plan
}

pub(crate) fn map(map_type: u32, key_size: u32, value_size: u32, max_entries: u32) -> MapPlan {
    MapPlan {
        name: "m".into(),
        map_type,
        key_size,
        value_size,
        max_entries,
        flags: 0,
        ..MapPlan::default()
    }
}

/// A jump table with these slots.
pub(crate) fn jump_table(slots: &[u32]) -> MapPlan {
    let contents = slots.iter().enumerate().map(|(index, slot)| {
        let mut value = vec![0; 16];
        value[..4].copy_from_slice(&slot.to_le_bytes());
        MapElement { key: (index as u32).to_le_bytes().to_vec(), value }
    });
    MapPlan {
        contents: contents.collect(),
        frozen: true,
        ..map(INSN_ARRAY, 4, 16, slots.len() as u32)
    }
}

pub(crate) fn run(plan: &LoadPlan, input: &Input) -> Result<Outcome, Box<Trap>> {
    Machine::new(plan).expect("the plan is sound").run(0, input, 1_000_000)
}

/// r0 of a plan of one `syscall` program without input.
pub(crate) fn r0(plan: &LoadPlan) -> u64 {
    match run(plan, &Input::default()) {
        Ok(outcome) => outcome.r0,
        Err(trap) => panic!("{trap}"),
    }
}

/// Slot and kind of the trap that a program without input runs into.
pub(crate) fn trap(plan: &LoadPlan) -> (usize, TrapKind) {
    match run(plan, &Input::default()) {
        Ok(outcome) => panic!("no trap but r0 = {:#x}", outcome.r0),
        Err(trap) => (trap.slot, trap.kind),
    }
}
