//! The interpreter: one loop over pre-decoded instructions.
//!
//! The common case, plain scalars and memory accesses inside their object, is inline; whatever
//! else happens is decided in `#[cold]` functions. A step allocates nothing.

use crate::arith::{self, Arith};
use crate::code::{Code, Opc};
use crate::helpers::{self, Effect, MAP_LOOKUP_ELEM, Scratch};
use crate::lower::Program;
use crate::maps::Maps;
use crate::memory::Memory;
use crate::number::*;
use crate::state::{After, Callback, State};
use crate::trap::TrapKind;
use crate::value::{Prov, Value, ValueKind};
use crate::watch::Watch;
use crate::{atomic, packet};

/// What a run works on besides its state.
pub(crate) struct World<'a> {
    pub(crate) programs: &'a [Program],
    pub(crate) memory: &'a mut Memory,
    pub(crate) maps: &'a mut Maps,
    pub(crate) scratch: &'a mut Scratch,
}

/// Runs until the entry function returns; r0 is then in `state.regs[0]`.
///
/// `TRACE` says whether the watch sees each step.
pub(crate) fn run<const TRACE: bool, W: Watch>(
    mut world: World<'_>,
    state: &mut State,
    budget: u64,
    watch: &mut W,
) -> Result<(), TrapKind> {
    // The straight way from the start must not use up the budget either.
    let ample = world.programs.get(state.program).is_some_and(|p| p.codes.len() as u64 <= budget);
    if !TRACE && ample && step_through::<false, W>(&mut world, state, budget, watch)? {
        return Ok(());
    }
    step_through::<true, W>(&mut world, state, budget, watch).map(|_| ())
}

