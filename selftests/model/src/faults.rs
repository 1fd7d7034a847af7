//! What is wrong with a program whatever it is run on, reached or not.

use crate::code::Opc;
use crate::lower::Program;
use crate::machine::Machine;
use crate::memory::Kind;
use crate::trap::TrapKind;

/// Something wrong with an instruction that does not depend on values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Slot of the instruction.
    pub slot: usize,
    /// What a run that gets there traps with.
    pub kind: TrapKind,
}

impl Machine {
    /// What is wrong with the program with this index before it runs: instructions that cannot be
    /// decoded or that the model does not know, jumps and calls that lead to no instruction of the
    /// function, respectively the program, functions whose end can be run over, and entries of its
    /// jump tables that name no instruction. By ascending slot; nothing for a program that there is
    /// not.
    ///
    /// The kernel looks at all of that before it follows a path (`check_subprogs()`,
    /// `check_and_resolve_insns()` in `kernel/bpf/verifier.c`, `bpf_insn_array_init()` in
    /// `kernel/bpf/bpf_insn_array.c`), so a program that it accepts has none, but for
    /// [`TrapKind::Unsupported`]. A jump table that leads into another function, or whose entry is
    /// never taken, is no fault of this kind.
    pub fn faults(&self, program: usize) -> Vec<Fault> {
        let Some(program) = self.programs.get(program) else { return Vec::new() };
        let mut faults: Vec<Fault> = program
            .codes
            .iter()
            .zip(&program.slot_of)
            .enumerate()
            .filter_map(|(index, (code, &slot))| {
                let kind = match code.op {
                    Opc::Refused => program.refusals.get(code.imm as usize)?.clone(),
                    Opc::BadTarget => program.bad_targets.get(code.imm as usize)?.clone(),
                    Opc::FellOff if runs_on(program, index) => TrapKind::FellOff,
                    _ => return None,
                };
                Some(Fault { slot: slot as usize, kind })
            })
            .chain(self.wrong_entries(program))
            .collect();
        faults.sort_by_key(|fault| fault.slot);
        faults
    }

    /// The `ld_imm64` of each jump table with an entry that is no instruction.
    fn wrong_entries<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = Fault> + 'a {
        program.codes.iter().zip(&program.slot_of).filter_map(|(code, &slot)| {
            let constant = program
                .constants
                .get(code.imm as usize)
                .filter(|value| code.op == Opc::Constant && value.prov.is_pointer())?;
            let Kind::JumpTable { map } = self.memory.objects.get(constant.prov.object())?.kind
            else {
                return None;
            };
            let table = self.memory.jump_tables.get(map as usize)?;
            let (target, why) =
                table.iter().find_map(|&target| match program.code_of.get(target as usize) {
                    None => Some((target, "outside the program")),
                    Some(&u32::MAX) => Some((target, "the second half of a wide instruction")),
                    Some(_) => None,
                })?;
            let kind = TrapKind::BadJumpTarget { target: i64::from(target), why };
            Some(Fault { slot: slot as usize, kind })
        })
    }
}

/// Whether the code in front of this end of a function can run on into it.
fn runs_on(program: &Program, end: usize) -> bool {
    let last = end.checked_sub(1).and_then(|last| program.codes.get(last));
    !last.is_some_and(|code| matches!(code.op, Opc::Exit | Opc::Jump | Opc::Gotox | Opc::Refused))
}
