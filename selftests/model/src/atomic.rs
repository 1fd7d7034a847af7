//! Atomic operations: RFC 9669 section 5.3, and load-acquire and store-release of the kernel.
//!
//! The model has one thread, so they differ from plain accesses only in what they demand:
//! alignment, always (`check_atomic_rmw` in `kernel/bpf/verifier.c`).

use bpf_isa::{AtomicOp, Size};

use crate::arith::readable;
use crate::code::Code;
use crate::exec::blame;
use crate::memory::Memory;
use crate::trap::TrapKind;
use crate::value::{Prov, Value};

/// Read-modify-write of 4 or 8 bytes.
pub(crate) fn modify(
    op: AtomicOp,
    size: Size,
    code: Code,
    regs: &mut [Value; 16],
    memory: &mut Memory,
) -> Result<(), TrapKind> {
    let base = regs[usize::from(code.dst)];
    let src = regs[usize::from(code.src)];
    let off = i64::from(code.aux);
    readable(code.src, src)?;
    if op == AtomicOp::Cmpxchg {
        readable(0, regs[0])?;
    }
    aligned(base, off, size.bytes())?;
    let wide = size == Size::Dw;
    let old = load(memory, base, off, size.bytes()).map_err(|kind| blame(code.dst, kind))?;
    let cut = |bits: u64| if wide { bits } else { u64::from(bits as u32) };
    let bits = match op {
        AtomicOp::Add | AtomicOp::FetchAdd => old.bits.wrapping_add(src.bits),
        AtomicOp::Or | AtomicOp::FetchOr => old.bits | src.bits,
        AtomicOp::And | AtomicOp::FetchAnd => old.bits & src.bits,
        AtomicOp::Xor | AtomicOp::FetchXor => old.bits ^ src.bits,
        AtomicOp::Xchg => src.bits,
        AtomicOp::Cmpxchg if old.bits == cut(regs[0].bits) => src.bits,
        AtomicOp::Cmpxchg => old.bits,
    };
    // The verifier takes both what is in memory and what is fetched for plain numbers, so a
    // pointer that passes through is one no more.
    let mut address = old.prov.is_address() || src.prov.is_address();
    if op == AtomicOp::Cmpxchg {
        address |= regs[0].prov.is_address();
    }
    let prov = |address: bool| if address { Prov::TAINTED } else { Prov::SCALAR };
    let new = Value { bits: cut(bits), prov: prov(address) };
    store(memory, base, off, size.bytes(), new).map_err(|kind| blame(code.dst, kind))?;
    let old = Value { bits: old.bits, prov: prov(old.prov.is_address()) };
    match op {
        AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => {}
        AtomicOp::Cmpxchg => regs[0] = old,
        _ => regs[usize::from(code.src)] = old,
    }
    Ok(())
}

/// `dst = load_acquire((size *)(src + off))`.
pub(crate) fn load_acquire(
    code: Code,
    regs: &mut [Value; 16],
    memory: &Memory,
) -> Result<(), TrapKind> {
    let (base, off, size) = (regs[usize::from(code.src)], i64::from(code.aux), code.imm as usize);
    aligned(base, off, size)?;
    let value = load(memory, base, off, size).map_err(|kind| blame(code.src, kind))?;
    regs[usize::from(code.dst)] = value;
    Ok(())
}

/// `store_release((size *)(dst + off), src)`.
pub(crate) fn store_release(
    code: Code,
    regs: &[Value; 16],
    memory: &mut Memory,
) -> Result<(), TrapKind> {
    let (base, off, size) = (regs[usize::from(code.dst)], i64::from(code.aux), code.imm as usize);
    let value = regs[usize::from(code.src)];
    readable(code.src, value)?;
    aligned(base, off, size)?;
    store(memory, base, off, size, value).map_err(|kind| blame(code.dst, kind))
}

fn aligned(base: Value, off: i64, size: usize) -> Result<(), TrapKind> {
    let address = base.bits.wrapping_add(off as u64);
    if base.prov.is_pointer() && !address.is_multiple_of(size as u64) {
        return Err(TrapKind::Misaligned { address, size: size as u64 });
    }
    Ok(())
}

fn load(memory: &Memory, base: Value, off: i64, size: usize) -> Result<Value, TrapKind> {
    match size {
        1 => memory.load::<1>(base, off),
        2 => memory.load::<2>(base, off),
        4 => memory.load::<4>(base, off),
        _ => memory.load::<8>(base, off),
    }
}

fn store(
    memory: &mut Memory,
    base: Value,
    off: i64,
    size: usize,
    value: Value,
) -> Result<(), TrapKind> {
    match size {
        1 => memory.store::<1>(base, off, value),
        2 => memory.store::<2>(base, off, value),
        4 => memory.store::<4>(base, off, value),
        _ => memory.store::<8>(base, off, value),
    }
}
