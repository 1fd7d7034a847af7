//! Instructions in the kernel's notation with the names of what they refer to: maps, functions,
//! helpers. Before the load the names come from the plan, after it from the kernel.

use bpf_isa::opcode::{CALL_IMM, LD_IMM64, PSEUDO_CALL, PSEUDO_FUNC, PSEUDO_KFUNC_CALL};
use bpf_isa::opcode::{PSEUDO_MAP_FD, PSEUDO_MAP_VALUE};
use bpf_isa::{Insn, disassemble_one, helper_name};
use bpf_object::{LoadPlan, ProgramPlan};

use super::symbols::Symbols;

/// Who knows the names.
pub(super) trait Names {
    /// The map that the `ld_imm64` in a slot refers to.
    fn map(&self, slot: usize, insn: &Insn) -> Option<&str>;

    /// The function that starts at a slot.
    fn function(&self, slot: usize) -> Option<&str>;

    /// The helper that is called.
    fn helper(&self, imm: i32) -> Option<&str>;

    /// How far behind the next slot a call of a function leads.
    fn distance(&self, call: &Insn) -> i64;
}

/// The instruction at a slot; `None` behind the last.
pub(super) fn text(insns: &[Insn], slot: usize, names: &dyn Names) -> Option<String> {
    let rest = insns.get(slot..)?;
    let insn = rest.first()?;
    let Insn { code, dst, src, imm, .. } = *insn;
    let plain = disassemble_one(rest)?;
    let target = |distance: i64| usize::try_from(slot as i64 + 1 + distance).ok();
    let function = |distance| target(distance).and_then(|slot| names.function(slot));
    let named = match (code, src) {
        (LD_IMM64, PSEUDO_MAP_FD) => {
            names.map(slot, insn).map(|map| format!("r{dst} = map[{map}]"))
        }
        (LD_IMM64, PSEUDO_MAP_VALUE) => {
            let offset = rest.get(1).map_or(0, |second| second.imm);
            names.map(slot, insn).map(|map| format!("r{dst} = map[{map}][0]{offset:+}"))
        }
        (LD_IMM64, PSEUDO_FUNC) => {
            let name = function(i64::from(imm)).map_or_else(String::new, |name| format!("#{name}"));
            Some(format!("r{dst} = subprog[{imm:+}]{name}"))
        }
        (CALL_IMM, PSEUDO_CALL) => {
            let distance = names.distance(insn);
            let name = function(distance).map_or_else(String::new, |name| format!("#{name}"));
            Some(format!("call pc{distance:+}{name}"))
        }
        (CALL_IMM, 0 | PSEUDO_KFUNC_CALL) => {
            names.helper(imm).map(|name| format!("call {name}#{imm}"))
        }
        _ => None,
    };
    Some(named.map_or(plain, |named| format!("({code:02x}) {named}")))
}

/// How many slots the instruction at a slot has.
pub(super) fn width(insns: &[Insn], slot: usize) -> usize {
    let wide = insns.get(slot).is_some_and(|insn| insn.code == LD_IMM64) && slot + 1 < insns.len();
    if wide { 2 } else { 1 }
}

/// The names in a program as it is loaded.
pub(super) struct Loaded<'p> {
    pub(super) plan: &'p LoadPlan,
    pub(super) program: &'p ProgramPlan,
}

impl Names for Loaded<'_> {
    fn map(&self, slot: usize, _: &Insn) -> Option<&str> {
        let reference = self.program.map_refs.iter().find(|reference| reference.slot == slot)?;
        self.plan.maps.get(reference.map).map(|map| map.name.as_str())
    }

    fn function(&self, slot: usize) -> Option<&str> {
        let function = self.program.functions.iter().find(|function| function.slot == slot)?;
        Some(&function.name)
    }

    fn helper(&self, imm: i32) -> Option<&str> {
        helper_name(imm)
    }

    fn distance(&self, call: &Insn) -> i64 {
        i64::from(call.imm)
    }
}

