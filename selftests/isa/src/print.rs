//! Prints an [`Op`] in the assembler's notation (see `NOTATION.md`).

use std::fmt;

use crate::op::{AluOp, AtomicOp, Cond, EndianKind, Imm64, Op, Operand, Size, Width};
use crate::opcode::REG_PARAMS;

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Op::Alu { width, op, dst, src } => {
                let l = letter(width);
                write!(f, "{l}{dst} {} {}", alu_symbol(op), operand(src, l))
            }
            Op::MovSx { width, bits, dst, src } => {
                let l = letter(width);
                write!(f, "{l}{dst} = (s{bits}){l}{src}")
            }
            Op::Neg { width, dst } => {
                let l = letter(width);
                write!(f, "{l}{dst} = -{l}{dst}")
            }
            Op::Endian { kind, bits, dst } => {
                let kind = match kind {
                    EndianKind::Le => "le",
                    EndianKind::Be => "be",
                    EndianKind::Swap => "bswap",
                };
                write!(f, "r{dst} = {kind}{bits} r{dst}")
            }
            Op::LdImm64 { dst, value } => write!(f, "r{dst} = {value} ll"),
            Op::Load { size, signed, dst, base, off } => {
                let sign = if signed { 's' } else { 'u' };
                write!(f, "r{dst} = *({sign}{} *)(r{base} {off:+})", bits(size))
            }
            Op::Store { size, base, off, src } => {
                write!(f, "*(u{} *)(r{base} {off:+}) = {}", bits(size), operand(src, 'r'))
            }
            Op::LoadStackArg { dst, off } => {
                write!(f, "r{dst} = *(u64 *)(r{REG_PARAMS} {off:+})")
            }
            Op::StoreStackArg { off, src } => {
                write!(f, "*(u64 *)(r{REG_PARAMS} {off:+}) = {}", operand(src, 'r'))
            }
            Op::Atomic { op, size, base, off, src } => atomic(f, op, size, base, off, src),
            Op::LoadAcquire { size, dst, base, off } => {
                write!(f, "r{dst} = load_acquire((u{} *)(r{base} {off:+}))", bits(size))
            }
            Op::StoreRelease { size, base, off, src } => {
                write!(f, "store_release((u{} *)(r{base} {off:+}), r{src})", bits(size))
            }
            Op::Packet { size, index: None, off } => {
                write!(f, "r0 = *(u{} *)skb[{off}]", bits(size))
            }
            Op::Packet { size, index: Some(index), off } => {
                write!(f, "r0 = *(u{} *)skb[r{index} + {off}]", bits(size))
            }
            Op::Ja { off, long: false } => write!(f, "goto {off:+}"),
            Op::Ja { off, long: true } => write!(f, "gotol {off:+}"),
            Op::JumpCond { width, cond, dst, src, off } => {
                let l = letter(width);
                let right = operand(src, l);
                write!(f, "if {l}{dst} {} {right} goto {off:+}", cond_symbol(cond))
            }
            Op::Gotox { reg } => write!(f, "gotox r{reg}"),
            Op::CallHelper { id } => write!(f, "call {id}"),
            Op::CallLocal { off } => write!(f, "call pc{off:+}"),
            Op::CallKfunc { id, btf } => write!(f, "call kfunc {id} {btf}"),
            Op::Callx { reg } => write!(f, "callx r{reg}"),
            Op::MayGoto { off } => write!(f, "may_goto {off:+}"),
            Op::AddrSpaceCast { dst, src, to, from } => {
                write!(f, "r{dst} = addr_space_cast(r{src}, {to}, {from})")
            }
            Op::Exit => f.write_str("exit"),
        }
    }
}

impl fmt::Display for Imm64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Value(value) => write!(f, "{value:#x}"),
            Self::MapFd(fd) => write!(f, "map_fd {fd}"),
            Self::MapValue { fd, off } => write!(f, "map_value {fd} {off}"),
            Self::BtfId { id, btf_fd } => write!(f, "btf_id {id} {btf_fd}"),
            Self::Func { off } => write!(f, "func {off}"),
            Self::MapIdx(idx) => write!(f, "map_idx {idx}"),
            Self::MapIdxValue { idx, off } => write!(f, "map_idx_value {idx} {off}"),
        }
    }
}

fn atomic(
    f: &mut fmt::Formatter<'_>,
    op: AtomicOp,
    size: Size,
    base: u8,
    off: i16,
    src: u8,
) -> fmt::Result {
    let place = format!("(u{} *)(r{base} {off:+})", bits(size));
    let wide = if size == Size::Dw { "64" } else { "" };
    let fetch = match op {
        AtomicOp::Add => return write!(f, "lock *{place} += r{src}"),
        AtomicOp::Or => return write!(f, "lock *{place} |= r{src}"),
        AtomicOp::And => return write!(f, "lock *{place} &= r{src}"),
        AtomicOp::Xor => return write!(f, "lock *{place} ^= r{src}"),
        AtomicOp::Cmpxchg => return write!(f, "r0 = atomic{wide}_cmpxchg({place}, r0, r{src})"),
        AtomicOp::FetchAdd => "fetch_add",
        AtomicOp::FetchOr => "fetch_or",
        AtomicOp::FetchAnd => "fetch_and",
        AtomicOp::FetchXor => "fetch_xor",
        AtomicOp::Xchg => "xchg",
    };
    write!(f, "r{src} = atomic{wide}_{fetch}({place}, r{src})")
}

fn letter(width: Width) -> char {
    match width {
        Width::W32 => 'w',
        Width::W64 => 'r',
    }
}

fn operand(operand: Operand, letter: char) -> String {
    match operand {
        Operand::Reg(reg) => format!("{letter}{reg}"),
        Operand::Imm(imm) => imm.to_string(),
    }
}

fn bits(size: Size) -> usize {
    8 * size.bytes()
}

fn alu_symbol(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div => "/=",
        AluOp::SDiv => "s/=",
        AluOp::Mod => "%=",
        AluOp::SMod => "s%=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Xor => "^=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Arsh => "s>>=",
        AluOp::Mov => "=",
    }
}

fn cond_symbol(cond: Cond) -> &'static str {
    match cond {
        Cond::Eq => "==",
        Cond::Ne => "!=",
        Cond::Gt => ">",
        Cond::Ge => ">=",
        Cond::Lt => "<",
        Cond::Le => "<=",
        Cond::SGt => "s>",
        Cond::SGe => "s>=",
        Cond::SLt => "s<",
        Cond::SLe => "s<=",
        Cond::Set => "&",
    }
}
