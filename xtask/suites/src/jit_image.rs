//! Checks the machine code that the kernel made of a program: every indirect branch has the shape
//! that the kernel's mitigations ask for, and ENDBR is where an indirect branch may land.
//!
//! What is expected follows from the kernel's configuration and from what it says of its mitigations,
//! never from the image. Both are checked: a thunk that is missing, and one that nobody asked for.

mod code;
mod emission;

use std::cell::LazyCell;
use std::collections::BTreeSet;

use bpf_case::Case;
use bpf_isa::Insn;
use bpf_object::LoadPlan;
use bpf_wire::{BatchReport, Output};

use super::lower::Role;
use super::model;

use code::{Function, Via};
pub use emission::Emission;

/// `bpf_tail_call()` in `enum bpf_func_id`.
const TAIL_CALL: i32 = 12;

/// `xlated_off` of an instruction that was removed (`kernel/bpf/bpf_insn_array.c`).
const INSN_DELETED: u32 = u32::MAX;

/// Instructions of the program that become indirect branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// `gotox`: one indirect jump each.
    gotox: usize,
    /// `callx`: one indirect call each.
    callx: usize,
    /// Tail calls: an indirect jump, or none where the target is known.
    tail_calls: usize,
}

/// An entry of a jump table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    /// Slot that it names, as the program was loaded.
    orig: u32,
    /// Offset of the machine code of that in its function.
    jitted: u32,
}

impl Target {
    /// From a `struct bpf_insn_array_value`, unless the instruction was removed.
    fn from_value(value: &[u8]) -> Option<Self> {
        let field = |at| Some(u32::from_le_bytes(value.get(at..at + 4)?.try_into().ok()?));
        let target = Self { orig: field(0)?, jitted: field(8)? };
        (field(4)? != INSN_DELETED).then_some(target)
    }
}

/// What the kernel handed out of one program.
#[derive(Clone, Copy, Debug)]
struct Image<'a> {
    /// Machine code of all functions.
    jited: &'a [u8],
    /// Address and length of each.
    funcs: &'a [(u64, u32)],
    /// Translated instructions.
    xlated: &'a [u8],
    /// Entries of the program's jump tables, without those of removed instructions.
    targets: &'a [Target],
}

/// Checks the images of every program of a case that was loaded with a dump.
pub fn judge(
    case: &Case,
    plan: &LoadPlan,
    roles: &[Role],
    report: &BatchReport,
    emission: &Emission,
) -> Vec<String> {
    let steps = || roles.iter().zip(&report.steps);
    let table = |map: usize| {
        steps().find_map(|(role, step)| match (role, step) {
            (Role::DumpTable(index), Ok(Output::Elements(elements))) if *index == map => {
                Some(elements.iter().filter_map(|(_, value)| Target::from_value(value)))
            }
            _ => None,
        })
    };
    let mut problems = Vec::new();
    for (role, step) in steps() {
        if let (
            Role::Load(program),
            Ok(Output::Loaded { jited_len, jited, jited_funcs, xlated, .. }),
        ) = (role, step)
            && *jited_len > 0
        {
            let maps = plan.programs.get(*program).map_or(&[][..], |program| &program.map_refs);
            let mut maps: Vec<usize> = maps.iter().map(|reference| reference.map).collect();
            maps.sort_unstable();
            maps.dedup();
            let targets: Vec<Target> = maps.into_iter().filter_map(table).flatten().collect();
            let image = Image { jited, funcs: jited_funcs, xlated, targets: &targets };
            problems.extend(check(&image, emission, &|| model::gotox_targets(case, plan)));
        }
    }
    problems
}

