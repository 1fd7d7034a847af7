//! Decodes slots to [`Op`], as strictly as the kernel's verifier.
//!
//! The checks and their order follow `check_and_resolve_insns`, `check_insn_fields` and
//! `check_atomic` in `kernel/bpf/verifier.c` and `bpf_opcode_in_insntable` in `kernel/bpf/core.c`.
//! The reserved fields of `callx`, which the 7.3 series adds, are those of mainline. Fields that
//! the kernel ignores (the offset of `exit`, the second immediate of a function's address) are
//! ignored here too.

use thiserror::Error;

use crate::Insn;
use crate::op::{AluOp, AtomicOp, Cond, EndianKind, Imm64, Op, Operand, Size, Width};
use crate::opcode::*;

/// Why slots cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot decode slot {slot} ({insn:?}): {kind}")]
pub struct DecodeError {
    /// The slot.
    pub slot: usize,
    /// Its contents; all zero after the last instruction.
    pub insn: Insn,
    /// What is wrong; displayed as the line in the verifier's log.
    pub kind: DecodeErrorKind,
}

/// What is wrong with an instruction. The text is the verifier's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// There is no such slot.
    #[error("there are only {0} slots")]
    OutOfRange(usize),
    /// A register above r10.
    #[error("R{0} is invalid")]
    Register(u8),
    /// An opcode that does not exist.
    #[error("unknown opcode {0:02x}")]
    UnknownOpcode(u8),
    /// The second slot of `ld_imm64` is missing or not empty.
    #[error("invalid bpf_ld_imm64 insn")]
    LdImm64,
    /// A pseudo source of `ld_imm64` that does not exist, or a map with an offset.
    #[error("unrecognized bpf_ld_imm64 insn")]
    LdImm64Source,
    /// A field that has to be zero is not.
    #[error("{0} uses reserved fields")]
    Reserved(&'static str),
    /// A cast between address spaces other than 0 and 1.
    #[error("addr_space_cast insn can only convert between address space 1 and 0")]
    AddrSpaceCast,
    /// A conditional pseudo jump other than `may_goto`.
    #[error("invalid may_goto imm {0}")]
    MayGoto(i32),
    /// An atomic operation that does not exist.
    #[error("BPF_ATOMIC uses invalid atomic opcode {0:02x}")]
    Atomic(i32),
    /// An atomic operation on 1 or 2 bytes.
    #[error("invalid atomic operand size")]
    AtomicSize,
}

use DecodeErrorKind as Kind;

/// Decodes the instruction at `slot` and returns its size in slots (1 or 2).
///
/// # Errors
///
/// If there is no such slot, or if the kernel would reject the encoding.
pub fn decode(insns: &[Insn], slot: usize) -> Result<(Op, usize), DecodeError> {
    let insn = insns.get(slot).copied();
    let result = match insn {
        None => Err(Kind::OutOfRange(insns.len())),
        Some(insn) => {
            decode_pair(insn, slot.checked_add(1).and_then(|next| insns.get(next)).copied())
        }
    };
    match result {
        Ok(op) => Ok((op, op.slots())),
        Err(kind) => Err(DecodeError { slot, insn: insn.unwrap_or_default(), kind }),
    }
}

fn decode_pair(insn: Insn, next: Option<Insn>) -> Result<Op, Kind> {
    if let Some(op) = stack_arg(&insn)? {
        return Ok(op);
    }
    for reg in [insn.dst, insn.src] {
        if reg >= MAX_REG {
            return Err(Kind::Register(reg));
        }
    }
    if insn.code == LD_IMM64 {
        return ld_imm64(&insn, next);
    }
    match insn.code & CLASS_MASK {
        ALU | ALU64 => alu(&insn),
        JMP | JMP32 => jump(&insn),
        LD => packet(&insn),
        LDX => load(&insn),
        ST => store(&insn),
        STX => store_reg(&insn),
        _ => Err(Kind::UnknownOpcode(insn.code)),
    }
}

fn reserved(ok: bool, name: &'static str) -> Result<(), Kind> {
    if ok { Ok(()) } else { Err(Kind::Reserved(name)) }
}

