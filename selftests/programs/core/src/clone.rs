//! Cloning.

use crate::marker::{Copy, PhantomData, PointeeSized, Sized};

/// Types that can be duplicated.
#[lang = "clone"]
pub trait Clone: Sized {
    /// A duplicate.
    fn clone(&self) -> Self;
}
/// Derives [`trait@Clone`].
#[rustc_builtin_macro]
#[allow_internal_unstable(core_intrinsics, derive_clone_copy, trivial_clone)]
pub macro Clone($item:item) {}

/// Types that are cloned by copying their bytes.
#[lang = "trivial_clone"]
pub unsafe trait TrivialClone: Clone {}

/// Used by a derived [`trait@Clone`] of a type that is also `Copy`, for its fields.
pub struct AssertParamIsClone<T: Clone + PointeeSized> {
    _field: PhantomData<T>,
}

macro_rules! clone {
    ($($type:ty)*) => {
        $(impl Clone for $type {
            #[inline(always)]
            fn clone(&self) -> Self {
                *self
            }
        })*
    };
}
clone!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char);
impl<T: PointeeSized> Clone for &T {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: PointeeSized> Clone for *const T {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: PointeeSized> Clone for *mut T {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: PointeeSized> Clone for PhantomData<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self
    }
}
impl<T: Copy, const N: usize> Clone for [T; N] {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
