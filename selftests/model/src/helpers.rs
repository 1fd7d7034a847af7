//! Helpers: those whose result depends on nothing but the program and its input, and clocks and
//! random numbers as far as their results do not matter.

use crate::arith::readable;
use crate::maps::{Maps, map_type};
use crate::memory::Memory;
use crate::state::State;
use crate::trap::TrapKind;
use crate::value::{Prov, Value, ValueKind};

/// `enum bpf_func_id` (`include/uapi/linux/bpf.h`).
pub(crate) const MAP_LOOKUP_ELEM: i32 = 1;
const MAP_UPDATE_ELEM: i32 = 2;
const MAP_DELETE_ELEM: i32 = 3;
const KTIME_GET_NS: i32 = 5;
const GET_PRANDOM_U32: i32 = 7;
const JIFFIES64: i32 = 118;
const TAIL_CALL: i32 = 12;
const SPIN_LOCK: i32 = 93;
const SPIN_UNLOCK: i32 = 94;
const LOOP: i32 = 181;

/// Most calls that `bpf_loop` makes (`BPF_MAX_LOOPS`, `include/linux/bpf.h`).
const MAX_LOOPS: u32 = 8 * 1024 * 1024;
const E2BIG: i64 = 7;
const EINVAL: i64 = 22;

/// What a helper does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    /// It returns a value.
    Returns(Value),
    /// It calls the function at a slot `count` times, at least once.
    Loop { slot: u32, count: u32, ctx: Value },
    /// It goes to the program with this number and does not come back.
    TailCall(usize),
}

/// Buffers that helpers reuse, so that a call does not allocate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Calls a helper with its arguments in r1 to r5.
pub(crate) fn call(
    id: i32,
    state: &mut State,
    memory: &mut Memory,
    maps: &mut Maps,
    scratch: &mut Scratch,
) -> Result<Effect, TrapKind> {
    if state.lock.is_some() && id != SPIN_UNLOCK && id != SPIN_LOCK {
        return Err(TrapKind::Lock { why: "is held while a helper is called" });
    }
    match id {
        TAIL_CALL => tail_call(state, maps),
        SPIN_LOCK | SPIN_UNLOCK => spin_lock(id, state, memory),
        LOOP => bpf_loop(&state.regs),
        _ => on_map(id, &state.regs, memory, maps, scratch).map(Effect::Returns),
    }
}

/// `bpf_map_lookup_elem(map, key)` in the common case: a map that the model knows, a key of four or
/// eight bytes that is a number. In any other, none: [`call()`] decides what it is.
#[inline]
pub(crate) fn look_up(state: &State, memory: &Memory, maps: &Maps) -> Option<Value> {
    let [_, handle, key, ..] = state.regs;
    if handle.kind() != ValueKind::Map || state.lock.is_some() {
        return None;
    }
    let map = maps.0.get(handle.prov.selector() as usize)?;
    let found = match map.key_size {
        4 => map.lookup(&(memory.number::<4>(key)? as u32).to_le_bytes()),
        8 => map.lookup(&memory.number::<8>(key)?.to_le_bytes()),
        _ => return None,
    };
    let found = found.ok()?;
    Some(found.map_or(Value::scalar(0), |(object, element)| memory.pointer(object, element)))
}

fn argument(helper: i32, reg: u8, why: impl Into<Box<str>>) -> TrapKind {
    TrapKind::HelperArgument { helper, reg, why: why.into() }
}

/// `bpf_loop(count, function, ctx, flags)`.
fn bpf_loop(regs: &[Value; 16]) -> Result<Effect, TrapKind> {
    for reg in 1..=4 {
        readable(reg, regs[usize::from(reg)])?;
    }
    if regs[1].prov.is_address() || regs[4].prov.is_address() {
        return Err(TrapKind::Unsupported("bpf_loop with a count or flags of an address".into()));
    }
    if regs[2].kind() != ValueKind::Function {
        return Err(argument(LOOP, 2, format!("is {}, expected a function", regs[2].kind())));
    }
    let count = regs[1].bits as u32;
    if regs[4].bits != 0 {
        return Ok(Effect::Returns(Value::scalar(-EINVAL as u64)));
    }
    if count > MAX_LOOPS {
        return Ok(Effect::Returns(Value::scalar(-E2BIG as u64)));
    }
    if count == 0 {
        return Ok(Effect::Returns(Value::scalar(0)));
    }
    Ok(Effect::Loop { slot: regs[2].prov.selector(), count, ctx: regs[3] })
}

