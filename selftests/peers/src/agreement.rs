//! Which instructions the peers share with the kernel, and where they differ from it.
//!
//! Taken from `interpreter.rs` and `verifier.rs` of `rbpf` 0.4.1 and of `solana-sbpf` 0.26.0.

use bpf_isa::{AluOp, Cond, EndianKind, Imm64, Op, Operand, Width};

use crate::Peer;

/// How a peer treats an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Same behaviour as the kernel.
    Same,
    /// Different behaviour for some operands, with a description.
    Differs(&'static str),
    /// The peer rejects it or treats it as a different one, with the reason.
    /// [`prepare()`](crate::prepare()) rejects it.
    Lacks(&'static str),
}

/// Returns how a peer treats an instruction.
pub fn agreement(peer: Peer, op: &Op) -> Agreement {
    use Agreement::{Differs, Lacks, Same};
    let of_peer = match peer {
        Peer::Rbpf => rbpf(op),
        Peer::Sbpf => sbpf(op),
    };
    if of_peer != Same {
        return of_peer;
    }
    match *op {
        Op::Alu { op: AluOp::SDiv | AluOp::SMod, .. } => {
            Lacks("it does not look at the offset and divides unsigned")
        }
        Op::MovSx { .. } => Lacks("it does not look at the offset and moves all bits"),
        Op::Endian { kind: EndianKind::Swap, .. } => Lacks("unknown opcode: bswap"),
        Op::LdImm64 { value: Imm64::Value(_), .. } => Same,
        Op::LdImm64 { .. } => Lacks("it has neither maps nor addresses of functions"),
        Op::Load { signed: true, .. } => Lacks("unknown opcode: sign-extending load"),
        Op::LoadStackArg { .. } | Op::StoreStackArg { .. } => {
            Lacks("it has no arguments beyond the fifth")
        }
        Op::Atomic { .. } | Op::LoadAcquire { .. } | Op::StoreRelease { .. } => {
            Lacks("unknown opcode: atomic")
        }
        Op::Packet { .. } => Lacks("packet access is another one, or none"),
        Op::Ja { long: true, .. } => Lacks("unknown opcode: gotol"),
        Op::Gotox { .. } => Lacks("unknown opcode: gotox"),
        Op::Callx { .. } => Lacks("callx is another one, or none"),
        Op::CallKfunc { .. } => Lacks("it has no kernel functions"),
        Op::MayGoto { .. } => Lacks("unknown opcode: may_goto"),
        Op::AddrSpaceCast { .. } => Lacks("it does not look at the offset and moves all bits"),
        Op::CallHelper { .. } | Op::CallLocal { .. } => {
            Differs("r1 to r5 stay as they are, and the callee sees r0 and r6 to r9")
        }
        Op::Alu { .. }
        | Op::Neg { .. }
        | Op::Endian { .. }
        | Op::Load { .. }
        | Op::Store { .. }
        | Op::Ja { .. }
        | Op::JumpCond { .. }
        | Op::Exit => Same,
    }
}

fn rbpf(op: &Op) -> Agreement {
    match *op {
        // unsigned_u64!() in its interpreter.
        Op::JumpCond { width: Width::W64, cond, src: Operand::Imm(imm), .. }
            if imm < 0
                && matches!(
                    cond,
                    Cond::Eq | Cond::Ne | Cond::Gt | Cond::Ge | Cond::Lt | Cond::Le
                ) =>
        {
            Agreement::Differs("the immediate is zero-extended to 64 bits")
        }
        Op::Alu { op: AluOp::Mod, width: Width::W32, src, .. } if may_be_zero(src) => {
            Agreement::Differs("the upper half of dst stays where the divisor is 0")
        }
        _ => Agreement::Same,
    }
}

fn sbpf(op: &Op) -> Agreement {
    match *op {
        // sign_extension() in its interpreter; only version 2 clears the upper half.
        Op::Alu { op: AluOp::Add | AluOp::Sub | AluOp::Mul, width: Width::W32, .. } => {
            Agreement::Differs("the 32-bit result is sign-extended to 64 bits")
        }
        Op::Alu { op: AluOp::Div | AluOp::Mod, src: Operand::Imm(0), .. } => {
            Agreement::Lacks("it refuses the divisor 0")
        }
        Op::Alu { op: AluOp::Div | AluOp::Mod, src: Operand::Reg(_), .. } => {
            Agreement::Differs("a divisor that is 0 ends the program with an error")
        }
        // check_imm_shift() in its verifier.
        Op::Alu {
            op: AluOp::Lsh | AluOp::Rsh | AluOp::Arsh,
            width,
            src: Operand::Imm(count),
            ..
        } if !(0..if width == Width::W64 { 64 } else { 32 }).contains(&count) => {
            Agreement::Lacks("it refuses counts that are not below the width")
        }
        _ => Agreement::Same,
    }
}

fn may_be_zero(operand: Operand) -> bool {
    matches!(operand, Operand::Reg(_) | Operand::Imm(0))
}
