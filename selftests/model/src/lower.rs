//! From the slots of a program to [`Code`]: every decision that does not depend on values.

use std::collections::HashMap;

use bpf_isa::{AluOp, AtomicOp, Cond, EndianKind, Imm64, Op, Operand, Reg, Size, Width, decode};
use bpf_object::ProgramPlan;

use crate::code::{Code, Opc};
use crate::functions;
use crate::trap::TrapKind;
use crate::value::{Prov, Value};

/// Address of slot 0, for functions and instructions, as far as anyone looks at it.
pub(crate) const TEXT: u64 = 0xffff_ffff_c000_0000;

/// A program ready to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) codes: Vec<Code>,
    /// Slot that each code came from.
    pub(crate) slot_of: Vec<u32>,
    /// Code of each slot; `u32::MAX` for the second half of a wide instruction.
    pub(crate) code_of: Vec<u32>,
    /// Function of each slot, counted in the order of their starts.
    pub(crate) function_of: Vec<u32>,
    /// Values of `ld_imm64`.
    pub(crate) constants: Vec<Value>,
    pub(crate) atomics: Vec<(AtomicOp, Size)>,
    pub(crate) refusals: Vec<TrapKind>,
    /// Why the targets of jumps that lead nowhere are wrong.
    pub(crate) bad_targets: Vec<TrapKind>,
    /// `enum bpf_prog_type`.
    pub(crate) prog_type: u32,
}

/// What a `ld_imm64` of a map loads; the machine knows where maps are.
pub(crate) trait MapValues {
    /// The map itself.
    fn map(&self, map: usize) -> Result<Value, TrapKind>;
    /// The address of byte `off` of its value.
    fn value(&self, map: usize, off: u32) -> Result<Value, TrapKind>;
}

/// Lowers a program. Nothing is an error here: what the kernel would refuse becomes a code that
/// traps when it is reached.
pub(crate) fn lower(plan: &ProgramPlan, maps: &dyn MapValues) -> Program {
    let mut lowering = Lowering::new(plan, maps);
    lowering.run();
    lowering.program
}

struct Lowering<'a> {
    plan: &'a ProgramPlan,
    maps: &'a dyn MapValues,
    program: Program,
    /// Map that the instruction at a slot refers to.
    map_refs: HashMap<usize, usize>,
    /// Code and target of jumps that lead nowhere.
    wrong: Vec<(usize, TrapKind)>,
}

impl<'a> Lowering<'a> {
    /// Finds functions and wide instructions, and with that the place of each slot's code.
    fn new(plan: &'a ProgramPlan, maps: &'a dyn MapValues) -> Self {
        let insns = &plan.insns;
        let mut starts = vec![false; insns.len()];
        let mut second = vec![false; insns.len()];
        let mut mark = |slot: Option<usize>| {
            if let Some(start) = slot.and_then(|slot| starts.get_mut(slot)) {
                *start = true;
            }
        };
        mark(Some(0));
        for function in &plan.functions {
            mark(Some(function.slot));
        }
        for slot in functions::referred(insns) {
            mark(Some(slot));
        }
        let mut slot = 0;
        while slot < insns.len() {
            let width = decode(insns, slot).map_or(1, |(_, slots)| slots);
            for half in second.iter_mut().take(slot + width).skip(slot + 1) {
                *half = true;
            }
            slot += width;
        }
        let mut program = Program { prog_type: plan.prog_type, ..Program::default() };
        let mut function = 0u32;
        let mut next = 0u32;
        for slot in 0..insns.len() {
            if slot > 0 && starts[slot] {
                function += 1;
                next += 1;
            }
            program.function_of.push(function);
            program.code_of.push(if second[slot] { u32::MAX } else { next });
            next += u32::from(!second[slot]);
        }
        let map_refs = plan.map_refs.iter().map(|map| (map.slot, map.map)).collect();
        Self { plan, maps, program, map_refs, wrong: Vec::new() }
    }

    fn run(&mut self) {
        let slots = self.plan.insns.len();
        for slot in 0..slots {
            if slot > 0 && self.program.function_of[slot] != self.program.function_of[slot - 1] {
                self.push(slot - 1, code(Opc::FellOff));
            }
            if self.program.code_of[slot] != u32::MAX {
                let code = self.slot(slot);
                self.push(slot, code);
            }
        }
        self.push(slots.saturating_sub(1), code(Opc::FellOff));
        for (from, why) in std::mem::take(&mut self.wrong) {
            let slot = self.program.slot_of[from];
            self.program.codes[from].aux = self.program.codes.len() as i32;
            let index = self.program.bad_targets.len() as u64;
            self.program.bad_targets.push(why);
            self.push(slot as usize, Code { imm: index, ..code(Opc::BadTarget) });
        }
    }