/// Runs from where the state is until the entry function returns. Gives whether it has.
///
/// If `EXACT`, the watch sees each step, and the budget is looked at before each. If not, it is
/// looked at where a jump is taken: as soon as the straight way from there could use it up, the run
/// stops in front of the jump's target, to be gone on with exactly.
fn step_through<const EXACT: bool, W: Watch>(
    world: &mut World<'_>,
    state: &mut State,
    budget: u64,
    watch: &mut W,
) -> Result<bool, TrapKind> {
    let World { programs, memory, maps, scratch } = world;
    let programs: &[Program] = programs;
    let mut program = of(programs, state.program)?;
    let mut codes = &program.codes[..];
    let mut pc = state.at;
    // Steps so far are `base + pc`, so that only what changes `pc` otherwise has to count.
    let mut base = state.steps.wrapping_sub(pc as u64);
    // Steps after which a whole program more may be too much.
    let mut limit = budget.saturating_sub(codes.len() as u64);

    macro_rules! trap {
        ($kind:expr) => {{
            let kind = $kind;
            state.at = pc - 1;
            state.steps = base.wrapping_add(pc as u64).saturating_sub(1);
            return Err(kind);
        }};
    }
    // Goes on at another code than the next.
    macro_rules! jump_to {
        ($target:expr) => {{
            let target: usize = $target;
            let steps = base.wrapping_add(pc as u64);
            base = steps.wrapping_sub(target as u64);
            pc = target;
            if !EXACT && steps >= limit {
                state.at = pc;
                state.steps = steps;
                return Ok(false);
            }
        }};
    }
    macro_rules! check {
        ($result:expr) => {
            match $result {
                Ok(value) => value,
                Err(kind) => trap!(kind),
            }
        };
    }
    // Goes on where another function is to start or to go on.
    macro_rules! go_on {
        ($after:expr) => {
            match $after {
                After::Finished => break,
                After::Code(number, target) => {
                    if number != state.program || memory.program != number {
                        program = check!(of(programs, number));
                        codes = &program.codes[..];
                        limit = budget.saturating_sub(codes.len() as u64);
                        state.program = number;
                        memory.program = number;
                    }
                    jump_to!(target);
                }
            }
        };
    }
    macro_rules! dst {
        ($code:ident) => {
            state.regs[usize::from($code.dst & 15)]
        };
    }
    macro_rules! src {
        ($code:ident) => {
            state.regs[usize::from($code.src & 15)]
        };
    }
    // dst = f(dst, operand) where one of them is no plain scalar.
    macro_rules! alu_slow {
        ($code:ident, $operand:expr, $kind:ident, $f:ident) => {{
            let (d, s): (Value, Value) = (dst!($code), $operand);
            let prov = check!(arith::combine(Arith::$kind, *$code, d, s));
            dst!($code) = Value { bits: $f(d.bits, s.bits), prov };
        }};
    }
    // dst = f(dst, src); `$kind` says what that means for pointers.
    macro_rules! alu_r {
        ($code:ident, $kind:ident, $f:expr) => {{
            let s: Value = src!($code);
            let f: fn(u64, u64) -> u64 = $f;
            let d: &mut Value = &mut dst!($code);
            // A pointer that a number is added to stays what it is.
            let moves = matches!(Arith::$kind, Arith::Add | Arith::Sub)
                && s.prov == Prov::SCALAR
                && d.prov.is_pointer();
            if d.prov.0 | s.prov.0 == 0 || moves {
                d.bits = f(d.bits, s.bits);
            } else {
                alu_slow!($code, s, $kind, f);
            }
        }};
    }
    // dst = f(dst, imm)
    macro_rules! alu_i {
        ($code:ident, $kind:ident, $f:expr) => {{
            let f: fn(u64, u64) -> u64 = $f;
            let d: &mut Value = &mut dst!($code);
            let plain = match Arith::$kind {
                Arith::Add | Arith::Sub => d.prov.can_move(),
                Arith::Other => d.prov == Prov::SCALAR,
            };
            if plain {
                d.bits = f(d.bits, $code.imm);
            } else {
                alu_slow!($code, Value::scalar($code.imm), $kind, f);
            }
        }};
    }
    // dst = f(operand)
    macro_rules! convert {
        ($code:ident, $reg:ident, $f:expr) => {{
            let operand: Value = state.regs[usize::from($code.$reg & 15)];
            let f: fn(u64, u64) -> u64 = $f;
            let prov = if operand.prov == Prov::SCALAR {
                Prov::SCALAR
            } else {
                check!(arith::convert($code.$reg, operand))
            };
            dst!($code) = Value { bits: f(operand.bits, $code.imm), prov };
        }};
    }
    macro_rules! jump {
        ($code:ident, $operand:expr, $equality:expr, $f:expr) => {{
            let (d, s): (Value, Value) = (dst!($code), $operand);
            let f: fn(u64, u64) -> bool = $f;
            if d.prov.0 | s.prov.0 != 0 {
                // Whether a pointer is null is the same everywhere.
                let null =
                    $equality && d.prov.is_pointer() && s.prov == Prov::SCALAR && s.bits == 0;
                if !null {
                    state.leaked |= check!(arith::compare(*$code, $equality, d, s));
                }
            }
            if f(d.bits, s.bits) {
                jump_to!($code.aux as usize);
            }
        }};
    }
    macro_rules! jump_r {
        ($code:ident, $equality:expr, $f:expr) => {
            jump!($code, src!($code), $equality, $f)
        };
    }
    macro_rules! jump_i {
        ($code:ident, $equality:expr, $f:expr) => {
            jump!($code, Value::scalar($code.imm), $equality, $f)
        };
    }
    macro_rules! load {
        ($code:ident, $size:literal, $f:expr) => {{
            let base = src!($code);
            let off = i64::from($code.aux);
            let value = match memory.load_simply::<$size>(base, off) {
                Some(value) => value,
                None => match memory.load_special(base, off, $size) {
                    Ok(value) => value,
                    Err(kind) => trap!(blame($code.src, kind)),
                },
            };
            let f: fn(u64) -> u64 = $f;
            dst!($code) = Value { bits: f(value.bits), ..value };
        }};
    }
    macro_rules! store {
        ($code:ident, $size:literal, $value:expr) => {{
            let value: Value = $value;
            if value.prov == Prov::UNINIT {
                trap!(TrapKind::UninitRegister { reg: $code.src });
            }
            let (base, off): (Value, i64) = (dst!($code), i64::from($code.aux));
            if !memory.store_simply::<$size>(base, off, value)
                && let Err(kind) = memory.store_special(base, off, $size, value)
            {
                trap!(blame($code.dst, kind));
            }
        }};
    }
    macro_rules! store_r {
        ($code:ident, $size:literal) => {
            store!($code, $size, src!($code))
        };
    }
    macro_rules! store_i {
        ($code:ident, $size:literal) => {
            store!($code, $size, Value::scalar($code.imm))
        };
    }

    loop {
        let Some(code) = codes.get(pc) else {
            // Not reached: FellOff and BadTarget stand at the end.
            state.at = codes.len().saturating_sub(1);
            state.steps = base.wrapping_add(pc as u64);
            return Err(TrapKind::FellOff);
        };
        if EXACT {
            watch.step(program, pc, state, memory);
        }
        pc += 1;
        if EXACT && base.wrapping_add(pc as u64) > budget {
            trap!(TrapKind::Budget { budget });
        }
        match code.op {
            // RFC 9669 section 4.1, ___bpf_prog_run() in kernel/bpf/core.c.
            Opc::Add64R => alu_r!(code, Add, u64::wrapping_add),
            Opc::Add64I => alu_i!(code, Add, u64::wrapping_add),
            Opc::Sub64R => alu_r!(code, Sub, u64::wrapping_sub),
            Opc::Sub64I => alu_i!(code, Sub, u64::wrapping_sub),
            Opc::Mul64R => alu_r!(code, Other, u64::wrapping_mul),
            Opc::Mul64I => alu_i!(code, Other, u64::wrapping_mul),
            Opc::Div64R => alu_r!(code, Other, div64),
            Opc::Div64I => alu_i!(code, Other, div64),
            Opc::SDiv64R => alu_r!(code, Other, sdiv64),
            Opc::SDiv64I => alu_i!(code, Other, sdiv64),
            Opc::Mod64R => alu_r!(code, Other, mod64),
            Opc::Mod64I => alu_i!(code, Other, mod64),
            Opc::SMod64R => alu_r!(code, Other, smod64),
            Opc::SMod64I => alu_i!(code, Other, smod64),
            Opc::Or64R => alu_r!(code, Other, |a, b| a | b),
            Opc::Or64I => alu_i!(code, Other, |a, b| a | b),
            Opc::And64R => alu_r!(code, Other, |a, b| a & b),
            Opc::And64I => alu_i!(code, Other, |a, b| a & b),
            Opc::Xor64R => alu_r!(code, Other, |a, b| a ^ b),
            Opc::Xor64I => alu_i!(code, Other, |a, b| a ^ b),
            Opc::Lsh64R => alu_r!(code, Other, |a, b| a.wrapping_shl(b as u32)),
            Opc::Lsh64I => alu_i!(code, Other, |a, b| a.wrapping_shl(b as u32)),
            Opc::Rsh64R => alu_r!(code, Other, |a, b| a.wrapping_shr(b as u32)),
            Opc::Rsh64I => alu_i!(code, Other, |a, b| a.wrapping_shr(b as u32)),
            Opc::Arsh64R => alu_r!(code, Other, |a, b| (a as i64).wrapping_shr(b as u32) as u64),
            Opc::Arsh64I => alu_i!(code, Other, |a, b| (a as i64).wrapping_shr(b as u32) as u64),
            Opc::Mov64R => {
                let value = src!(code);
                check!(arith::readable(code.src, value));
                dst!(code) = value;
            }
            Opc::Mov64I => dst!(code) = Value::scalar(code.imm),
            Opc::Add32R => alu_r!(code, Other, |a, b| low(a).wrapping_add(low(b)).into()),
            Opc::Add32I => alu_i!(code, Other, |a, b| low(a).wrapping_add(low(b)).into()),
            Opc::Sub32R => alu_r!(code, Other, |a, b| low(a).wrapping_sub(low(b)).into()),
            Opc::Sub32I => alu_i!(code, Other, |a, b| low(a).wrapping_sub(low(b)).into()),
            Opc::Mul32R => alu_r!(code, Other, |a, b| low(a).wrapping_mul(low(b)).into()),
            Opc::Mul32I => alu_i!(code, Other, |a, b| low(a).wrapping_mul(low(b)).into()),
            Opc::Div32R => alu_r!(code, Other, div32),
            Opc::Div32I => alu_i!(code, Other, div32),
            Opc::SDiv32R => alu_r!(code, Other, sdiv32),
            Opc::SDiv32I => alu_i!(code, Other, sdiv32),
            Opc::Mod32R => alu_r!(code, Other, mod32),
            Opc::Mod32I => alu_i!(code, Other, mod32),
            Opc::SMod32R => alu_r!(code, Other, smod32),
            Opc::SMod32I => alu_i!(code, Other, smod32),
            Opc::Or32R => alu_r!(code, Other, |a, b| (low(a) | low(b)).into()),
            Opc::Or32I => alu_i!(code, Other, |a, b| (low(a) | low(b)).into()),
            Opc::And32R => alu_r!(code, Other, |a, b| (low(a) & low(b)).into()),
            Opc::And32I => alu_i!(code, Other, |a, b| (low(a) & low(b)).into()),
            Opc::Xor32R => alu_r!(code, Other, |a, b| (low(a) ^ low(b)).into()),
            Opc::Xor32I => alu_i!(code, Other, |a, b| (low(a) ^ low(b)).into()),
            Opc::Lsh32R => alu_r!(code, Other, |a, b| low(a).wrapping_shl(low(b)).into()),
            Opc::Lsh32I => alu_i!(code, Other, |a, b| low(a).wrapping_shl(low(b)).into()),
            Opc::Rsh32R => alu_r!(code, Other, |a, b| low(a).wrapping_shr(low(b)).into()),
            Opc::Rsh32I => alu_i!(code, Other, |a, b| low(a).wrapping_shr(low(b)).into()),
            Opc::Arsh32R => alu_r!(code, Other, arsh32),
            Opc::Arsh32I => alu_i!(code, Other, arsh32),
            Opc::Mov32R => convert!(code, src, |a, _| low(a).into()),
            Opc::Mov32I => dst!(code) = Value::scalar(low(code.imm).into()),
            Opc::MovSx8To64 => convert!(code, src, |a, _| i64::from(a as i8) as u64),
            Opc::MovSx16To64 => convert!(code, src, |a, _| i64::from(a as i16) as u64),
            Opc::MovSx32To64 => convert!(code, src, |a, _| i64::from(a as i32) as u64),
            Opc::MovSx8To32 => convert!(code, src, |a, _| (i32::from(a as i8) as u32).into()),
            Opc::MovSx16To32 => convert!(code, src, |a, _| (i32::from(a as i16) as u32).into()),
            Opc::Neg64 => convert!(code, dst, |a, _| a.wrapping_neg()),
            Opc::Neg32 => convert!(code, dst, |a, _| low(a).wrapping_neg().into()),
            // RFC 9669 section 4.2.
            Opc::Truncate => convert!(code, dst, truncate),
            Opc::Swap => convert!(code, dst, swap),
            // RFC 9669 section 5.4.
            Opc::Constant => match program.constants.get(code.imm as usize) {
                Some(&value) => dst!(code) = value,
                None => trap!(TrapKind::Unsupported("constant".into())),
            },
            // check_stack_arg_write() and check_stack_arg_read() in kernel/bpf/verifier.c.
            Opc::PassR => {
                let value = src!(code);
                check!(arith::readable(code.src, value));
                check!(state.pass(code.aux as usize, value));
            }
            Opc::PassI => check!(state.pass(code.aux as usize, Value::scalar(code.imm))),
            Opc::LoadPassed => dst!(code) = state.passed(code.imm as usize),
            // RFC 9669 sections 5.1 and 5.2.
            Opc::Load8 => load!(code, 1, |a| a),
            Opc::Load16 => load!(code, 2, |a| a),
            Opc::Load32 => load!(code, 4, |a| a),
            Opc::Load64 => load!(code, 8, |a| a),
            Opc::LoadS8 => load!(code, 1, |a| i64::from(a as i8) as u64),
            Opc::LoadS16 => load!(code, 2, |a| i64::from(a as i16) as u64),
            Opc::LoadS32 => load!(code, 4, |a| i64::from(a as i32) as u64),
            Opc::Store8R => store_r!(code, 1),
            Opc::Store8I => store_i!(code, 1),
            Opc::Store16R => store_r!(code, 2),
            Opc::Store16I => store_i!(code, 2),
            Opc::Store32R => store_r!(code, 4),
            Opc::Store32I => store_i!(code, 4),
            Opc::Store64R => store_r!(code, 8),
            Opc::Store64I => store_i!(code, 8),
            // RFC 9669 section 5.3.
            Opc::Atomic => match program.atomics.get(code.imm as usize) {
                Some(&(op, size)) => {
                    check!(atomic::modify(op, size, *code, &mut state.regs, memory))
                }
                None => trap!(TrapKind::Unsupported("atomic operation".into())),
            },
            Opc::LoadAcquire => check!(atomic::load_acquire(*code, &mut state.regs, memory)),
            Opc::StoreRelease => check!(atomic::store_release(*code, &state.regs, memory)),
            // RFC 9669 section 5.5; bpf_gen_ld_abs() in net/core/filter.c: a failure returns 0
            // from the function that it happens in.
            Opc::PacketAbs | Opc::PacketInd => {
                let loaded = check!(packet::load(*code, &state.regs, memory));
                state.clobber();
                state.regs[0] = Value::scalar(loaded.unwrap_or(0));
                if loaded.is_none() {
                    check!(state.check_stack(memory));
                    go_on!(check!(state.end_function(memory)));
                }
            }
            // RFC 9669 section 4.3.
            Opc::Jump => jump_to!(code.aux as usize),
            Opc::Jeq64R => jump_r!(code, true, |a, b| a == b),
            Opc::Jeq64I => jump_i!(code, true, |a, b| a == b),
            Opc::Jne64R => jump_r!(code, true, |a, b| a != b),
            Opc::Jne64I => jump_i!(code, true, |a, b| a != b),
            Opc::Jgt64R => jump_r!(code, false, |a, b| a > b),
            Opc::Jgt64I => jump_i!(code, false, |a, b| a > b),
            Opc::Jge64R => jump_r!(code, false, |a, b| a >= b),
            Opc::Jge64I => jump_i!(code, false, |a, b| a >= b),
            Opc::Jlt64R => jump_r!(code, false, |a, b| a < b),
            Opc::Jlt64I => jump_i!(code, false, |a, b| a < b),
            Opc::Jle64R => jump_r!(code, false, |a, b| a <= b),
            Opc::Jle64I => jump_i!(code, false, |a, b| a <= b),
            Opc::Jsgt64R => jump_r!(code, false, |a, b| a as i64 > b as i64),
            Opc::Jsgt64I => jump_i!(code, false, |a, b| a as i64 > b as i64),
            Opc::Jsge64R => jump_r!(code, false, |a, b| a as i64 >= b as i64),
            Opc::Jsge64I => jump_i!(code, false, |a, b| a as i64 >= b as i64),
            Opc::Jslt64R => jump_r!(code, false, |a, b| (a as i64) < b as i64),
            Opc::Jslt64I => jump_i!(code, false, |a, b| (a as i64) < b as i64),
            Opc::Jsle64R => jump_r!(code, false, |a, b| a as i64 <= b as i64),
            Opc::Jsle64I => jump_i!(code, false, |a, b| a as i64 <= b as i64),
            Opc::Jset64R => jump_r!(code, false, |a, b| a & b != 0),
            Opc::Jset64I => jump_i!(code, false, |a, b| a & b != 0),
            Opc::Jeq32R => jump_r!(code, false, |a, b| low(a) == low(b)),
            Opc::Jeq32I => jump_i!(code, false, |a, b| low(a) == low(b)),
            Opc::Jne32R => jump_r!(code, false, |a, b| low(a) != low(b)),
            Opc::Jne32I => jump_i!(code, false, |a, b| low(a) != low(b)),
            Opc::Jgt32R => jump_r!(code, false, |a, b| low(a) > low(b)),
            Opc::Jgt32I => jump_i!(code, false, |a, b| low(a) > low(b)),
            Opc::Jge32R => jump_r!(code, false, |a, b| low(a) >= low(b)),
            Opc::Jge32I => jump_i!(code, false, |a, b| low(a) >= low(b)),
            Opc::Jlt32R => jump_r!(code, false, |a, b| low(a) < low(b)),
            Opc::Jlt32I => jump_i!(code, false, |a, b| low(a) < low(b)),
            Opc::Jle32R => jump_r!(code, false, |a, b| low(a) <= low(b)),
            Opc::Jle32I => jump_i!(code, false, |a, b| low(a) <= low(b)),
            Opc::Jsgt32R => jump_r!(code, false, |a, b| a as i32 > b as i32),
            Opc::Jsgt32I => jump_i!(code, false, |a, b| a as i32 > b as i32),
            Opc::Jsge32R => jump_r!(code, false, |a, b| a as i32 >= b as i32),
            Opc::Jsge32I => jump_i!(code, false, |a, b| a as i32 >= b as i32),
            Opc::Jslt32R => jump_r!(code, false, |a, b| (a as i32) < b as i32),
            Opc::Jslt32I => jump_i!(code, false, |a, b| (a as i32) < b as i32),
            Opc::Jsle32R => jump_r!(code, false, |a, b| a as i32 <= b as i32),
            Opc::Jsle32I => jump_i!(code, false, |a, b| a as i32 <= b as i32),
            Opc::Jset32R => jump_r!(code, false, |a, b| low(a) & low(b) != 0),
            Opc::Jset32I => jump_i!(code, false, |a, b| low(a) & low(b) != 0),
            // bpf_do_misc_fixups() in kernel/bpf/fixups.c: one counter for each call of a function.
            Opc::MayGoto => {
                let left = &mut state.frames[state.depth].may_goto;
                match left.checked_sub(1) {
                    Some(fewer) => *left = fewer,
                    None => {
                        state.may_goto_spent = true;
                        jump_to!(code.aux as usize);
                    }
                }
            }
            // check_indirect_jump() in kernel/bpf/verifier.c.
            Opc::Gotox => {
                let target = check!(gotox(program, *code, pc - 1, dst!(code)));
                jump_to!(target);
            }
            Opc::CallLocal => {
                check!(state.enter(pc, memory));
                jump_to!(code.aux as usize);
            }
            Opc::Callx => {
                let target = check!(callx(program, *code, dst!(code)));
                check!(state.enter(pc, memory));
                jump_to!(target);
            }
            Opc::CallHelper => {
                let id = code.imm as i32;
                if id == MAP_LOOKUP_ELEM
                    && let Some(found) = helpers::look_up(state, memory, maps)
                {
                    state.regs[0] = found;
                    state.clobber();
                    continue;
                }
                match check!(helpers::call(id, state, memory, maps, scratch)) {
                    Effect::Returns(value) => {
                        state.regs[0] = value;
                        state.clobber();
                    }
                    Effect::Loop { slot, count, ctx } => {
                        let start = check!(function_start(program, slot));
                        let callback = Callback { start, count, ctx, index: 0 };
                        check!(state.enter_callback(pc, callback, memory));
                        jump_to!(start);
                    }
                    Effect::TailCall(number) => {
                        check!(state.check_stack(memory));
                        state.tail_call(number, memory);
                        go_on!(After::Code(number, 0));
                    }
                }
            }
            Opc::Exit => {
                check!(state.check_stack(memory));
                match state.return_to_caller(memory) {
                    // The common case: the caller is of the same program.
                    Some((number, target)) if number == memory.program => jump_to!(target),
                    Some((number, target)) => go_on!(After::Code(number, target)),
                    None => go_on!(check!(state.end_function(memory))),
                }
            }
            Opc::Refused => trap!(refusal(program, *code)),
            Opc::BadTarget => {
                base = base.wrapping_sub(1);
                trap!(bad_target(program, *code))
            }
            Opc::FellOff => {
                base = base.wrapping_sub(1);
                trap!(TrapKind::FellOff)
            }
        }
    }
    if EXACT {
        watch.end(state);
    }
    state.steps = base.wrapping_add(pc as u64);
    Ok(true)
}

