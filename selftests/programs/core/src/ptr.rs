//! Raw pointers.

use crate::intrinsics;
use crate::marker::PointeeSized;

/// Reads the value without moving it.
///
/// # Safety
///
/// The pointer must be valid for reads, aligned, and refer to a valid value.
#[inline(always)]
pub unsafe fn read<T>(from: *const T) -> T {
    // SAFETY: as the caller promises.
    unsafe { intrinsics::read_via_copy(from) }
}

/// Writes a value without dropping the old one.
///
/// # Safety
///
/// The pointer must be valid for writes and aligned.
#[inline(always)]
pub unsafe fn write<T>(to: *mut T, value: T) {
    // SAFETY: as the caller promises.
    unsafe { intrinsics::write_via_move(to, value) }
}

/// Volatile read.
///
/// # Safety
///
/// As for [`read`].
#[inline(always)]
pub unsafe fn read_volatile<T>(from: *const T) -> T {
    // SAFETY: as the caller promises.
    unsafe { intrinsics::volatile_load(from) }
}

/// Drops the pointee; implemented by the compiler.
#[lang = "drop_in_place"]
#[expect(unconditional_recursion, reason = "the compiler replaces the body")]
pub unsafe fn drop_in_place<T: PointeeSized>(to_drop: *mut T) {
    // SAFETY: the compiler replaces this with the real implementation.
    unsafe { drop_in_place(to_drop) }
}

/// A value of any alignment.
#[repr(C, packed)]
struct Packed<T>(T);

macro_rules! methods {
    ($($pointer:ty)*) => {
        $(impl<T> $pointer {
            /// A pointer offset by `count` elements.
            ///
            /// # Safety
            ///
            /// The result must be in the same object or at its end.
            #[inline(always)]
            pub unsafe fn add(self, count: usize) -> Self {
                // SAFETY: as the caller promises.
                unsafe { intrinsics::offset(self, count) }
            }

            /// A pointer offset by `count` elements, to anywhere.
            #[inline(always)]
            pub fn wrapping_add(self, count: usize) -> Self {
                // SAFETY: this has no conditions.
                unsafe { intrinsics::arith_offset(self as *const T, count as isize) as Self }
            }

            /// The value.
            ///
            /// # Safety
            ///
            /// As for [`read`].
            #[inline(always)]
            pub unsafe fn read(self) -> T {
                // SAFETY: as the caller promises.
                unsafe { read(self as *const T) }
            }

            /// Reads the value at any alignment.
            ///
            /// # Safety
            ///
            /// The pointer must be valid for reads and refer to a valid value.
            #[inline(always)]
            pub unsafe fn read_unaligned(self) -> T {
                // SAFETY: as the caller promises; `Packed` has the alignment 1.
                unsafe { read(self as *const Packed<T>).0 }
            }
        })*
    };
}
methods!(*const T *mut T);

impl<T> *const T {
    /// A pointer to another type.
    #[inline(always)]
    pub const fn cast<U>(self) -> *const U {
        self as *const U
    }
}
impl<T> *mut T {
    /// A pointer to another type.
    #[inline(always)]
    pub const fn cast<U>(self) -> *mut U {
        self as *mut U
    }

    /// Writes the value at any alignment.
    ///
    /// # Safety
    ///
    /// The pointer must be valid for writes.
    #[inline(always)]
    pub unsafe fn write_unaligned(self, value: T) {
        // SAFETY: as the caller promises; `Packed` has the alignment 1.
        unsafe { write(self as *mut Packed<T>, Packed(value)) }
    }
}