/// The stack argument accesses of `include/linux/filter.h`, the only ones that may use r11.
fn stack_arg(insn: &Insn) -> Result<Option<Op>, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    let aligned = off % 8 == 0;
    let (op, name, zero, other) = match code {
        c if c == LDX | MEM | DW && src == REG_PARAMS && off > 0 && aligned => {
            (Op::LoadStackArg { dst, off }, "BPF_LDX", imm == 0, dst)
        }
        c if c == STX | MEM | DW && dst == REG_PARAMS && off < 0 && aligned => {
            (Op::StoreStackArg { off, src: Operand::Reg(src) }, "BPF_STX", imm == 0, src)
        }
        c if c == ST | MEM | DW && dst == REG_PARAMS && off < 0 && aligned => {
            (Op::StoreStackArg { off, src: Operand::Imm(imm) }, "BPF_ST", src == 0, src)
        }
        _ => return Ok(None),
    };
    if other >= MAX_REG {
        return Err(Kind::Register(other));
    }
    reserved(zero, name)?;
    Ok(Some(op))
}

fn ld_imm64(insn: &Insn, next: Option<Insn>) -> Result<Op, Kind> {
    let next = next.ok_or(Kind::LdImm64)?;
    if next.code != 0 || next.dst != 0 || next.src != 0 || next.off != 0 {
        return Err(Kind::LdImm64);
    }
    reserved(insn.off == 0, "BPF_LD_IMM64")?;
    let (low, high) = (insn.imm, next.imm);
    let (unsigned_low, unsigned_high) = (low.cast_unsigned(), high.cast_unsigned());
    let value = match insn.src {
        0 => Imm64::Value(u64::from(unsigned_high) << 32 | u64::from(unsigned_low)),
        PSEUDO_MAP_FD if high == 0 => Imm64::MapFd(low),
        PSEUDO_MAP_VALUE => Imm64::MapValue { fd: low, off: unsigned_high },
        PSEUDO_BTF_ID => Imm64::BtfId { id: low, btf_fd: high },
        PSEUDO_FUNC => Imm64::Func { off: low },
        PSEUDO_MAP_IDX if high == 0 => Imm64::MapIdx(low),
        PSEUDO_MAP_IDX_VALUE => Imm64::MapIdxValue { idx: low, off: unsigned_high },
        _ => return Err(Kind::LdImm64Source),
    };
    Ok(Op::LdImm64 { dst: insn.dst, value })
}

fn operand(insn: &Insn) -> Operand {
    if insn.code & SOURCE_MASK == X { Operand::Reg(insn.src) } else { Operand::Imm(insn.imm) }
}

/// Whether the field of the unused operand is zero.
fn unused_operand_is_zero(insn: &Insn) -> bool {
    if insn.code & SOURCE_MASK == X { insn.imm == 0 } else { insn.src == 0 }
}

fn alu(insn: &Insn) -> Result<Op, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    let width = if code & CLASS_MASK == ALU { Width::W32 } else { Width::W64 };
    let by_register = code & SOURCE_MASK == X;
    let (plain, signed) = match code & OP_MASK {
        NEG => {
            if by_register {
                return Err(Kind::UnknownOpcode(code));
            }
            reserved(src == 0 && off == 0 && imm == 0, "BPF_NEG")?;
            return Ok(Op::Neg { width, dst });
        }
        END => return endian(insn, width),
        MOV => return mov(insn, width),
        DIV => (AluOp::Div, Some(AluOp::SDiv)),
        MOD => (AluOp::Mod, Some(AluOp::SMod)),
        ADD => (AluOp::Add, None),
        SUB => (AluOp::Sub, None),
        MUL => (AluOp::Mul, None),
        OR => (AluOp::Or, None),
        AND => (AluOp::And, None),
        LSH => (AluOp::Lsh, None),
        RSH => (AluOp::Rsh, None),
        XOR => (AluOp::Xor, None),
        ARSH => (AluOp::Arsh, None),
        _ => return Err(Kind::UnknownOpcode(code)),
    };
    reserved(unused_operand_is_zero(insn), "BPF_ALU")?;
    let op = match (off, signed) {
        (0, _) => plain,
        (1, Some(signed)) => signed,
        _ => return Err(Kind::Reserved("BPF_ALU")),
    };
    Ok(Op::Alu { width, op, dst, src: operand(insn) })
}

