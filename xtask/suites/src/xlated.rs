//! Checks the translated instructions that the kernel hands out: calls and loads of addresses are in
//! the form in which a program is loaded, and none of them shows an address of the kernel.

use bpf_case::{Case, TABLES_IN_DUMPS};
use bpf_isa::opcode::{PSEUDO_FUNC, PSEUDO_MAP_VALUE};
use bpf_isa::{Insn, MAP_TYPE_INSN_ARRAY};
use bpf_object::{LoadPlan, ProgramPlan};
use bpf_wire::{BatchReport, Mode, Output};

use super::jit_image::Emission;
use super::lower::Role;
use crate::verifier::xlated;

/// `BPF_LD | BPF_IMM | BPF_DW` (RFC 9669, section 5.4).
const LD_IMM64: u8 = 0x18;

/// `BPF_JMP | BPF_CALL | BPF_X`.
const CALLX: u8 = 0x8d;

/// Where the kernel's half of the address space begins (x86-64, five levels of page tables).
const KERNEL_HALF: u64 = 0xff00_0000_0000_0000;

/// Checks every program that was loaded; one line for what is wrong. Addresses of jump tables, which
/// the base shows, are for the one case about them to find. What a case states of the first program is
/// looked for where constants are not blinded.
pub fn judge(
    case: &Case,
    plan: &LoadPlan,
    mode: Mode,
    roles: &[Role],
    report: &BatchReport,
    emission: &Emission,
) -> Vec<String> {
    let mut problems = Vec::new();
    let has_table = plan.maps.iter().any(|map| map.map_type == MAP_TYPE_INSN_ARRAY);
    let addresses = !has_table || case.fixed_by == Some(TABLES_IN_DUMPS);
    for (role, step) in roles.iter().zip(&report.steps) {
        if let (Role::Load(index), Ok(Output::Loaded { xlated, .. })) = (role, step)
            && let Some(program) = plan.programs.get(*index)
        {
            problems.extend(check(program, &decode(xlated), addresses));
            if *index == 0 && mode != Mode::JitHardened {
                problems.extend(missing(&case.xlated, xlated));
                if emission.mitigates_spectre_v1() {
                    problems.extend(missing(&case.xlated_mitigated, xlated));
                }
            }
        }
    }
    problems
}

/// The pieces that the case states and the program has not.
fn missing(pieces: &[String], translated: &[u8]) -> Vec<String> {
    if pieces.is_empty() {
        return Vec::new();
    }
    let text = xlated::text(translated);
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let text: String = lines.map(|(_, line)| format!("{line}\n")).collect();
    let missing = pieces.iter().filter(|piece| !text.contains(piece.as_str()));
    missing.map(|piece| format!("the translated program has no `{piece}`:\n{text}")).collect()
}

fn decode(xlated: &[u8]) -> Vec<Insn> {
    xlated.as_chunks().0.iter().map(|bytes| Insn::from_bytes(*bytes)).collect()
}

fn check(program: &ProgramPlan, insns: &[Insn], addresses: bool) -> Vec<String> {
    let own: Vec<u64> = program.insns.windows(2).map(wide).collect();
    let mut problems = Vec::new();
    let mut slot = 0;
    while let Some(insn) = insns.get(slot) {
        let problem = match insn.code {
            CALLX if (insn.src, insn.off, insn.imm) != (0, 0, 0) => Some(format!(
                "callx has src={} off={} imm={:#x}, all of them should be zero",
                insn.src, insn.off, insn.imm
            )),
            LD_IMM64 => {
                let pair = insns.get(slot..slot + 2).unwrap_or_default();
                load_of_address(insns.len(), slot, pair)
                    .or_else(|| addresses.then(|| shown_address(pair, &own)).flatten())
            }
            _ => None,
        };
        problems
            .extend(problem.map(|text| format!("{}: xlated insn {slot}: {text}", program.name)));
        slot += if insn.code == LD_IMM64 { 2 } else { 1 };
    }
    problems
}