/// What is wrong with an image, one line and a few lines of disassembly each. `taken` gives the slots
/// that an indirect jump went to.
fn check(image: &Image<'_>, emission: &Emission, taken: &dyn Fn() -> BTreeSet<u32>) -> Vec<String> {
    let functions = match functions(image, emission) {
        Ok(functions) => functions,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    for function in &functions {
        branches(function, emission, &mut problems);
        returns(function, emission, &mut problems);
        landing(function, emission, &mut problems);
    }
    targets(&functions, image, emission, taken, &mut problems);
    count(&functions, asked(image.xlated), &mut problems);
    problems
}

fn functions(image: &Image<'_>, emission: &Emission) -> Result<Vec<Function>, String> {
    let total: usize = image.funcs.iter().map(|(_, len)| *len as usize).sum();
    if image.jited.is_empty() || total != image.jited.len() {
        return Err(format!(
            "the kernel hands out {} bytes of machine code for functions of {total} bytes; \
             is kernel.kptr_restrict set?",
            image.jited.len()
        ));
    }
    let mut rest = image.jited;
    let mut functions = Vec::new();
    for (number, (address, len)) in image.funcs.iter().enumerate() {
        let (bytes, others) = rest.split_at(*len as usize);
        rest = others;
        functions.push(Function::decode(number, *address, bytes, emission.symbols()));
    }
    Ok(functions)
}

fn asked(xlated: &[u8]) -> Asked {
    let mut asked = Asked::default();
    let mut slots = xlated.as_chunks::<8>().0.iter().map(|slot| Insn::from_bytes(*slot));
    while let Some(insn) = slots.next() {
        match insn.code {
            // The second slot of ld_imm64 is not an instruction.
            0x18 => drop(slots.next()),
            0x0d => asked.gotox += 1,
            0x8d => asked.callx += 1,
            0x85 if insn.src == 0 && insn.imm == TAIL_CALL => asked.tail_calls += 1,
            _ => {}
        }
    }
    asked
}

/// Every indirect branch goes the way that the mitigations ask for.
fn branches(function: &Function, emission: &Emission, problems: &mut Vec<String>) {
    for site in &function.sites {
        let kind = if site.call { "call" } else { "jump" };
        let thunk = emission.thunk(site.call);
        let wrong = match (&site.via, thunk) {
            (Via::Thunk(name), Some(prefix)) if name.starts_with(prefix) => None,
            (Via::Thunk(name), _) => Some(format!("indirect {kind} through {name}")),
            (Via::Bare, Some(_)) => Some(format!("bare indirect {kind}")),
            (Via::Bare, None) if emission.lfence() => {
                Some(format!("indirect {kind} without LFENCE"))
            }
            (Via::Lfence, Some(_)) => Some(format!("bare indirect {kind} after LFENCE")),
            (Via::Bare | Via::Lfence, None) => None,
        };
        if let Some(wrong) = wrong {
            problems.push(function.problem(site.at, &wrong, &emission.describe(site.call)));
        } else if !site.call && emission.int3_after_jump() && !function.is_int3(site.at + 1) {
            let wrong = format!("no INT3 after the indirect {kind}");
            problems.push(function.problem(site.at, &wrong, "MITIGATION_RETPOLINE or _SLS is set"));
        }
    }
}

fn returns(function: &Function, emission: &Emission, problems: &mut Vec<String>) {
    for &at in &function.returns {
        if let Some(thunk) = emission.return_thunk() {
            problems.push(function.problem(at, "bare return", &format!("expected {thunk}")));
        } else if emission.sls() && !function.is_int3(at + 1) {
            problems.push(function.problem(
                at,
                "no INT3 after the return",
                "MITIGATION_SLS is set",
            ));
        }
    }
}

/// The first instruction of a function, which a register may point to.
fn landing(function: &Function, emission: &Emission, problems: &mut Vec<String>) {
    match (function.is_endbr(0), emission.endbr()) {
        (false, true) => {
            problems.push(function.problem(0, "no ENDBR64 at the entry", "X86_KERNEL_IBT is set"));
        }
        (true, false) => problems.push(function.problem(0, "ENDBR64", "X86_KERNEL_IBT is not set")),
        _ => {}
    }
}

/// Where the jump tables lead to. An entry does not say in which function it lies, so it has to fit
/// one of those that jump. One that no jump can take needs no ENDBR, and the verifier knows which can
/// be taken; here it has to be there for those that were.
fn targets(
    functions: &[Function],
    image: &Image<'_>,
    emission: &Emission,
    taken: &dyn Fn() -> BTreeSet<u32>,
    problems: &mut Vec<String>,
) {
    let jumping: Vec<&Function> =
        functions.iter().filter(|function| function.sites.iter().any(|site| !site.call)).collect();
    let taken = LazyCell::new(taken);
    for target in image.targets {
        let found: Vec<(&Function, usize)> = jumping
            .iter()
            .filter_map(|function| Some((*function, function.at_offset(target.jitted)?)))
            .collect();
        let Some((function, index)) = found.first() else {
            if !jumping.is_empty() {
                let offset = target.jitted;
                problems.push(format!(
                    "a jump table leads to +{offset:#x}, where no instruction starts"
                ));
            }
            continue;
        };
        if emission.endbr()
            && !found.iter().any(|(function, index)| function.is_endbr(*index))
            && taken.contains(&target.orig)
        {
            let wrong = "no ENDBR64 where an indirect jump went to";
            problems.push(function.problem(*index, wrong, "X86_KERNEL_IBT is set"));
        }
    }
}

/// As many branches as the program has instructions for: none was overlooked, none replaced.
fn count(functions: &[Function], asked: Asked, problems: &mut Vec<String>) {
    let sites = || functions.iter().flat_map(|function| &function.sites);
    let calls = sites().filter(|site| site.call).count();
    let jumps = sites().count() - calls;
    let Asked { gotox, callx, tail_calls } = asked;
    if calls != callx {
        problems.push(format!("{calls} indirect calls in the machine code, {callx} callx"));
    }
    if jumps < gotox || jumps > gotox + tail_calls {
        problems.push(format!(
            "{jumps} indirect jumps in the machine code, {gotox} gotox and {tail_calls} tail calls"
        ));
    }
}

#[cfg(test)]
mod tests;
