//! Methods of numbers.

#![expect(unnecessary_transmutes, reason = "the methods that are proposed are these")]

use crate::intrinsics;
use crate::option::Option::{self, None, Some};

macro_rules! integer {
    ($($type:ident $bits:literal)*) => {
        $(impl $type {
            /// The largest value.
            pub const MAX: $type = integer!(@max $type $bits);
            /// Size in bits.
            pub const BITS: u32 = $bits;

            /// Wrapping addition.
            #[inline(always)]
            pub const fn wrapping_add(self, other: $type) -> $type {
                intrinsics::wrapping_add(self, other)
            }
            /// Wrapping subtraction.
            #[inline(always)]
            pub const fn wrapping_sub(self, other: $type) -> $type {
                intrinsics::wrapping_sub(self, other)
            }
            /// Wrapping multiplication.
            #[inline(always)]
            pub const fn wrapping_mul(self, other: $type) -> $type {
                intrinsics::wrapping_mul(self, other)
            }
            /// Wrapping negation.
            #[inline(always)]
            pub const fn wrapping_neg(self) -> $type {
                intrinsics::wrapping_sub(0, self)
            }
            /// Left shift; the count is masked to the width.
            #[inline(always)]
            pub const fn wrapping_shl(self, count: u32) -> $type {
                self << (count & ($bits - 1))
            }
            /// Right shift; the count is masked to the width.
            #[inline(always)]
            pub const fn wrapping_shr(self, count: u32) -> $type {
                self >> (count & ($bits - 1))
            }
            /// Saturating addition.
            #[inline(always)]
            pub const fn saturating_add(self, other: $type) -> $type {
                intrinsics::saturating_add(self, other)
            }
            /// Saturating subtraction.
            #[inline(always)]
            pub const fn saturating_sub(self, other: $type) -> $type {
                intrinsics::saturating_sub(self, other)
            }
            /// Number of one bits.
            #[inline(always)]
            pub const fn count_ones(self) -> u32 {
                intrinsics::ctpop(self)
            }
            /// The bytes reversed.
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
            /// From big-endian bytes.
            #[inline(always)]
            pub const fn from_be_bytes(bytes: [u8; $bits / 8]) -> $type {
                // SAFETY: any bytes are a number.
                let number: $type = unsafe { intrinsics::transmute(bytes) };
                number.swap_bytes()
            }
            /// From little-endian bytes.
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
            /// The quotient; `None` for division by 0.
            #[inline(always)]
            pub fn checked_div(self, other: $type) -> Option<$type> {
                if other == 0 { None } else { Some(self / other) }
            }
            /// Rotates left.
            #[inline(always)]
            pub const fn rotate_left(self, count: u32) -> $type {
                self.wrapping_shl(count) | self.wrapping_shr(count.wrapping_neg())
            }
            /// Rotates right.
            #[inline(always)]
            pub const fn rotate_right(self, count: u32) -> $type {
                self.wrapping_shr(count) | self.wrapping_shl(count.wrapping_neg())
            }
        })*
    };
}
unsigned!(u8 u16 u32 u64 usize);

impl u8 {
    /// Whether it is an ASCII letter.
    #[inline(always)]
    pub const fn is_ascii_alphabetic(&self) -> bool {
        let lower = *self | 0x20;
        b'a' <= lower && lower <= b'z'
    }
    /// Whether it is an ASCII digit.
    #[inline(always)]
    pub const fn is_ascii_digit(&self) -> bool {
        b'0' <= *self && *self <= b'9'
    }
    /// In lower case, if it is an ASCII letter.
    #[inline(always)]
    pub const fn to_ascii_lowercase(&self) -> u8 {
        if b'A' <= *self && *self <= b'Z' { *self | 0x20 } else { *self }
    }
}
