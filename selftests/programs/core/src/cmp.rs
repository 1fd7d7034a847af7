//! Comparison.

use crate::marker::{PointeeSized, Sized};
use crate::option::Option::{self, Some};
use crate::{clone::Clone, marker::Copy, prelude::rust_2024::derive};

/// `==` and `!=`.
#[lang = "eq"]
pub trait PartialEq<Rhs: PointeeSized = Self>: PointeeSized {
    /// `self == other`.
    fn eq(&self, other: &Rhs) -> bool;
    /// `self != other`.
    #[inline(always)]
    fn ne(&self, other: &Rhs) -> bool {
        !self.eq(other)
    }
}
/// Derives [`trait@PartialEq`].
#[rustc_builtin_macro]
#[allow_internal_unstable(core_intrinsics, coverage_attribute, derive_eq_internals, structural_match)]
pub macro PartialEq($item:item) {}

/// Reflexive equality.
pub trait Eq: PartialEq<Self> + PointeeSized {
    /// Never called; used by derived implementations, for their fields.
    #[doc(hidden)]
    #[inline(always)]
    fn assert_receiver_is_total_eq(&self) {}
    /// Never called; used by derived implementations, for their fields.
    #[doc(hidden)]
    #[inline(always)]
    fn assert_fields_are_eq(&self) {}
}
/// Derives [`trait@Eq`].
#[rustc_builtin_macro]
#[allow_internal_unstable(core_intrinsics, coverage_attribute, derive_eq_internals, structural_match)]
pub macro Eq($item:item) {}
/// Used by a derived [`trait@Eq`], for its fields.
pub struct AssertParamIsEq<T: Eq + PointeeSized> {
    _field: crate::marker::PhantomData<T>,
}

/// Result of a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
#[lang = "Ordering"]
pub enum Ordering {
    /// The left is smaller.
    Less = -1,
    /// Both are equal.
    Equal = 0,
    /// The right is smaller.
    Greater = 1,
}
use Ordering::{Equal, Greater, Less};

impl Ordering {
    /// The reverse.
    #[inline(always)]
    pub fn reverse(self) -> Self {
        match self {
            Less => Greater,
            Equal => Equal,
            Greater => Less,
        }
    }

    /// Whether the left is smaller.
    #[inline(always)]
    pub fn is_lt(self) -> bool {
        (self as i8) < 0
    }

    /// Whether the right is smaller.
    #[inline(always)]
    pub fn is_gt(self) -> bool {
        (self as i8) > 0
    }
}

/// `<`, `<=`, `>`, `>=`.
#[lang = "partial_ord"]
pub trait PartialOrd<Rhs: PointeeSized = Self>: PartialEq<Rhs> + PointeeSized {
    /// How the two compare.
    fn partial_cmp(&self, other: &Rhs) -> Option<Ordering>;
    /// `self < other`.
    #[inline(always)]
    fn lt(&self, other: &Rhs) -> bool {
        match self.partial_cmp(other) {
            Some(Less) => true,
            _ => false,
        }
    }
    /// `self <= other`.
    #[inline(always)]
    fn le(&self, other: &Rhs) -> bool {
        match self.partial_cmp(other) {
            Some(Less | Equal) => true,
            _ => false,
        }
    }
    /// `self > other`.
    #[inline(always)]
    fn gt(&self, other: &Rhs) -> bool {
        match self.partial_cmp(other) {
            Some(Greater) => true,
            _ => false,
        }
    }
    /// `self >= other`.
    #[inline(always)]
    fn ge(&self, other: &Rhs) -> bool {
        match self.partial_cmp(other) {
            Some(Greater | Equal) => true,
            _ => false,
        }
    }
}
/// Total order.
pub trait Ord: Eq + PartialOrd<Self> + PointeeSized {
    /// How the two compare.
    fn cmp(&self, other: &Self) -> Ordering;
    /// The larger of the two.
    #[inline(always)]
    fn max(self, other: Self) -> Self
    where
        Self: Sized,
    {
        if other < self { self } else { other }
    }
    /// The smaller of the two.
    #[inline(always)]
    fn min(self, other: Self) -> Self
    where
        Self: Sized,
    {
        if other < self { other } else { self }
    }
}

macro_rules! compare {
    ($($type:ty)*) => {
        $(
            impl PartialEq for $type {
                #[inline(always)]
                fn eq(&self, other: &Self) -> bool {
                    *self == *other
                }
                #[inline(always)]
                fn ne(&self, other: &Self) -> bool {
                    *self != *other
                }
            }
            impl Eq for $type {}
            impl PartialOrd for $type {
                #[inline(always)]
                fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                    Some(self.cmp(other))
                }
                #[inline(always)]
                fn lt(&self, other: &Self) -> bool {
                    *self < *other
                }
                #[inline(always)]
                fn le(&self, other: &Self) -> bool {
                    *self <= *other
                }
                #[inline(always)]
                fn gt(&self, other: &Self) -> bool {
                    *self > *other
                }
                #[inline(always)]
                fn ge(&self, other: &Self) -> bool {
                    *self >= *other
                }
            }
            impl Ord for $type {
                #[inline(always)]
                fn cmp(&self, other: &Self) -> Ordering {
                    if *self < *other {
                        Less
                    } else if *self == *other {
                        Equal
                    } else {
                        Greater
                    }
                }
            }
        )*
    };
}
compare!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char);

macro_rules! compare_pointers {
    ($($pointer:ty)*) => {
        $(
            impl<T> PartialEq for $pointer {
                #[inline(always)]
                fn eq(&self, other: &Self) -> bool {
                    *self == *other
                }
            }
            impl<T> Eq for $pointer {}
            impl<T> PartialOrd for $pointer {
                #[inline(always)]
                fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                    if *self < *other {
                        Some(Less)
                    } else if *self == *other {
                        Some(Equal)
                    } else {
                        Some(Greater)
                    }
                }
                #[inline(always)]
                fn lt(&self, other: &Self) -> bool {
                    *self < *other
                }
                #[inline(always)]
                fn le(&self, other: &Self) -> bool {
                    *self <= *other
                }
                #[inline(always)]
                fn gt(&self, other: &Self) -> bool {
                    *self > *other
                }
                #[inline(always)]
                fn ge(&self, other: &Self) -> bool {
                    *self >= *other
                }
            }
        )*
    };
}
compare_pointers!(*const T *mut T);

impl<T: PartialEq + PointeeSized> PartialEq for &T {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        (**self).eq(*other)
    }
}
