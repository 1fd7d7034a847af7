//! Random programs without addresses in numbers: r1 is the memory, r10 the stack, and everything
//! else a number. All paths lead to the end.

use bpf_isa::{AluOp, Cond, EndianKind, Imm64, Insn, Op, Operand, Reg, Size, Width, encode};
use proptest::prelude::*;
use proptest::sample::select;

/// Bytes of memory behind r1, and of stack below r10, that programs use.
pub(crate) const BYTES: i16 = 64;

/// The registers that hold numbers. r1 and r10 are pointers; r9 counts rounds.
const NUMBERS: [Reg; 8] = [0, 2, 3, 4, 5, 6, 7, 8];
const COUNTER: Reg = 9;

/// A program in the making.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// First values of the registers that hold numbers.
    pub(crate) first: Vec<u64>,
    /// The body; a jump's offset counts operations that it skips.
    pub(crate) body: Vec<Op>,
    /// Times that the body is run, at least 1.
    pub(crate) rounds: u8,
}

impl Draft {
    /// The instructions of the program without those operations of the body that a peer does not
    /// share.
    pub(crate) fn insns(&self, shared: impl Fn(&Op) -> bool) -> Vec<Insn> {
        let mut ops: Vec<Op> = Vec::new();
        for (&dst, &value) in NUMBERS.iter().zip(&self.first) {
            ops.push(Op::LdImm64 { dst, value: Imm64::Value(value) });
        }
        for off in (-BYTES..0).step_by(8) {
            let src = Operand::Reg(NUMBERS[off.unsigned_abs() as usize / 8 % 8]);
            ops.push(Op::Store { size: Size::Dw, base: 10, off, src });
        }
        ops.push(mov(COUNTER, self.rounds.into()));
        let start = ops.len();
        ops.extend(self.body.iter().filter(|op| shared(op)));
        let end = ops.len();
        // All registers go into memory, so that r0 is not all that is compared.
        let one = Operand::Imm(1);
        ops.push(Op::Alu { op: AluOp::Sub, width: Width::W64, dst: COUNTER, src: one });
        let src = Operand::Imm(0);
        ops.push(Op::JumpCond { width: Width::W64, cond: Cond::Ne, dst: COUNTER, src, off: 0 });
        for (index, &reg) in NUMBERS.iter().enumerate() {
            let off = index as i16 * 8;
            ops.push(Op::Store { size: Size::Dw, base: 1, off, src: Operand::Reg(reg) });
        }
        ops.push(Op::Exit);
        let mut slots = vec![0i64];
        slots.extend(ops.iter().scan(0, |slot, op| {
            *slot += op.slots() as i64;
            Some(*slot)
        }));
        for (at, op) in ops.iter_mut().enumerate().skip(start) {
            let distance = |skip: usize| {
                let target = if at >= end { start } else { (at + 1 + skip).min(end) };
                slots[target] - slots[at + 1]
            };
            match op {
                Op::Ja { off, .. } => *off = distance(*off as usize) as i32,
                Op::JumpCond { off, .. } => *off = distance(*off as usize) as i16,
                _ => {}
            }
        }
        ops.iter().flat_map(|op| encode(op).to_vec()).collect()
    }
}

fn mov(dst: Reg, imm: i32) -> Op {
    Op::Alu { op: AluOp::Mov, width: Width::W64, dst, src: Operand::Imm(imm) }
}

/// Any program.
pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    let first = proptest::collection::vec(bits(), NUMBERS.len());
    let body = proptest::collection::vec(op(), 1..40);
    (first, body, 1u8..4).prop_map(|(first, body, rounds)| Draft { first, body, rounds })
}

/// 64 bits, often at an edge.
pub(crate) fn bits() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 0x7f, 0x80, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 63];
    prop_oneof![
        2 => select(edges.to_vec()),
        1 => select(edges.to_vec()).prop_map(u64::wrapping_neg),
        2 => any::<u64>(),
        1 => any::<i32>().prop_map(|low| low as u64),
    ]
}

fn number() -> impl Strategy<Value = Reg> {
    select(NUMBERS.to_vec())
}

fn width() -> impl Strategy<Value = Width> {
    select(vec![Width::W32, Width::W64])
}

fn operand() -> impl Strategy<Value = Operand> {
    let edges = vec![0, 1, -1, 2, 31, 32, 63, 0x7f, -128, i32::MAX, i32::MIN];
    prop_oneof![
        2 => number().prop_map(Operand::Reg),
        1 => select(edges).prop_map(Operand::Imm),
        1 => any::<i32>().prop_map(Operand::Imm),
    ]
}

/// Base and offset of an access that lies in the memory or in the stack.
fn place() -> impl Strategy<Value = (Size, Reg, i16)> {
    let size = select(vec![Size::B, Size::H, Size::W, Size::Dw]);
    (size, any::<bool>(), 0..BYTES).prop_map(|(size, stack, at)| {
        let at = at.min(BYTES - size.bytes() as i16);
        if stack { (size, 10, at - BYTES) } else { (size, 1, at) }
    })
}

fn op() -> impl Strategy<Value = Op> {
    use AluOp::*;
    let alu = vec![Add, Sub, Mul, Div, Mod, Or, And, Xor, Lsh, Rsh, Arsh, Mov];
    let conds = vec![
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
    let kinds = vec![EndianKind::Le, EndianKind::Be];
    prop_oneof![
        8 => (select(alu), width(), number(), operand())
            .prop_map(|(op, width, dst, src)| {
                // The encoding keeps the count of a shift by an immediate below the width.
                let most = if width == Width::W64 { 63 } else { 31 };
                let src = match (op, src) {
                    (Lsh | Rsh | Arsh, Operand::Imm(count)) => Operand::Imm(count & most),
                    (Div | Mod, Operand::Imm(0)) => Operand::Imm(1),
                    _ => src,
                };
                Op::Alu { op, width, dst, src }
            }),
        1 => (width(), number()).prop_map(|(width, dst)| Op::Neg { width, dst }),
        1 => (select(kinds), select(vec![16u8, 32, 64]), number())
            .prop_map(|(kind, bits, dst)| Op::Endian { kind, bits, dst }),
        1 => (number(), bits()).prop_map(|(dst, bits)| {
            Op::LdImm64 { dst, value: Imm64::Value(bits) }
        }),
        3 => (number(), place())
            .prop_map(|(dst, (size, base, off))| Op::Load { size, signed: false, dst, base, off }),
        3 => (place(), operand())
            .prop_map(|((size, base, off), src)| Op::Store { size, base, off, src }),
        3 => (width(), select(conds), number(), operand(), 0i16..8)
            .prop_map(|(width, cond, dst, src, off)| Op::JumpCond { width, cond, dst, src, off }),
        1 => (0i32..4).prop_map(|off| Op::Ja { long: false, off }),
    ]
}
