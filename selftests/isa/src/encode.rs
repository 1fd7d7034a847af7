//! Encodes [`Op`] to slots: the inverse of [`decode`](crate::decode()).

use crate::Insn;
use crate::op::{AluOp, AtomicOp, Cond, EndianKind, Imm64, Op, Operand, Size, Width};
use crate::opcode::*;

/// The slots of one instruction; derefs to a slice of 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    slots: [Insn; 2],
    len: usize,
}

impl std::ops::Deref for Encoded {
    type Target = [Insn];

    fn deref(&self) -> &[Insn] {
        &self.slots[..self.len]
    }
}

/// Encodes an instruction.
///
/// Every value that [`decode`](crate::decode()) can return gives slots that decode to it again.
/// Other values (register 13, a 32-bit offset in a short jump) are truncated to the width of their
/// field; the kernel may reject the result.
pub fn encode(op: &Op) -> Encoded {
    let mut slots = [Insn::default(); 2];
    if let Op::LdImm64 { dst, value } = *op {
        let (src, low, high) = imm64(value);
        slots[0] = Insn { code: LD_IMM64, dst, src, off: 0, imm: low };
        slots[1].imm = high;
        Encoded { slots, len: 2 }
    } else {
        slots[0] = single(op);
        Encoded { slots, len: 1 }
    }
}

/// `src` and the two immediates of `ld_imm64`.
fn imm64(value: Imm64) -> (u8, i32, i32) {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "the halves of the number")]
        Imm64::Value(value) => (0, value as i32, (value >> 32) as i32),
        Imm64::MapFd(fd) => (PSEUDO_MAP_FD, fd, 0),
        Imm64::MapValue { fd, off } => (PSEUDO_MAP_VALUE, fd, off.cast_signed()),
        Imm64::BtfId { id, btf_fd } => (PSEUDO_BTF_ID, id, btf_fd),
        Imm64::Func { off } => (PSEUDO_FUNC, off, 0),
        Imm64::MapIdx(idx) => (PSEUDO_MAP_IDX, idx, 0),
        Imm64::MapIdxValue { idx, off } => (PSEUDO_MAP_IDX_VALUE, idx, off.cast_signed()),
    }
}

fn single(op: &Op) -> Insn {
    let zero = Insn::default();
    match *op {
        Op::Alu { width, op, dst, src } => {
            let (code, off) = alu_code(op);
            with_operand(alu_class(width) | code, dst, src, off)
        }
        Op::MovSx { width, bits, dst, src } => {
            Insn { code: alu_class(width) | MOV | X, dst, src, off: i16::from(bits), imm: 0 }
        }
        Op::Neg { width, dst } => Insn { code: alu_class(width) | NEG, dst, ..zero },
        Op::Endian { kind, bits, dst } => {
            let code = match kind {
                EndianKind::Le => ALU | END,
                EndianKind::Be => ALU | END | X,
                EndianKind::Swap => ALU64 | END,
            };
            Insn { code, dst, imm: i32::from(bits), ..zero }
        }
        Op::LdImm64 { dst, value } => {
            let (src, low, _) = imm64(value);
            Insn { code: LD_IMM64, dst, src, off: 0, imm: low }
        }
        Op::Load { size, signed, dst, base, off } => {
            let mode = if signed { MEMSX } else { MEM };
            Insn { code: LDX | mode | size_code(size), dst, src: base, off, imm: 0 }
        }
        Op::Store { size, base, off, src } => store(size, base, off, src),
        Op::LoadStackArg { dst, off } => {
            Insn { code: LDX | MEM | DW, dst, src: REG_PARAMS, off, imm: 0 }
        }
        Op::StoreStackArg { off, src } => store(Size::Dw, REG_PARAMS, off, src),
        Op::Atomic { op, size, base, off, src } => atomic(size, base, src, off, atomic_imm(op)),
        Op::LoadAcquire { size, dst, base, off } => atomic(size, dst, base, off, LOAD_ACQ),
        Op::StoreRelease { size, base, off, src } => atomic(size, base, src, off, STORE_REL),
        Op::Packet { size, index, off } => {
            let mode = if index.is_some() { IND } else { ABS };
            let src = index.unwrap_or(0);
            Insn { code: LD | mode | size_code(size), src, imm: off, ..zero }
        }
        Op::Ja { off, long: true } => Insn { code: JMP32 | JA, imm: off, ..zero },
        #[expect(clippy::cast_possible_truncation, reason = "the width of the field")]
        Op::Ja { off, long: false } => Insn { code: JMP | JA, off: off as i16, ..zero },
        Op::JumpCond { width, cond, dst, src, off } => {
            let class = match width {
                Width::W32 => JMP32,
                Width::W64 => JMP,
            };
            with_operand(class | cond_code(cond), dst, src, off)
        }
        Op::Gotox { reg } => Insn { code: GOTOX, dst: reg, ..zero },
        Op::CallHelper { id } => Insn { code: CALL_IMM, imm: id, ..zero },
        Op::CallLocal { off } => Insn { code: CALL_IMM, src: PSEUDO_CALL, imm: off, ..zero },
        Op::CallKfunc { id, btf } => {
            Insn { code: CALL_IMM, src: PSEUDO_KFUNC_CALL, off: btf, imm: id, ..zero }
        }
        Op::Callx { reg } => Insn { code: CALLX, dst: reg, ..zero },
        Op::MayGoto { off } => Insn { code: JMP | JCOND, off, ..zero },
        Op::AddrSpaceCast { dst, src, to, from } => Insn {
            code: ALU64 | MOV | X,
            dst,
            src,
            off: ADDR_SPACE_CAST,
            imm: (u32::from(to) << 16 | u32::from(from)).cast_signed(),
        },
        Op::Exit => Insn { code: JMP | EXIT, ..zero },
    }
}

