//! Lossless conversions.

use crate::marker::Sized;

/// Conversion from another type.
pub trait From<T>: Sized {
    /// Converts.
    fn from(value: T) -> Self;
}
/// Conversion into another type.
pub trait Into<T>: Sized {
    /// Converts.
    fn into(self) -> T;
}
impl<T, U: From<T>> Into<U> for T {
    #[inline(always)]
    fn into(self) -> U {
        U::from(self)
    }
}
impl<T> From<T> for T {
    #[inline(always)]
    fn from(value: T) -> T {
        value
    }
}

macro_rules! widen {
    ($($from:ty => $($to:ty)*;)*) => {
        $($(impl From<$from> for $to {
            #[inline(always)]
            fn from(value: $from) -> $to {
                value as $to
            }
        })*)*
    };
}
widen! {
    bool => u8 u16 u32 u64 usize i32 i64;
    u8 => u16 u32 u64 usize i16 i32 i64;
    u16 => u32 u64 usize i32 i64;
    u32 => u64 i64;
    i8 => i16 i32 i64;
    i16 => i32 i64;
    i32 => i64;
}
