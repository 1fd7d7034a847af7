//! Values and their memory.

pub use crate::intrinsics::transmute;
use crate::{intrinsics, ptr};

/// Size of a type in bytes.
#[inline(always)]
pub const fn size_of<T>() -> usize {
    const { intrinsics::size_of::<T>() }
}

/// Replaces a value and returns the old one.
#[inline(always)]
pub fn replace<T>(place: &mut T, value: T) -> T {
    // SAFETY: a reference is valid for reads and writes, and what was read is not dropped there.
    unsafe {
        let old = ptr::read(place);
        ptr::write(place, value);
        old
    }
}

/// Swaps two values.
#[inline(always)]
pub fn swap<T>(a: &mut T, b: &mut T) {
    // SAFETY: as in `replace`; the references do not overlap.
    unsafe {
        let old = ptr::read(a);
        ptr::write(a, ptr::read(b));
        ptr::write(b, old);
    }
}