    fn push(&mut self, slot: usize, code: Code) {
        self.program.codes.push(code);
        self.program.slot_of.push(slot as u32);
    }

    fn slot(&mut self, slot: usize) -> Code {
        match decode(&self.plan.insns, slot) {
            Ok((op, _)) => self.op(slot, op),
            Err(err) => {
                self.refuse(TrapKind::InvalidInstruction { why: err.kind.to_string().into() })
            }
        }
    }

    fn refuse(&mut self, why: TrapKind) -> Code {
        self.program.refusals.push(why);
        Code { imm: self.program.refusals.len() as u64 - 1, ..code(Opc::Refused) }
    }

    fn unsupported(&mut self, what: &'static str) -> Code {
        self.refuse(TrapKind::Unsupported(what.into()))
    }

    /// Registers are 0 to 10 here: [`decode()`] has checked it.
    fn op(&mut self, slot: usize, op: Op) -> Code {
        if written_register(&op) == Some(10) {
            let why = "frame pointer is read only".into();
            return self.refuse(TrapKind::InvalidInstruction { why });
        }
        match op {
            Op::Alu { width, op, dst, src } => with_operand(alu(op, width), dst, src, 0),
            Op::MovSx { width, bits, dst, src } => {
                let op = match (width, bits) {
                    (Width::W64, 8) => Opc::MovSx8To64,
                    (Width::W64, 16) => Opc::MovSx16To64,
                    (Width::W64, _) => Opc::MovSx32To64,
                    (Width::W32, 8) => Opc::MovSx8To32,
                    (Width::W32, _) => Opc::MovSx16To32,
                };
                Code { dst, src, ..code(op) }
            }
            Op::Neg { width: Width::W64, dst } => Code { dst, ..code(Opc::Neg64) },
            Op::Neg { width: Width::W32, dst } => Code { dst, ..code(Opc::Neg32) },
            Op::Endian { kind, bits, dst } => {
                let op = if kind == EndianKind::Le { Opc::Truncate } else { Opc::Swap };
                Code { dst, imm: u64::from(bits), ..code(op) }
            }
            Op::LdImm64 { dst, value } => self.wide(slot, dst, value),
            Op::Load { size, signed, dst, base, off } => {
                let op = match (size, signed) {
                    (Size::B, false) => Opc::Load8,
                    (Size::H, false) => Opc::Load16,
                    (Size::W, false) => Opc::Load32,
                    (Size::Dw, _) => Opc::Load64,
                    (Size::B, true) => Opc::LoadS8,
                    (Size::H, true) => Opc::LoadS16,
                    (Size::W, true) => Opc::LoadS32,
                };
                Code { dst, src: base, aux: i32::from(off), ..code(op) }
            }
            Op::Store { size, base, off, src } => {
                let op = match size {
                    Size::B => Opc::Store8R,
                    Size::H => Opc::Store16R,
                    Size::W => Opc::Store32R,
                    Size::Dw => Opc::Store64R,
                };
                with_operand(op, base, src, i32::from(off))
            }
            Op::Atomic { op, size, base, off, src } => {
                self.program.atomics.push((op, size));
                let imm = self.program.atomics.len() as u64 - 1;
                Code { dst: base, src, aux: i32::from(off), imm, ..code(Opc::Atomic) }
            }
            Op::LoadAcquire { size, dst, base, off } => {
                let imm = size.bytes() as u64;
                Code { dst, src: base, aux: i32::from(off), imm, ..code(Opc::LoadAcquire) }
            }
            Op::StoreRelease { size, base, off, src } => {
                let imm = size.bytes() as u64;
                Code { dst: base, src, aux: i32::from(off), imm, ..code(Opc::StoreRelease) }
            }
            Op::Packet { size, index, off } => {
                let imm = u64::from(off as u32) | (size.bytes() as u64) << 32;
                match index {
                    Some(src) => Code { src, imm, ..code(Opc::PacketInd) },
                    None => Code { imm, ..code(Opc::PacketAbs) },
                }
            }
            Op::Ja { off, .. } => self.jump(slot, off, code(Opc::Jump)),
            Op::JumpCond { width, cond, dst, src, off } => {
                self.jump(slot, i32::from(off), with_operand(condition(cond, width), dst, src, 0))
            }
            Op::MayGoto { off } => self.jump(slot, i32::from(off), code(Opc::MayGoto)),
            Op::Gotox { reg } => {
                let imm = u64::from(self.program.function_of[slot]);
                Code { dst: reg, imm, ..code(Opc::Gotox) }
            }
            Op::Callx { reg } => Code { dst: reg, ..code(Opc::Callx) },
            Op::CallHelper { id } => Code { imm: i64::from(id) as u64, ..code(Opc::CallHelper) },
            Op::CallLocal { off } => self.call(slot, off),
            Op::Exit => code(Opc::Exit),
            Op::CallKfunc { .. } => self.unsupported("kernel function"),
            Op::AddrSpaceCast { .. } => self.unsupported("addr_space_cast"),
            Op::LoadStackArg { dst, off } => {
                Code { dst, imm: argument(off) as u64, ..code(Opc::LoadPassed) }
            }
            Op::StoreStackArg { off, src } => with_operand(Opc::PassR, 0, src, argument(off)),
        }
    }