fn load_of_address(len: usize, slot: usize, pair: &[Insn]) -> Option<String> {
    let [first, second] = pair else { return Some("half of an ld_imm64".to_owned()) };
    match first.src {
        PSEUDO_FUNC => {
            let target = slot as i64 + 1 + i64::from(first.imm);
            (!(1..len as i64).contains(&target))
                .then(|| format!("the function at {target} of {len} slots, imm={:#x}", first.imm))
        }
        PSEUDO_MAP_VALUE if second.imm < 0 => {
            Some(format!("a map's value at offset {:#x}", second.imm))
        }
        _ => None,
    }
}

/// The kernel's address in an `ld_imm64`, unless the program has the number itself.
fn shown_address(pair: &[Insn], own: &[u64]) -> Option<String> {
    let value = wide(pair);
    let plain = pair.first().is_some_and(|first| first.src == 0);
    (plain && value >= KERNEL_HALF && !own.contains(&value))
        .then(|| format!("shows the address {value:#x}"))
}

/// The immediate of an `ld_imm64`, zero where it has not got two slots.
fn wide(pair: &[Insn]) -> u64 {
    match pair {
        [low, high] => u64::from(high.imm as u32) << 32 | u64::from(low.imm as u32),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn insn(code: u8, src: u8, imm: i32) -> Insn {
        Insn { code, dst: 1, src, off: 0, imm }
    }

    fn problems(insns: &[Insn]) -> Vec<String> {
        let program =
            ProgramPlan { insns: vec![insn(LD_IMM64, 0, 7), insn(0, 0, -1)], ..program() };
        check(&program, insns, true)
    }

    fn program() -> ProgramPlan {
        ProgramPlan {
            name: "main".to_owned(),
            prog_type: 31,
            expected_attach_type: 0,
            flags: 0,
            license: "GPL".to_owned(),
            insns: Vec::new(),
            functions: Vec::new(),
            map_refs: Vec::new(),
            func_info: Vec::new(),
            line_info: Vec::new(),
        }
    }

    #[test]
    fn callx_is_as_it_was_loaded() {
        assert_eq!(problems(&[insn(CALLX, 0, 0)]), Vec::<String>::new());
        let found = problems(&[insn(0x95, 0, 0), insn(CALLX, 0, 5)]);
        assert_eq!(
            found,
            ["main: xlated insn 1: callx has src=0 off=0 imm=0x5, all of them should be zero"]
        );
    }

    #[test]
    fn stated_pieces_are_looked_for() {
        let bytes: Vec<u8> =
            [insn(0xb7, 0, 5), insn(0x95, 0, 0)].iter().flat_map(|insn| insn.to_bytes()).collect();
        let missing = |pieces: &[&str]| {
            let pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
            missing(&pieces, &bytes).len()
        };
        assert_eq!((missing(&[]), missing(&["r1 = 5", "exit"]), missing(&["r1 = 6"])), (0, 0, 1));
    }

    #[test]
    fn functions_are_relative() {
        let load = |imm| [insn(LD_IMM64, PSEUDO_FUNC, imm), insn(0, 0, 0), insn(0x95, 0, 0)];
        assert_eq!(problems(&load(1)), Vec::<String>::new());
        assert_eq!(problems(&load(2)).len(), 1);
        assert_eq!(problems(&load(-0x7000_0000)).len(), 1);
    }

    #[test]
    fn addresses_are_not_shown_but_constants_are() {
        let load = |low, high| [insn(LD_IMM64, 0, low), insn(0, 0, high)];
        assert_eq!(problems(&load(7, -1)), Vec::<String>::new());
        assert_eq!(problems(&load(8, 0)), Vec::<String>::new());
        assert_eq!(
            problems(&load(8, -1)),
            ["main: xlated insn 0: shows the address 0xffffffff00000008"]
        );
        assert_eq!(problems(&load(8, 0)[..1]), ["main: xlated insn 0: half of an ld_imm64"]);
    }
}