/// `bpf_tail_call(ctx, map, index)`. Where it fails, r0 is nothing: the helper returns no value.
fn tail_call(state: &State, maps: &Maps) -> Result<Effect, TrapKind> {
    let [_, _, handle, index, ..] = state.regs;
    let may = state.may_tail_call().map_err(|why| argument(TAIL_CALL, 1, why))?;
    readable(3, index)?;
    let map = match handle.kind() {
        ValueKind::Map => maps.0.get(handle.prov.selector() as usize),
        found => {
            return Err(argument(TAIL_CALL, 2, format!("is {found}, expected a map")));
        }
    };
    let Some(map) = map.filter(|map| map.map_type == map_type::PROG_ARRAY) else {
        return Err(argument(TAIL_CALL, 2, "is no prog array"));
    };
    if index.prov.is_address() {
        return Err(TrapKind::Unsupported("tail call with an address as index".into()));
    }
    Ok(match map.programs.get(&(index.bits as u32)) {
        Some(&program) if may => Effect::TailCall(program),
        _ => Effect::Returns(Value::UNINIT),
    })
}

/// `bpf_spin_lock(lock)` and `bpf_spin_unlock(lock)`: `process_spin_lock()` of
/// `kernel/bpf/verifier.c`.
fn spin_lock(id: i32, state: &mut State, memory: &Memory) -> Result<Effect, TrapKind> {
    let lock = state.regs[1];
    readable(1, lock)?;
    if !memory.is_lock(lock) {
        return Err(argument(id, 1, "is not the address of the lock in a map's value"));
    }
    match (id, state.lock) {
        (SPIN_LOCK, None) => state.lock = Some(lock),
        (SPIN_LOCK, Some(_)) => {
            return Err(TrapKind::Lock { why: "is taken while one is held" });
        }
        (_, Some(held)) if held == lock => state.lock = None,
        _ => return Err(TrapKind::Lock { why: "is released but not held" }),
    }
    Ok(Effect::Returns(Value::UNINIT))
}

/// The helpers that give a number or an element of a map.
fn on_map(
    id: i32,
    regs: &[Value; 16],
    memory: &mut Memory,
    maps: &mut Maps,
    scratch: &mut Scratch,
) -> Result<Value, TrapKind> {
    match id {
        MAP_LOOKUP_ELEM | MAP_UPDATE_ELEM | MAP_DELETE_ELEM => {}
        // Programs may call them as long as nothing that is compared depends on the result.
        KTIME_GET_NS | GET_PRANDOM_U32 | JIFFIES64 => {
            return Ok(Value { bits: 0, prov: Prov::TAINTED });
        }
        _ => return Err(TrapKind::Unsupported(format!("helper {id}").into())),
    }
    let handle = regs[1];
    if handle.kind() != ValueKind::Map {
        return Err(argument(id, 1, format!("is {}, expected a map", handle.kind())));
    }
    let Some(map) = maps.0.get_mut(handle.prov.selector() as usize) else {
        return Err(argument(id, 1, "is no map of the plan"));
    };
    let mut address = read(id, 2, regs, memory, map.key_size, &mut scratch.key)?;
    let unsupported = || TrapKind::Unsupported("helper on a map of this type".into());
    let result = match id {
        MAP_LOOKUP_ELEM => {
            memory.leaked |= address;
            let found = map.lookup(&scratch.key).map_err(|()| unsupported())?;
            return Ok(
                found.map_or(Value::scalar(0), |(object, element)| memory.pointer(object, element))
            );
        }
        MAP_UPDATE_ELEM => {
            address |= read(id, 3, regs, memory, map.value_size, &mut scratch.value)?;
            if regs[4].kind() == ValueKind::Uninit {
                return Err(TrapKind::UninitRegister { reg: 4 });
            }
            address |= regs[4].prov.is_address();
            check_writable(map.writable)?;
            map.update(&scratch.key, &scratch.value, regs[4].bits, memory)
        }
        _ => {
            check_writable(map.writable)?;
            map.delete(&scratch.key)
        }
    };
    memory.leaked |= address;
    result.map(|value| Value::scalar(value as u64)).ok_or_else(unsupported)
}

/// `check_map_access_type()`: helpers that write need a map that programs may write.
fn check_writable(writable: bool) -> Result<(), TrapKind> {
    if writable { Ok(()) } else { Err(TrapKind::ReadOnly { object: "the map".into() }) }
}

/// Reads the memory that an argument points to; gives whether it holds bytes of an address.
fn read(
    helper: i32,
    reg: u8,
    regs: &[Value; 16],
    memory: &Memory,
    size: usize,
    out: &mut Vec<u8>,
) -> Result<bool, TrapKind> {
    let pointer = regs[usize::from(reg)];
    match pointer.kind() {
        ValueKind::Pointer => memory.read_bytes(pointer, size, out),
        ValueKind::Uninit => Err(TrapKind::UninitRegister { reg }),
        found => Err(argument(helper, reg, format!("is {found}, expected a pointer"))),
    }
}
