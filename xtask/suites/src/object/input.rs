//! What programs are run on where nothing is given: zeros, as many as their type and their code ask
//! for.

use bpf_isa::Insn;
use bpf_isa::opcode::LD_IMM64;
use bpf_model::Input;
use bpf_object::ProgramPlan;

/// Program types that are run on a packet (`net/bpf/test_run.c`): socket filters, sched_cls,
/// sched_act, XDP, cgroup_skb, the light-weight tunnels, the flow dissector, netfilter.
const TAKE_PACKET: [u32; 11] = [1, 3, 4, 6, 8, 10, 11, 12, 19, 22, 32];

/// Bytes of the packet where none is given.
const PACKET: usize = 64;

/// Program types whose test run wants a context of at least the bytes that they read, and how many
/// it may have: raw tracepoints, writable or not (`MAX_BPF_FUNC_ARGS`), syscall.
const TAKE_CONTEXT: [(u32, usize); 3] = [(17, 96), (24, 96), (31, 4096)];

/// Program type and context of a run of sk_lookup: `struct bpf_sk_lookup` with the family
/// `AF_INET`, which has to be a known one.
const SK_LOOKUP: u32 = 30;
const SK_LOOKUP_CONTEXT: usize = 72;

/// Bits of an opcode: class, size, operation.
const CLASS: u8 = 0x07;
const SIZE: u8 = 0x18;
const ADD_IMM: u8 = 0x07;
/// The frame pointer.
const FRAME: u8 = 10;

/// The input of a program: what is given, otherwise zeros.
pub fn input(program: &ProgramPlan, ctx: Option<Vec<u8>>, packet: Option<Vec<u8>>) -> Input {
    let zeros = match TAKE_PACKET.contains(&program.prog_type) {
        true => vec![0; PACKET],
        false => Vec::new(),
    };
    Input { ctx: ctx.unwrap_or_else(|| context(program)), packet: packet.unwrap_or(zeros) }
}

fn context(program: &ProgramPlan) -> Vec<u8> {
    if program.prog_type == SK_LOOKUP {
        let mut ctx = vec![0; SK_LOOKUP_CONTEXT];
        // Behind the cookie of 8 bytes: `AF_INET`.
        ctx[8] = 2;
        return ctx;
    }
    let most = TAKE_CONTEXT.iter().find(|(of, _)| *of == program.prog_type);
    most.map_or_else(Vec::new, |&(_, most)| vec![0; reach(&program.insns).min(most)])
}

/// How many bytes behind its start a program may access of its context, whole words: as far as any
/// access reaches that is none of the stack, if all that is added to pointers is added to this one.
fn reach(insns: &[Insn]) -> usize {
    let mut access = 0;
    let mut added = 0usize;
    let mut slots = insns.iter();
    while let Some(insn) = slots.next() {
        let base = match insn.code & CLASS {
            // BPF_LDX; BPF_ST and BPF_STX.
            1 => insn.src,
            2 | 3 => insn.dst,
            7 if insn.code == ADD_IMM && insn.dst != FRAME => {
                added = added.saturating_add(usize::try_from(insn.imm).unwrap_or(0));
                continue;
            }
            0 if insn.code == LD_IMM64 => {
                slots.next();
                continue;
            }
            _ => continue,
        };
        let size = match insn.code & SIZE {
            0x00 => 4,
            0x08 => 2,
            0x10 => 1,
            _ => 8,
        };
        if base != FRAME
            && let Ok(offset) = usize::try_from(insn.off)
        {
            access = access.max(offset + size);
        }
    }
    if access == 0 { 0 } else { access.saturating_add(added).next_multiple_of(8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Input {
        let plan = bpf_object::compile(source).unwrap();
        input(&plan.programs[0], None, None)
    }

    #[test]
    fn contexts_reach_as_far_as_programs_read() {
        assert_eq!(of("r0 = *(u64 *)(r1 +0)\nexit").ctx, [0; 8]);
        assert_eq!(of("r0 = *(u32 *)(r1 +8)\nexit").ctx, [0; 16]);
        assert_eq!(of("*(u8 *)(r1 +7) = 1\nr0 = 0\nexit").ctx, [0; 8]);
        let moved = "r2 = r1\nr2 += 64\nr0 = *(u64 *)(r2 +8)\nexit";
        assert_eq!(of(moved).ctx, [0; 80]);
        let stack = "*(u64 *)(r10 -8) = 1\nr0 = 0\nexit";
        assert!(of(stack).ctx.is_empty());
        let far = "r1 += 100000\nr0 = *(u64 *)(r1 +0)\nexit";
        assert_eq!(of(far).ctx.len(), 4096);
    }

    #[test]
    fn each_type_gets_what_its_test_run_takes() {
        let at = |section: &str| of(&format!(".prog main {section}\nr0 = 0\nexit"));
        assert_eq!((at("xdp").ctx.len(), at("xdp").packet.len()), (0, 64));
        assert_eq!((at("sk_lookup").ctx.len(), at("sk_lookup").packet.len()), (72, 0));
        let traced = of(".prog main raw_tp\nr0 = *(u64 *)(r1 +16)\nexit");
        assert_eq!((traced.ctx.len(), traced.packet.len()), (24, 0));
        let given = bpf_object::compile("r0 = 0\nexit").unwrap();
        let given = input(&given.programs[0], Some(vec![7]), Some(vec![8]));
        assert_eq!((given.ctx, given.packet), (vec![7], vec![8]));
    }
}