/// An access through an unwritten register is blamed on the register.
#[cold]
pub(crate) fn blame(reg: u8, kind: TrapKind) -> TrapKind {
    match kind {
        TrapKind::NotAPointer { found: ValueKind::Uninit } => TrapKind::UninitRegister { reg },
        other => other,
    }
}

/// The code that `gotox` goes to.
fn gotox(program: &Program, code: Code, at: usize, target: Value) -> Result<usize, TrapKind> {
    arith::readable(code.dst, target)?;
    if target.kind() != ValueKind::Instruction {
        return Err(TrapKind::NotInstructionAddress { reg: code.dst, found: target.kind() });
    }
    let slot = target.prov.selector();
    if let Some(&index) = program.code_of.get(slot as usize)
        && index != u32::MAX
        && program.function_of.get(slot as usize).is_some_and(|&f| u64::from(f) == code.imm)
    {
        return Ok(index as usize);
    }
    let from = program.slot_of.get(at).copied().unwrap_or_default() as usize;
    program
        .jump_target(from, slot as usize)
        .map(|index| index as usize)
        .map_err(|why| TrapKind::BadJumpTarget { target: i64::from(slot), why })
}

/// The code that `callx` goes to.
fn callx(program: &Program, code: Code, target: Value) -> Result<usize, TrapKind> {
    arith::readable(code.dst, target)?;
    if target.kind() != ValueKind::Function {
        return Err(TrapKind::NotFunctionAddress { reg: code.dst, found: target.kind() });
    }
    function_start(program, target.prov.selector())
}

/// The code of the function that starts at a slot.
fn function_start(program: &Program, slot: u32) -> Result<usize, TrapKind> {
    program
        .function_start(slot as usize)
        .map(|index| index as usize)
        .ok_or(TrapKind::BadJumpTarget { target: i64::from(slot), why: "no function starts there" })
}

/// The program with a number.
fn of(programs: &[Program], number: usize) -> Result<&Program, TrapKind> {
    programs
        .get(number)
        .ok_or_else(|| TrapKind::Unsupported(format!("there is no program {number}").into()))
}

#[cold]
fn refusal(program: &Program, code: Code) -> TrapKind {
    let unknown = || TrapKind::Unsupported("instruction".into());
    program.refusals.get(code.imm as usize).cloned().unwrap_or_else(unknown)
}

#[cold]
fn bad_target(program: &Program, code: Code) -> TrapKind {
    let unknown = || TrapKind::Unsupported("jump".into());
    program.bad_targets.get(code.imm as usize).cloned().unwrap_or_else(unknown)
}