fn with_operand(code: u8, dst: u8, operand: Operand, off: i16) -> Insn {
    match operand {
        Operand::Reg(src) => Insn { code: code | X, dst, src, off, imm: 0 },
        Operand::Imm(imm) => Insn { code: code | K, dst, src: 0, off, imm },
    }
}

fn store(size: Size, base: u8, off: i16, src: Operand) -> Insn {
    let code = MEM | size_code(size);
    match src {
        Operand::Reg(src) => Insn { code: STX | code, dst: base, src, off, imm: 0 },
        Operand::Imm(imm) => Insn { code: ST | code, dst: base, src: 0, off, imm },
    }
}

fn atomic(size: Size, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { code: STX | ATOMIC | size_code(size), dst, src, off, imm }
}

fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => ALU,
        Width::W64 => ALU64,
    }
}

fn size_code(size: Size) -> u8 {
    match size {
        Size::B => B,
        Size::H => H,
        Size::W => W,
        Size::Dw => DW,
    }
}

/// Operation bits and offset.
fn alu_code(op: AluOp) -> (u8, i16) {
    match op {
        AluOp::Add => (ADD, 0),
        AluOp::Sub => (SUB, 0),
        AluOp::Mul => (MUL, 0),
        AluOp::Div => (DIV, 0),
        AluOp::SDiv => (DIV, 1),
        AluOp::Mod => (MOD, 0),
        AluOp::SMod => (MOD, 1),
        AluOp::Or => (OR, 0),
        AluOp::And => (AND, 0),
        AluOp::Xor => (XOR, 0),
        AluOp::Lsh => (LSH, 0),
        AluOp::Rsh => (RSH, 0),
        AluOp::Arsh => (ARSH, 0),
        AluOp::Mov => (MOV, 0),
    }
}

fn cond_code(cond: Cond) -> u8 {
    match cond {
        Cond::Eq => JEQ,
        Cond::Ne => JNE,
        Cond::Gt => JGT,
        Cond::Ge => JGE,
        Cond::Lt => JLT,
        Cond::Le => JLE,
        Cond::SGt => JSGT,
        Cond::SGe => JSGE,
        Cond::SLt => JSLT,
        Cond::SLe => JSLE,
        Cond::Set => JSET,
    }
}

fn atomic_imm(op: AtomicOp) -> i32 {
    match op {
        AtomicOp::Add => i32::from(ADD),
        AtomicOp::Or => i32::from(OR),
        AtomicOp::And => i32::from(AND),
        AtomicOp::Xor => i32::from(XOR),
        AtomicOp::FetchAdd => i32::from(ADD) | FETCH,
        AtomicOp::FetchOr => i32::from(OR) | FETCH,
        AtomicOp::FetchAnd => i32::from(AND) | FETCH,
        AtomicOp::FetchXor => i32::from(XOR) | FETCH,
        AtomicOp::Xchg => XCHG,
        AtomicOp::Cmpxchg => CMPXCHG,
    }
}