    fn wide(&mut self, slot: usize, dst: Reg, value: Imm64) -> Code {
        let map = self.map_refs.get(&slot).copied();
        let loaded = match (value, map) {
            (Imm64::Value(bits), _) => Ok(Value::scalar(bits)),
            (Imm64::MapFd(_) | Imm64::MapIdx(_), Some(map)) => self.maps.map(map),
            (Imm64::MapValue { off, .. } | Imm64::MapIdxValue { off, .. }, Some(map)) => {
                self.maps.value(map, off)
            }
            (Imm64::Func { off }, _) => match self.function(slot, off) {
                Ok(start) => Ok(Value {
                    bits: TEXT.wrapping_add(start as u64 * 8),
                    prov: Prov::function(start as u32),
                }),
                Err(why) => Err(why),
            },
            (Imm64::BtfId { .. }, _) => Err(TrapKind::Unsupported("kernel variable".into())),
            (_, None) => {
                Err(TrapKind::InvalidInstruction { why: "the plan names no map for it".into() })
            }
        };
        match loaded {
            Ok(value) => {
                self.program.constants.push(value);
                Code { dst, imm: self.program.constants.len() as u64 - 1, ..code(Opc::Constant) }
            }
            Err(why) => self.refuse(why),
        }
    }

    /// A jump has to stay in its function (`check_subprogs`) and to hit a first slot.
    fn jump(&mut self, slot: usize, off: i32, code: Code) -> Code {
        let target = relative(slot, off).ok_or("outside the program");
        match target.and_then(|target| self.program.jump_target(slot, target)) {
            Ok(index) => Code { aux: index as i32, ..code },
            Err(why) => {
                let target = slot as i64 + 1 + i64::from(off);
                self.wrong
                    .push((self.program.codes.len(), TrapKind::BadJumpTarget { target, why }));
                code
            }
        }
    }

    fn call(&mut self, slot: usize, off: i32) -> Code {
        match self.function(slot, off) {
            Ok(start) => Code { aux: self.program.code_of[start] as i32, ..code(Opc::CallLocal) },
            Err(why) => self.refuse(why),
        }
    }

    /// The slot of a function that is named relative to an instruction.
    fn function(&self, slot: usize, off: i32) -> Result<usize, TrapKind> {
        let start = relative(slot, off).filter(|&start| start < self.plan.insns.len());
        match start {
            Some(start) if self.program.code_of[start] != u32::MAX => Ok(start),
            _ => Err(TrapKind::BadJumpTarget {
                target: slot as i64 + 1 + i64::from(off),
                why: "no function starts there",
            }),
        }
    }
}

