//! Strategy for any instruction that the decoder can return.

use bpf_isa::{AluOp, AtomicOp, Cond, EndianKind, Imm64, Op, Operand, Size, Width};
use proptest::prelude::*;
use proptest::sample::select;

const ALU: [AluOp; 14] = [
    AluOp::Add,
    AluOp::Sub,
    AluOp::Mul,
    AluOp::Div,
    AluOp::SDiv,
    AluOp::Mod,
    AluOp::SMod,
    AluOp::Or,
    AluOp::And,
    AluOp::Xor,
    AluOp::Lsh,
    AluOp::Rsh,
    AluOp::Arsh,
    AluOp::Mov,
];

const CONDS: [Cond; 11] = [
    Cond::Eq,
    Cond::Ne,
    Cond::Gt,
    Cond::Ge,
    Cond::Lt,
    Cond::Le,
    Cond::SGt,
    Cond::SGe,
    Cond::SLt,
    Cond::SLe,
    Cond::Set,
];

const ATOMICS: [AtomicOp; 10] = [
    AtomicOp::Add,
    AtomicOp::Or,
    AtomicOp::And,
    AtomicOp::Xor,
    AtomicOp::FetchAdd,
    AtomicOp::FetchOr,
    AtomicOp::FetchAnd,
    AtomicOp::FetchXor,
    AtomicOp::Xchg,
    AtomicOp::Cmpxchg,
];

fn reg() -> impl Strategy<Value = u8> {
    0..=10u8
}

fn width() -> impl Strategy<Value = Width> {
    select(vec![Width::W32, Width::W64])
}

fn size() -> impl Strategy<Value = Size> {
    select(vec![Size::B, Size::H, Size::W, Size::Dw])
}

fn imm() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(-1), Just(i32::MIN), Just(i32::MAX), any::<i32>()]
}

fn off() -> impl Strategy<Value = i16> {
    prop_oneof![Just(0), Just(-1), Just(i16::MIN), Just(i16::MAX), any::<i16>()]
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![reg().prop_map(Operand::Reg), imm().prop_map(Operand::Imm)]
}

fn imm64() -> impl Strategy<Value = Imm64> {
    prop_oneof![
        any::<u64>().prop_map(Imm64::Value),
        imm().prop_map(Imm64::MapFd),
        (imm(), any::<u32>()).prop_map(|(fd, off)| Imm64::MapValue { fd, off }),
        (imm(), imm()).prop_map(|(id, btf_fd)| Imm64::BtfId { id, btf_fd }),
        imm().prop_map(|off| Imm64::Func { off }),
        imm().prop_map(Imm64::MapIdx),
        (imm(), any::<u32>()).prop_map(|(idx, off)| Imm64::MapIdxValue { idx, off }),
    ]
}

fn data() -> impl Strategy<Value = Op> {
    prop_oneof![
        (width(), select(ALU.to_vec()), reg(), operand())
            .prop_map(|(width, op, dst, src)| Op::Alu { width, op, dst, src }),
        (
            select(vec![
                (Width::W32, 8),
                (Width::W32, 16),
                (Width::W64, 8),
                (Width::W64, 16),
                (Width::W64, 32)
            ]),
            reg(),
            reg()
        )
            .prop_map(|((width, bits), dst, src)| Op::MovSx { width, bits, dst, src }),
        (width(), reg()).prop_map(|(width, dst)| Op::Neg { width, dst }),
        (
            select(vec![EndianKind::Le, EndianKind::Be, EndianKind::Swap]),
            select(vec![16, 32, 64]),
            reg()
        )
            .prop_map(|(kind, bits, dst)| Op::Endian { kind, bits, dst }),
        (reg(), imm64()).prop_map(|(dst, value)| Op::LdImm64 { dst, value }),
        (reg(), reg(), any::<bool>()).prop_map(|(dst, src, forth)| {
            Op::AddrSpaceCast { dst, src, to: u16::from(forth), from: u16::from(!forth) }
        }),
    ]
}

fn memory() -> impl Strategy<Value = Op> {
    let atomic_size = || select(vec![Size::W, Size::Dw]);
    prop_oneof![
        (size(), any::<bool>(), reg(), reg(), off()).prop_map(|(size, signed, dst, base, off)| {
            Op::Load { size, signed: signed && size != Size::Dw, dst, base, off }
        }),
        (size(), reg(), off(), operand()).prop_map(|(size, base, off, src)| Op::Store {
            size,
            base,
            off,
            src
        }),
        (reg(), 1..4096i16).prop_map(|(dst, words)| Op::LoadStackArg { dst, off: 8 * words }),
        (-4096..0i16, operand()).prop_map(|(words, src)| Op::StoreStackArg { off: 8 * words, src }),
        (select(ATOMICS.to_vec()), atomic_size(), reg(), off(), reg())
            .prop_map(|(op, size, base, off, src)| Op::Atomic { op, size, base, off, src }),
        (size(), reg(), reg(), off()).prop_map(|(size, dst, base, off)| Op::LoadAcquire {
            size,
            dst,
            base,
            off
        }),
        (size(), reg(), off(), reg()).prop_map(|(size, base, off, src)| Op::StoreRelease {
            size,
            base,
            off,
            src
        }),
        (select(vec![Size::B, Size::H, Size::W]), proptest::option::of(reg()), imm())
            .prop_map(|(size, index, off)| Op::Packet { size, index, off }),
    ]
}

fn control() -> impl Strategy<Value = Op> {
    prop_oneof![
        off().prop_map(|off| Op::Ja { off: i32::from(off), long: false }),
        imm().prop_map(|off| Op::Ja { off, long: true }),
        (width(), select(CONDS.to_vec()), reg(), operand(), off())
            .prop_map(|(width, cond, dst, src, off)| Op::JumpCond { width, cond, dst, src, off }),
        reg().prop_map(|reg| Op::Gotox { reg }),
        imm().prop_map(|id| Op::CallHelper { id }),
        imm().prop_map(|off| Op::CallLocal { off }),
        (imm(), off()).prop_map(|(id, btf)| Op::CallKfunc { id, btf }),
        reg().prop_map(|reg| Op::Callx { reg }),
        off().prop_map(|off| Op::MayGoto { off }),
        Just(Op::Exit),
    ]
}

/// Any instruction that the decoder can return.
pub(crate) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![data(), memory(), control()]
}
