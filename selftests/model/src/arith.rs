//! Provenance through arithmetic and comparisons, for operands that are not plain scalars.
//!
//! The interpreter computes the bits; what is decided here is what they are. A pointer plus or
//! minus a number stays a pointer into its object. The difference of two pointers into one object
//! is a number. Everything else that is made from an address is a number that the kernel would not
//! give, and is marked as such; privileged programs may compute it.

use crate::code::Code;
use crate::trap::TrapKind;
use crate::value::{Prov, Value, ValueKind};

/// What matters of an operation with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arith {
    /// 64-bit addition.
    Add,
    /// 64-bit subtraction.
    Sub,
    /// Anything else.
    Other,
}

/// Provenance of `dst op src`. An immediate is a plain scalar.
#[cold]
#[inline(never)]
pub(crate) fn combine(op: Arith, code: Code, dst: Value, src: Value) -> Result<Prov, TrapKind> {
    readable(code.dst, dst)?;
    readable(code.src, src)?;
    Ok(match (op, dst.prov.is_pointer(), src.prov.is_pointer()) {
        (Arith::Add | Arith::Sub, true, false) if !is_opaque(src) => dst.prov,
        (Arith::Add, false, true) if !is_opaque(dst) => src.prov,
        (Arith::Sub, true, true) if dst.prov == src.prov => Prov::SCALAR,
        _ => Prov::TAINTED,
    })
}

/// Provenance of an operation with one operand other than the 64-bit move.
#[cold]
#[inline(never)]
pub(crate) fn convert(reg: u8, operand: Value) -> Result<Prov, TrapKind> {
    readable(reg, operand)?;
    Ok(Prov::TAINTED)
}

/// Checks the operands of a comparison. Gives whether its outcome may be another one in the kernel,
/// where objects lie elsewhere.
///
/// Comparing with 0 is no such case, nor are pointers into one object, nor is the equality of
/// pointers into different objects.
#[cold]
#[inline(never)]
pub(crate) fn compare(
    code: Code,
    equality: bool,
    dst: Value,
    src: Value,
) -> Result<bool, TrapKind> {
    readable(code.dst, dst)?;
    readable(code.src, src)?;
    if dst.kind() == ValueKind::Indeterminate || src.kind() == ValueKind::Indeterminate {
        return Ok(true);
    }
    if dst.prov == src.prov {
        return Ok(false);
    }
    let both = dst.prov.is_address() && src.prov.is_address();
    let null = |value: Value| value.prov == Prov::SCALAR && value.bits == 0;
    Ok(!(equality && (both || null(src) || null(dst))))
}

/// Maps, instructions and functions have addresses that arithmetic destroys.
fn is_opaque(value: Value) -> bool {
    matches!(value.kind(), ValueKind::Map | ValueKind::Instruction | ValueKind::Function)
}

#[inline]
pub(crate) fn readable(reg: u8, value: Value) -> Result<(), TrapKind> {
    if value.prov == Prov::UNINIT { Err(TrapKind::UninitRegister { reg }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Opc;

    const CODE: Code = Code { imm: 0, aux: 0, op: Opc::Add64R, dst: 1, src: 2 };

    fn pointer(object: u32) -> Value {
        Value { bits: 0x1000, prov: Prov::pointer(object, 0) }
    }

    #[test]
    fn pointer_arithmetic() {
        let number = Value::scalar(8);
        assert_eq!(combine(Arith::Add, CODE, pointer(1), number), Ok(pointer(1).prov));
        assert_eq!(combine(Arith::Add, CODE, number, pointer(1)), Ok(pointer(1).prov));
        assert_eq!(combine(Arith::Sub, CODE, pointer(1), number), Ok(pointer(1).prov));
        assert_eq!(combine(Arith::Sub, CODE, number, pointer(1)), Ok(Prov::TAINTED));
        assert_eq!(combine(Arith::Sub, CODE, pointer(1), pointer(1)), Ok(Prov::SCALAR));
        assert_eq!(combine(Arith::Sub, CODE, pointer(1), pointer(2)), Ok(Prov::TAINTED));
        assert_eq!(combine(Arith::Other, CODE, pointer(1), number), Ok(Prov::TAINTED));
        let target = Value { bits: 8, prov: Prov::insn(1) };
        assert_eq!(combine(Arith::Add, CODE, target, number), Ok(Prov::TAINTED));
    }

    #[test]
    fn uninitialised_operands_are_named() {
        let got = combine(Arith::Other, CODE, Value::scalar(1), Value::UNINIT);
        assert_eq!(got, Err(TrapKind::UninitRegister { reg: 2 }));
        let got = compare(CODE, true, Value::UNINIT, Value::scalar(1));
        assert_eq!(got, Err(TrapKind::UninitRegister { reg: 1 }));
    }

    #[test]
    fn comparisons_that_depend_on_addresses() {
        let zero = Value::scalar(0);
        assert_eq!(compare(CODE, true, pointer(1), zero), Ok(false));
        assert_eq!(compare(CODE, false, pointer(1), zero), Ok(true));
        assert_eq!(compare(CODE, false, pointer(1), pointer(1)), Ok(false));
        assert_eq!(compare(CODE, true, pointer(1), pointer(2)), Ok(false));
        assert_eq!(compare(CODE, false, pointer(1), pointer(2)), Ok(true));
        assert_eq!(compare(CODE, true, pointer(1), Value::scalar(5)), Ok(true));
    }
}