fn endian(insn: &Insn, width: Width) -> Result<Op, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    let kind = match (width, code & SOURCE_MASK) {
        (Width::W32, X) => EndianKind::Be,
        (Width::W32, _) => EndianKind::Le,
        (Width::W64, K) => EndianKind::Swap,
        (Width::W64, _) => return Err(Kind::UnknownOpcode(code)),
    };
    let bits = match imm {
        16 => 16,
        32 => 32,
        64 => 64,
        _ => return Err(Kind::Reserved("BPF_END")),
    };
    reserved(src == 0 && off == 0, "BPF_END")?;
    Ok(Op::Endian { kind, bits, dst })
}

fn mov(insn: &Insn, width: Width) -> Result<Op, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    if code & SOURCE_MASK == X {
        let bits = match (off, width) {
            (0, _) => None,
            (8, _) => Some(8),
            (16, _) => Some(16),
            (32, Width::W64) => Some(32),
            (ADDR_SPACE_CAST, Width::W64) => return addr_space_cast(insn),
            _ => return Err(Kind::Reserved("BPF_MOV")),
        };
        reserved(imm == 0, "BPF_MOV")?;
        if let Some(bits) = bits {
            return Ok(Op::MovSx { width, bits, dst, src });
        }
    } else {
        reserved(src == 0 && off == 0, "BPF_MOV")?;
    }
    Ok(Op::Alu { width, op: AluOp::Mov, dst, src: operand(insn) })
}

fn addr_space_cast(insn: &Insn) -> Result<Op, Kind> {
    let &Insn { dst, src, imm, .. } = insn;
    match imm {
        1 => Ok(Op::AddrSpaceCast { dst, src, to: 0, from: 1 }),
        0x1_0000 => Ok(Op::AddrSpaceCast { dst, src, to: 1, from: 0 }),
        _ => Err(Kind::AddrSpaceCast),
    }
}

fn jump(insn: &Insn) -> Result<Op, Kind> {
    let &Insn { code, dst, off, .. } = insn;
    let width = if code & CLASS_MASK == JMP { Width::W64 } else { Width::W32 };
    let cond = match code & OP_MASK {
        JEQ => Cond::Eq,
        JNE => Cond::Ne,
        JGT => Cond::Gt,
        JGE => Cond::Ge,
        JLT => Cond::Lt,
        JLE => Cond::Le,
        JSGT => Cond::SGt,
        JSGE => Cond::SGe,
        JSLT => Cond::SLt,
        JSLE => Cond::SLe,
        JSET => Cond::Set,
        _ => return unconditional(insn),
    };
    reserved(unused_operand_is_zero(insn), "BPF_JMP/JMP32")?;
    Ok(Op::JumpCond { width, cond, dst, src: operand(insn), off })
}

fn unconditional(insn: &Insn) -> Result<Op, Kind> {
    const JA_SHORT: u8 = JMP | JA;
    const JA_LONG: u8 = JMP32 | JA;
    const MAY_GOTO: u8 = JMP | JCOND;
    const EXIT_CODE: u8 = JMP | EXIT;
    let &Insn { code, dst, src, off, imm } = insn;
    match code {
        JA_SHORT => {
            reserved(src == 0 && dst == 0 && imm == 0, "BPF_JA")?;
            Ok(Op::Ja { off: i32::from(off), long: false })
        }
        JA_LONG => {
            reserved(src == 0 && dst == 0 && off == 0, "BPF_JA")?;
            Ok(Op::Ja { off: imm, long: true })
        }
        GOTOX => {
            reserved(src == 0 && imm == 0 && off == 0, "BPF_JA|BPF_X")?;
            Ok(Op::Gotox { reg: dst })
        }
        MAY_GOTO => {
            if src != 0 || dst != 0 || imm != 0 {
                return Err(Kind::MayGoto(imm));
            }
            Ok(Op::MayGoto { off })
        }
        EXIT_CODE => {
            reserved(src == 0 && dst == 0 && imm == 0, "BPF_EXIT")?;
            Ok(Op::Exit)
        }
        CALLX => {
            reserved(src == 0 && imm == 0 && off == 0, "BPF_CALL|BPF_X")?;
            Ok(Op::Callx { reg: dst })
        }
        CALL_IMM => {
            reserved(dst == 0 && (off == 0 || src == PSEUDO_KFUNC_CALL), "BPF_CALL")?;
            match src {
                0 => Ok(Op::CallHelper { id: imm }),
                PSEUDO_CALL => Ok(Op::CallLocal { off: imm }),
                PSEUDO_KFUNC_CALL => Ok(Op::CallKfunc { id: imm, btf: off }),
                _ => Err(Kind::Reserved("BPF_CALL")),
            }
        }
        _ => Err(Kind::UnknownOpcode(code)),
    }
}