/// The names in translated instructions.
pub(super) struct Xlated<'k> {
    /// Names of maps by their ids.
    pub(super) maps: Vec<(u32, &'k str)>,
    /// Names of functions by their first slots, where these are known.
    pub(super) functions: Vec<(usize, &'k str)>,
    pub(super) symbols: &'k Symbols,
}

impl<'k> Xlated<'k> {
    /// Ids of a program's maps, which the kernel lists in the order of the first references to them,
    /// with the names that the plan has for these.
    pub(super) fn maps(
        ids: &[u32],
        plan: &'k LoadPlan,
        program: &ProgramPlan,
    ) -> Vec<(u32, &'k str)> {
        let mut references: Vec<_> = program.map_refs.iter().collect();
        references.sort_by_key(|reference| reference.slot);
        let mut maps: Vec<usize> = Vec::new();
        for reference in references {
            if !maps.contains(&reference.map) {
                maps.push(reference.map);
            }
        }
        if maps.len() != ids.len() {
            return Vec::new();
        }
        let name = |map: usize| plan.maps.get(map).map_or("", |map| map.name.as_str());
        ids.iter().copied().zip(maps.into_iter().map(name)).collect()
    }
}

impl Names for Xlated<'_> {
    fn map(&self, _: usize, insn: &Insn) -> Option<&str> {
        let id = insn.imm.cast_unsigned();
        self.maps.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
    }

    fn function(&self, slot: usize) -> Option<&str> {
        self.functions.iter().find(|(start, _)| *start == slot).map(|(_, name)| *name)
    }

    fn helper(&self, imm: i32) -> Option<&str> {
        // A tail call keeps the helper's number (kernel/bpf/syscall.c: bpf_insn_prepare_dump()).
        self.symbols.called(imm).or_else(|| helper_name(imm))
    }

    fn distance(&self, call: &Insn) -> i64 {
        // The kernel's own number stands in imm (jit_subprogs(), bpf_patch_call_args()).
        i64::from(call.off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        .map first array key=4 value=8 entries=1
        .map second array key=4 value=8 entries=1
        r1 = second ll
        r2 = map first ll
        r3 = there ll
        call map_lookup_elem
        call there
        exit
    .func there
        exit
    ";

    fn all(insns: &[Insn], names: &dyn Names) -> Vec<String> {
        let mut slot = 0;
        std::iter::from_fn(|| {
            let line = text(insns, slot, names)?;
            slot += width(insns, slot);
            Some(line)
        })
        .collect()
    }

    #[test]
    fn before_the_load_the_plan_has_the_names() {
        let plan = bpf_object::compile(SOURCE).unwrap();
        let program = &plan.programs[0];
        let names = Loaded { plan: &plan, program };
        assert_eq!(
            all(&program.insns, &names),
            [
                "(18) r1 = map[second][0]+0",
                "(18) r2 = map[first]",
                "(18) r3 = subprog[+4]#there",
                "(85) call bpf_map_lookup_elem#1",
                "(85) call pc+1#there",
                "(95) exit",
                "(95) exit",
            ]
        );
    }

    #[test]
    fn after_the_load_maps_are_known_by_their_order() {
        let plan = bpf_object::compile(SOURCE).unwrap();
        let program = &plan.programs[0];
        let maps = Xlated::maps(&[9, 4], &plan, program);
        assert_eq!(maps, [(9, "second"), (4, "first")]);
        assert_eq!(Xlated::maps(&[9], &plan, program), []);
        let base = 0xffff_ffff_8100_0000;
        let symbols = [(base, "__bpf_call_base"), (base + 1000, "array_map_lookup_elem")]
            .map(|(at, name)| (at, name.to_owned()))
            .into_iter()
            .collect();
        let names = Xlated { maps, functions: vec![(3, "there")], symbols: &symbols };
        let insns = [
            Insn { code: LD_IMM64, dst: 2, src: PSEUDO_MAP_FD, off: 0, imm: 4 },
            Insn::default(),
            Insn { code: CALL_IMM, dst: 0, src: PSEUDO_CALL, off: 0, imm: 77 },
            Insn { code: CALL_IMM, dst: 0, src: 0, off: 0, imm: 1000 },
            Insn { code: CALL_IMM, dst: 0, src: 0, off: 0, imm: 12 },
        ];
        assert_eq!(
            all(&insns, &names),
            [
                "(18) r2 = map[first]",
                "(85) call pc+0#there",
                "(85) call array_map_lookup_elem#1000",
                "(85) call bpf_tail_call#12",
            ]
        );
    }
}
