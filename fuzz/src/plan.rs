//! Runs arbitrary plans: maps, programs, functions and references that the linker does not produce.

use arbitrary::{Result, Unstructured};
use bpf_isa::Insn;
use bpf_model::Input;
use bpf_object::{FuncInfo, FunctionStart, LoadPlan, MapElement, MapPlan, MapRef, ProgramPlan};

use crate::exercise::exercise;
use crate::program::PROG_TYPES;

/// Opcodes that reach more code than most.
const CODES: [u8; 21] = [
    0x18, 0x85, 0x8d, 0x0d, 0x95, 0x79, 0x7b, 0x63, 0x61, 0xdb, 0xc3, 0x30, 0x50, 0x05, 0xe5, 0xbf,
    0x0f, 0x1f, 0x15, 0xb7, 0x71,
];

/// Boundary values of sizes, keys and counts.
const EDGES: [u32; 12] = [0, 1, 2, 4, 8, 16, 512, 0xffff, 1 << 24, 1 << 31, u32::MAX - 7, u32::MAX];

/// Runs the target. A panic is a finding.
pub fn run(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    if let (Ok(plan), Ok(input)) = (plan(&mut u), input(&mut u)) {
        exercise(&plan, &input);
    }
}

fn input(u: &mut Unstructured<'_>) -> Result<Input> {
    let [ctx, packet] = [256, 80].map(|most| -> Result<Vec<u8>> {
        let len = u.int_in_range(0..=most)?;
        (0..len).map(|_| u.arbitrary()).collect()
    });
    Ok(Input { ctx: ctx?, packet: packet? })
}

fn plan(u: &mut Unstructured<'_>) -> Result<LoadPlan> {
    Ok(LoadPlan {
        maps: several(u, 4, map)?,
        programs: several(u, 3, program)?,
        btf: several(u, 8, |u| u.arbitrary())?,
    })
}

fn several<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| one(u)).collect()
}

/// A number that is small, a boundary value, or arbitrary.
fn number(u: &mut Unstructured<'_>) -> Result<u32> {
    match u.int_in_range(0..=7)? {
        0 => u.arbitrary(),
        1 | 2 => u.choose(&EDGES).copied(),
        _ => u.int_in_range(0..=40),
    }
}

fn map(u: &mut Unstructured<'_>) -> Result<MapPlan> {
    let map_type = *u.choose(&[1, 2, 3, 6, 34, 0, 9])?;
    let key_size = if u.ratio(7, 8)? { 4 } else { number(u)? };
    let value_size = number(u)?;
    Ok(MapPlan {
        name: String::new(),
        map_type,
        key_size,
        value_size,
        max_entries: number(u)?,
        flags: u.arbitrary::<u16>()?.into(),
        extra: number(u)?.into(),
        numa_node: number(u)?,
        inner: None,
        maps: several(u, 3, |u| Ok((number(u)?, u.int_in_range(0..=4)?)))?,
        contents: several(u, 3, |u| element(u, key_size, value_size))?,
        frozen: u.arbitrary()?,
        programs: several(u, 3, |u| Ok((number(u)?, u.int_in_range(0..=4)?)))?,
        spin_lock: if u.ratio(1, 4)? { Some(number(u)?) } else { None },
        types: None,
    })
}

fn element(u: &mut Unstructured<'_>, key_size: u32, value_size: u32) -> Result<MapElement> {
    let mut bytes = |size: u32| -> Result<Vec<u8>> {
        let len = if u.ratio(15, 16)? { size.min(64) } else { u.int_in_range(0..=70)? };
        (0..len).map(|_| Ok(number(u)? as u8)).collect()
    };
    Ok(MapElement { key: bytes(key_size)?, value: bytes(value_size)? })
}

fn program(u: &mut Unstructured<'_>) -> Result<ProgramPlan> {
    let slot = |u: &mut Unstructured<'_>| Ok(number(u)? as usize);
    Ok(ProgramPlan {
        name: String::new(),
        prog_type: if u.ratio(15, 16)? { *u.choose(&PROG_TYPES)? } else { number(u)? },
        expected_attach_type: 0,
        flags: 0,
        license: String::new(),
        insns: several(u, 48, insn)?,
        functions: several(u, 4, |u| {
            Ok(FunctionStart { name: String::new(), slot: slot(u)?, global: u.arbitrary()? })
        })?,
        map_refs: several(u, 8, |u| Ok(MapRef { slot: slot(u)?, map: u.int_in_range(0..=5)? }))?,
        func_info: several(u, 4, |u| Ok(FuncInfo { slot: number(u)?, type_id: number(u)? }))?,
        // The model ignores it.
        line_info: Vec::new(),
    })
}

fn insn(u: &mut Unstructured<'_>) -> Result<Insn> {
    let code = if u.ratio(3, 4)? { *u.choose(&CODES)? } else { u.arbitrary()? };
    let off = if u.ratio(3, 4)? { u.int_in_range(-16..=15)? } else { u.arbitrary()? };
    let imm = if u.ratio(3, 4)? { u.int_in_range(-8..=200)? } else { u.arbitrary()? };
    Ok(Insn { code, dst: u.int_in_range(0..=11)?, src: u.int_in_range(0..=11)?, off, imm })
}
