//! Methods of numbers.

#![expect(unnecessary_transmutes, reason = "the methods that are proposed are these")]

use crate::intrinsics;
use crate::option::Option::{self, None, Some};

macro_rules! integer {
    ($($type:ident $bits:literal)*) => {
        $(impl $type {
            /// The largest.
            pub const MAX: $type = integer!(@max $type $bits);
            /// Bits.
            pub const BITS: u32 = $bits;

            /// The sum modulo two to the bits.
            #[inline(always)]
            pub const fn wrapping_add(self, other: $type) -> $type {
                intrinsics::wrapping_add(self, other)
            }
            /// The difference modulo two to the bits.
            #[inline(always)]
            pub const fn wrapping_sub(self, other: $type) -> $type {
                intrinsics::wrapping_sub(self, other)
            }
            /// The product modulo two to the bits.
            #[inline(always)]
            pub const fn wrapping_mul(self, other: $type) -> $type {
                intrinsics::wrapping_mul(self, other)
            }
            /// The negative modulo two to the bits.
            #[inline(always)]
            pub const fn wrapping_neg(self) -> $type {
                intrinsics::wrapping_sub(0, self)
            }
            /// The number shifted; the count is taken modulo the bits.
            #[inline(always)]
            pub const fn wrapping_shl(self, count: u32) -> $type {
                self << (count & ($bits - 1))
            }
            /// The number shifted; the count is taken modulo the bits.
            #[inline(always)]
            pub const fn wrapping_shr(self, count: u32) -> $type {
                self >> (count & ($bits - 1))
            }
            /// The sum, or the nearest number that there is.
            #[inline(always)]
            pub const fn saturating_add(self, other: $type) -> $type {
                intrinsics::saturating_add(self, other)
            }
            /// The difference, or the nearest number that there is.
            #[inline(always)]
            pub const fn saturating_sub(self, other: $type) -> $type {
                intrinsics::saturating_sub(self, other)
            }
            /// Number of ones.
            #[inline(always)]
            pub const fn count_ones(self) -> u32 {
                intrinsics::ctpop(self)
            }
            /// The bytes in the other order.
            #[inline(always)]
            pub const fn swap_bytes(self) -> $type {
                intrinsics::bswap(self)
            }
            /// From big endian; the target is little endian.
            #[inline(always)]
            pub const fn from_be(number: $type) -> $type {
                number.swap_bytes()
            }
            /// To big endian; the target is little endian.
            #[inline(always)]
            pub const fn to_be(self) -> $type {
                self.swap_bytes()
            }
            /// From bytes in big endian.
            #[inline(always)]
            pub const fn from_be_bytes(bytes: [u8; $bits / 8]) -> $type {
                // SAFETY: any bytes are a number.
                let number: $type = unsafe { intrinsics::transmute(bytes) };
                number.swap_bytes()
            }
            /// From bytes in little endian.
            #[inline(always)]
            pub const fn from_le_bytes(bytes: [u8; $bits / 8]) -> $type {
                // SAFETY: any bytes are a number.
                unsafe { intrinsics::transmute(bytes) }
            }
        })*
    };
    (@max u8 $bits:literal) => { !0 };
    (@max u16 $bits:literal) => { !0 };
    (@max u32 $bits:literal) => { !0 };
    (@max u64 $bits:literal) => { !0 };
    (@max usize $bits:literal) => { !0 };
    (@max $type:ident $bits:literal) => { !(1 << ($bits - 1)) };
}
integer!(u8 8 u16 16 u32 32 u64 64 usize 64 i8 8 i16 16 i32 32 i64 64 isize 64);

macro_rules! unsigned {
    ($($type:ident)*) => {
        $(impl $type {
            /// The quotient, unless it is divided by 0.
            #[inline(always)]
            pub fn checked_div(self, other: $type) -> Option<$type> {
                if other == 0 { None } else { Some(self / other) }
            }
            /// The bits rotated towards the high ones.
            #[inline(always)]
            pub const fn rotate_left(self, count: u32) -> $type {
                self.wrapping_shl(count) | self.wrapping_shr(count.wrapping_neg())
            }
            /// The bits rotated towards the low ones.
            #[inline(always)]
            pub const fn rotate_right(self, count: u32) -> $type {
                self.wrapping_shr(count) | self.wrapping_shl(count.wrapping_neg())
            }
        })*
    };
}
unsigned!(u8 u16 u32 u64 usize);

impl u8 {
    /// Whether it is a letter of ASCII.
    #[inline(always)]
    pub const fn is_ascii_alphabetic(&self) -> bool {
        let lower = *self | 0x20;
        b'a' <= lower && lower <= b'z'
    }
    /// Whether it is a digit of ASCII.
    #[inline(always)]
    pub const fn is_ascii_digit(&self) -> bool {
        b'0' <= *self && *self <= b'9'
    }
    /// The letter in lower case; others stay.
    #[inline(always)]
    pub const fn to_ascii_lowercase(&self) -> u8 {
        if b'A' <= *self && *self <= b'Z' { *self | 0x20 } else { *self }
    }
}