fn size(code: u8) -> Size {
    match code & SIZE_MASK {
        B => Size::B,
        H => Size::H,
        W => Size::W,
        _ => Size::Dw,
    }
}

fn packet(insn: &Insn) -> Result<Op, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    let index = match (code & MODE_MASK, code & SIZE_MASK) {
        (ABS | IND, DW) => return Err(Kind::UnknownOpcode(code)),
        (ABS, _) => None,
        (IND, _) => Some(src),
        _ => return Err(Kind::UnknownOpcode(code)),
    };
    reserved(dst == 0 && off == 0 && (index.is_some() || src == 0), "BPF_LD_[ABS|IND]")?;
    Ok(Op::Packet { size: size(code), index, off: imm })
}

fn load(insn: &Insn) -> Result<Op, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    let signed = match (code & MODE_MASK, code & SIZE_MASK) {
        (MEM, _) => false,
        (MEMSX, B | H | W) => true,
        _ => return Err(Kind::UnknownOpcode(code)),
    };
    reserved(imm == 0, "BPF_LDX")?;
    Ok(Op::Load { size: size(code), signed, dst, base: src, off })
}

fn store(insn: &Insn) -> Result<Op, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    if code & MODE_MASK != MEM {
        return Err(Kind::UnknownOpcode(code));
    }
    reserved(src == 0, "BPF_ST")?;
    Ok(Op::Store { size: size(code), base: dst, off, src: Operand::Imm(imm) })
}

fn store_reg(insn: &Insn) -> Result<Op, Kind> {
    let &Insn { code, dst, src, off, imm } = insn;
    match code & MODE_MASK {
        MEM => {
            reserved(imm == 0, "BPF_STX")?;
            Ok(Op::Store { size: size(code), base: dst, off, src: Operand::Reg(src) })
        }
        ATOMIC => atomic(insn),
        _ => Err(Kind::UnknownOpcode(code)),
    }
}

fn atomic(insn: &Insn) -> Result<Op, Kind> {
    const OR_IMM: i32 = OR as i32;
    const AND_IMM: i32 = AND as i32;
    const XOR_IMM: i32 = XOR as i32;
    const ADD_FETCH: i32 = ADD as i32 | FETCH;
    const OR_FETCH: i32 = OR_IMM | FETCH;
    const AND_FETCH: i32 = AND_IMM | FETCH;
    const XOR_FETCH: i32 = XOR_IMM | FETCH;
    let &Insn { code, dst, src, off, imm } = insn;
    let size = size(code);
    let op = match imm {
        0 => AtomicOp::Add,
        OR_IMM => AtomicOp::Or,
        AND_IMM => AtomicOp::And,
        XOR_IMM => AtomicOp::Xor,
        ADD_FETCH => AtomicOp::FetchAdd,
        OR_FETCH => AtomicOp::FetchOr,
        AND_FETCH => AtomicOp::FetchAnd,
        XOR_FETCH => AtomicOp::FetchXor,
        XCHG => AtomicOp::Xchg,
        CMPXCHG => AtomicOp::Cmpxchg,
        LOAD_ACQ => {
            return Ok(Op::LoadAcquire { size, dst, base: src, off });
        }
        STORE_REL => {
            return Ok(Op::StoreRelease { size, base: dst, off, src });
        }
        _ => return Err(Kind::Atomic(imm)),
    };
    match size {
        Size::W | Size::Dw => Ok(Op::Atomic { op, size, base: dst, off, src }),
        Size::B | Size::H => Err(Kind::AtomicSize),
    }
}
