//! Helpers: those whose result depends on nothing but the program and its input, and clocks and
//! random numbers as far as their results do not matter.

use crate::maps::Maps;
use crate::memory::Memory;
use crate::trap::TrapKind;
use crate::value::{Prov, Value, ValueKind};

/// `enum bpf_func_id` (`include/uapi/linux/bpf.h`).
const MAP_LOOKUP_ELEM: i32 = 1;
const MAP_UPDATE_ELEM: i32 = 2;
const MAP_DELETE_ELEM: i32 = 3;
const KTIME_GET_NS: i32 = 5;
const GET_PRANDOM_U32: i32 = 7;
const JIFFIES64: i32 = 118;

/// Buffers that helpers reuse, so that a call does not allocate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Calls a helper with r1 to r5 from `regs`; gives r0.
pub(crate) fn call(
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
    let argument =
        |reg: u8, why: &str| TrapKind::HelperArgument { helper: id, reg, why: why.into() };
    let handle = regs[1];
    if handle.kind() != ValueKind::Map {
        return Err(argument(1, &format!("is {}, expected a map", handle.kind())));
    }
    let Some(map) = maps.0.get_mut(handle.prov.selector() as usize) else {
        return Err(argument(1, "is no map of the plan"));
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
        found => {
            let why = format!("is {found}, expected a pointer").into();
            Err(TrapKind::HelperArgument { helper, reg, why })
        }
    }
}
