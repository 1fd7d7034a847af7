//! Default values.

/// Types with a default value.
pub trait Default: crate::marker::Sized {
    /// The default value.
    fn default() -> Self;
}
/// Derives [`trait@Default`].
#[rustc_builtin_macro(Default, attributes(default))]
pub macro Default($item:item) {}

macro_rules! zero {
    ($($type:ty)*) => {
        $(impl Default for $type {
            #[inline(always)]
            fn default() -> Self {
                0
            }
        })*
    };
}
zero!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
impl Default for bool {
    #[inline(always)]
    fn default() -> Self {
        false
    }
}
