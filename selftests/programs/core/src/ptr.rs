//! Raw pointers.

use crate::intrinsics;
use crate::marker::PointeeSized;

/// Reads the value without moving it.
///
/// # Safety
///
/// The pointer is valid for reads, aligned, and leads to a value.
#[inline(always)]
pub unsafe fn read<T>(from: *const T) -> T {
    // SAFETY: as the caller promises.
    unsafe { intrinsics::read_via_copy(from) }
}

/// Writes a value without dropping the old one.
///
/// # Safety
///
/// The pointer is valid for writes and aligned.
#[inline(always)]
pub unsafe fn write<T>(to: *mut T, value: T) {
    // SAFETY: as the caller promises.
    unsafe { intrinsics::write_via_move(to, value) }
}

/// Reads exactly here, exactly once.
///
/// # Safety
///
/// As of [`read`].
#[inline(always)]
pub unsafe fn read_volatile<T>(from: *const T) -> T {
    // SAFETY: as the caller promises.
    unsafe { intrinsics::volatile_load(from) }
}

/// Drops what a pointer leads to: the compiler fills it in.
#[lang = "drop_in_place"]
#[expect(unconditional_recursion, reason = "the compiler replaces the body")]
pub unsafe fn drop_in_place<T: PointeeSized>(to_drop: *mut T) {
    // SAFETY: the compiler replaces this by the real one.
    unsafe { drop_in_place(to_drop) }
}

/// A value that may lie anywhere.
#[repr(C, packed)]
struct Packed<T>(T);

macro_rules! methods {
    ($($pointer:ty)*) => {
        $(impl<T> $pointer {
            /// A pointer so many elements on.
            ///
            /// # Safety
            ///
            /// It lies in the same object or at its end.
            #[inline(always)]
            pub unsafe fn add(self, count: usize) -> Self {
                // SAFETY: as the caller promises.
                unsafe { intrinsics::offset(self, count) }
            }

            /// A pointer so many elements on, wherever that is.
            #[inline(always)]
            pub fn wrapping_add(self, count: usize) -> Self {
                // SAFETY: this has no conditions.
                unsafe { intrinsics::arith_offset(self as *const T, count as isize) as Self }
            }

            /// The value.
            ///
            /// # Safety
            ///
            /// As of [`read`].
            #[inline(always)]
            pub unsafe fn read(self) -> T {
                // SAFETY: as the caller promises.
                unsafe { read(self as *const T) }
            }

            /// The value at an address of any alignment.
            ///
            /// # Safety
            ///
            /// The pointer is valid for reads and leads to a value.
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

    /// Overwrites the value at an address of any alignment.
    ///
    /// # Safety
    ///
    /// The pointer is valid for writes.
    #[inline(always)]
    pub unsafe fn write_unaligned(self, value: T) {
        // SAFETY: as the caller promises; `Packed` has the alignment 1.
        unsafe { write(self as *mut Packed<T>, Packed(value)) }
    }
}