impl Program {
    /// The code of a jump's target, which has to lie in the jump's function.
    pub(crate) fn jump_target(&self, from: usize, target: usize) -> Result<u32, &'static str> {
        match (self.code_of.get(target), self.function_of.get(target)) {
            (None, _) | (_, None) => Err("outside the program"),
            (Some(&u32::MAX), _) => Err("the second half of a wide instruction"),
            (_, function) if function != self.function_of.get(from) => Err("in another function"),
            (Some(&code), _) => Ok(code),
        }
    }

    /// Whether a code stands for no instruction of its own.
    pub(crate) fn is_marker(&self, code: usize) -> bool {
        let op = self.codes.get(code).map(|code| code.op);
        matches!(op, None | Some(Opc::FellOff | Opc::BadTarget))
    }

    /// The code of a function that a register names.
    pub(crate) fn function_start(&self, slot: usize) -> Option<u32> {
        let start = slot == 0 || self.function_of.get(slot) != self.function_of.get(slot - 1);
        self.code_of.get(slot).copied().filter(|&code| start && code != u32::MAX)
    }
}

fn relative(slot: usize, off: i32) -> Option<usize> {
    usize::try_from(slot as i64 + 1 + i64::from(off)).ok()
}

fn code(op: Opc) -> Code {
    Code { imm: 0, aux: 0, op, dst: 0, src: 0 }
}

/// The number, from 0 on, of the argument beyond the fifth at an offset from r11.
fn argument(off: i16) -> i32 {
    i32::from(off).abs() / 8 - 1
}

fn with_operand(op: Opc, dst: Reg, src: Operand, aux: i32) -> Code {
    match src {
        Operand::Reg(src) => Code { imm: 0, aux, op, dst, src },
        Operand::Imm(imm) => {
            Code { imm: i64::from(imm) as u64, aux, op: op.immediate(), dst, src: 0 }
        }
    }
}

/// The register that an instruction writes as its destination, if it has one.
fn written_register(op: &Op) -> Option<Reg> {
    match *op {
        Op::Alu { dst, .. }
        | Op::MovSx { dst, .. }
        | Op::Neg { dst, .. }
        | Op::Endian { dst, .. }
        | Op::LdImm64 { dst, .. }
        | Op::Load { dst, .. }
        | Op::LoadAcquire { dst, .. } => Some(dst),
        Op::Atomic {
            op:
                AtomicOp::FetchAdd
                | AtomicOp::FetchOr
                | AtomicOp::FetchAnd
                | AtomicOp::FetchXor
                | AtomicOp::Xchg,
            src,
            ..
        } => Some(src),
        _ => None,
    }
}

macro_rules! by_width {
    ($width:expr, $wide:ident, $narrow:ident) => {
        if $width == Width::W64 { Opc::$wide } else { Opc::$narrow }
    };
}

fn alu(op: AluOp, width: Width) -> Opc {
    match op {
        AluOp::Add => by_width!(width, Add64R, Add32R),
        AluOp::Sub => by_width!(width, Sub64R, Sub32R),
        AluOp::Mul => by_width!(width, Mul64R, Mul32R),
        AluOp::Div => by_width!(width, Div64R, Div32R),
        AluOp::SDiv => by_width!(width, SDiv64R, SDiv32R),
        AluOp::Mod => by_width!(width, Mod64R, Mod32R),
        AluOp::SMod => by_width!(width, SMod64R, SMod32R),
        AluOp::Or => by_width!(width, Or64R, Or32R),
        AluOp::And => by_width!(width, And64R, And32R),
        AluOp::Xor => by_width!(width, Xor64R, Xor32R),
        AluOp::Lsh => by_width!(width, Lsh64R, Lsh32R),
        AluOp::Rsh => by_width!(width, Rsh64R, Rsh32R),
        AluOp::Arsh => by_width!(width, Arsh64R, Arsh32R),
        AluOp::Mov => by_width!(width, Mov64R, Mov32R),
    }
}

fn condition(cond: Cond, width: Width) -> Opc {
    match cond {
        Cond::Eq => by_width!(width, Jeq64R, Jeq32R),
        Cond::Ne => by_width!(width, Jne64R, Jne32R),
        Cond::Gt => by_width!(width, Jgt64R, Jgt32R),
        Cond::Ge => by_width!(width, Jge64R, Jge32R),
        Cond::Lt => by_width!(width, Jlt64R, Jlt32R),
        Cond::Le => by_width!(width, Jle64R, Jle32R),
        Cond::SGt => by_width!(width, Jsgt64R, Jsgt32R),
        Cond::SGe => by_width!(width, Jsge64R, Jsge32R),
        Cond::SLt => by_width!(width, Jslt64R, Jslt32R),
        Cond::SLe => by_width!(width, Jsle64R, Jsle32R),
        Cond::Set => by_width!(width, Jset64R, Jset32R),
    }
}
