//! Arithmetic on bits where Rust's operators differ from BPF's: RFC 9669 sections 4.1 and 4.2.
//!
//! All functions take and give 64 bits; the 32-bit forms use the low halves and clear the high
//! half of the result.

/// The low 32 bits.
#[inline(always)]
pub(crate) const fn low(value: u64) -> u32 {
    value as u32
}

/// Division; by zero gives 0.
pub(crate) fn div64(a: u64, b: u64) -> u64 {
    a.checked_div(b).unwrap_or(0)
}

/// Remainder; by zero gives the dividend.
pub(crate) fn mod64(a: u64, b: u64) -> u64 {
    a.checked_rem(b).unwrap_or(a)
}

/// Signed division; by zero gives 0, the smallest number by -1 itself.
pub(crate) fn sdiv64(a: u64, b: u64) -> u64 {
    if b == 0 { 0 } else { (a as i64).wrapping_div(b as i64) as u64 }
}

/// Signed remainder with the sign of the dividend; by zero gives the dividend.
pub(crate) fn smod64(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 }
}

/// Division of 32 bits; by zero gives 0.
pub(crate) fn div32(a: u64, b: u64) -> u64 {
    low(a).checked_div(low(b)).unwrap_or(0).into()
}

/// Remainder of 32 bits; by zero gives the low half of the dividend.
pub(crate) fn mod32(a: u64, b: u64) -> u64 {
    low(a).checked_rem(low(b)).unwrap_or(low(a)).into()
}

/// Signed division of 32 bits; by zero gives 0, the smallest number by -1 itself.
pub(crate) fn sdiv32(a: u64, b: u64) -> u64 {
    if low(b) == 0 { 0 } else { ((a as i32).wrapping_div(b as i32) as u32).into() }
}

/// Signed remainder of 32 bits; by zero gives the low half of the dividend.
pub(crate) fn smod32(a: u64, b: u64) -> u64 {
    if low(b) == 0 { low(a).into() } else { ((a as i32).wrapping_rem(b as i32) as u32).into() }
}

/// Arithmetic right shift of 32 bits.
pub(crate) fn arsh32(a: u64, b: u64) -> u64 {
    ((a as i32).wrapping_shr(low(b)) as u32).into()
}

/// The low 16, 32 or 64 bits.
pub(crate) fn truncate(a: u64, bits: u64) -> u64 {
    match bits {
        16 => u64::from(a as u16),
        32 => u64::from(a as u32),
        _ => a,
    }
}

/// The low 16, 32 or 64 bits with their bytes swapped.
pub(crate) fn swap(a: u64, bits: u64) -> u64 {
    match bits {
        16 => u64::from((a as u16).swap_bytes()),
        32 => u64::from((a as u32).swap_bytes()),
        _ => a.swap_bytes(),
    }
}
