//! Operators.

use crate::marker::{PointeeSized, Sized, Tuple, Unsize};

macro_rules! binary {
    ($($item:literal $trait:ident $method:ident $operator:tt
       $assign_item:literal $assign_trait:ident $assign_method:ident: $($type:ty)*;)*) => {
        $(
            /// The operator.
            #[lang = $item]
            pub trait $trait<Rhs = Self> {
                /// Type of the result.
                type Output;
                /// Applies the operator.
                fn $method(self, other: Rhs) -> Self::Output;
            }
            /// The assigning operator.
            #[lang = $assign_item]
            pub trait $assign_trait<Rhs = Self> {
                /// Applies the operator and assigns the result.
                fn $assign_method(&mut self, other: Rhs);
            }
            $(
                impl $trait for $type {
                    type Output = $type;
                    #[inline(always)]
                    fn $method(self, other: $type) -> $type {
                        self $operator other
                    }
                }
                impl $assign_trait for $type {
                    #[inline(always)]
                    fn $assign_method(&mut self, other: $type) {
                        *self = *self $operator other;
                    }
                }
            )*
        )*
    };
}
binary! {
    "add" Add add + "add_assign" AddAssign add_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize;
    "sub" Sub sub - "sub_assign" SubAssign sub_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize;
    "mul" Mul mul * "mul_assign" MulAssign mul_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize;
    "div" Div div / "div_assign" DivAssign div_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize;
    "rem" Rem rem % "rem_assign" RemAssign rem_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize;
    "bitand" BitAnd bitand & "bitand_assign" BitAndAssign bitand_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize bool;
    "bitor" BitOr bitor | "bitor_assign" BitOrAssign bitor_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize bool;
    "bitxor" BitXor bitxor ^ "bitxor_assign" BitXorAssign bitxor_assign:
        u8 u16 u32 u64 usize i8 i16 i32 i64 isize bool;
}

macro_rules! shift {
    ($($item:literal $trait:ident $method:ident $operator:tt
       $assign_item:literal $assign_trait:ident $assign_method:ident;)*) => {
        $(
            /// The operator.
            #[lang = $item]
            pub trait $trait<Rhs = Self> {
                /// Type of the result.
                type Output;
                /// Applies the operator.
                fn $method(self, other: Rhs) -> Self::Output;
            }
            /// The assigning operator.
            #[lang = $assign_item]
            pub trait $assign_trait<Rhs = Self> {
                /// Applies the operator and assigns the result.
                fn $assign_method(&mut self, other: Rhs);
            }
            shift!(@by $trait $method $operator $assign_trait $assign_method
                (u8 u16 u32 u64 usize i8 i16 i32 i64 isize) u32);
            shift!(@by $trait $method $operator $assign_trait $assign_method
                (u8 u16 u32 u64 usize i8 i16 i32 i64 isize) i32);
            shift!(@by $trait $method $operator $assign_trait $assign_method
                (u8 u16 u32 u64 usize i8 i16 i32 i64 isize) usize);
            shift!(@by $trait $method $operator $assign_trait $assign_method
                (u64 i64) u64);
            shift!(@by $trait $method $operator $assign_trait $assign_method
                (u8 u32 u64) u8);
        )*
    };
    (@by $trait:ident $method:ident $operator:tt $assign_trait:ident $assign_method:ident
     ($($type:ty)*) $by:ty) => {
        $(
            impl $trait<$by> for $type {
                type Output = $type;
                #[inline(always)]
                fn $method(self, other: $by) -> $type {
                    self $operator other
                }
            }
            impl $assign_trait<$by> for $type {
                #[inline(always)]
                fn $assign_method(&mut self, other: $by) {
                    *self = *self $operator other;
                }
            }
        )*
    };
}
shift! {
    "shl" Shl shl << "shl_assign" ShlAssign shl_assign;
    "shr" Shr shr >> "shr_assign" ShrAssign shr_assign;
}

/// `!`.
#[lang = "not"]
pub trait Not {
    /// Type of the result.
    type Output;
    /// Applies the operator.
    fn not(self) -> Self::Output;
}
macro_rules! not {
    ($($type:ty)*) => {
        $(impl Not for $type {
            type Output = $type;
            #[inline(always)]
            fn not(self) -> $type {
                !self
            }
        })*
    };
}
not!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize bool);

/// `-`.
#[lang = "neg"]
pub trait Neg {
    /// Type of the result.
    type Output;
    /// Applies the operator.
    fn neg(self) -> Self::Output;
}
macro_rules! neg {
    ($($type:ty)*) => {
        $(impl Neg for $type {
            type Output = $type;
            #[inline(always)]
            fn neg(self) -> $type {
                -self
            }
        })*
    };
}
neg!(i8 i16 i32 i64 isize);

/// `*`.
#[lang = "deref"]
pub trait Deref: PointeeSized {
    /// The referenced type.
    #[lang = "deref_target"]
    type Target: PointeeSized;
    /// Dereferences.
    fn deref(&self) -> &Self::Target;
}
/// Mutable `*`.
#[lang = "deref_mut"]
pub trait DerefMut: Deref + PointeeSized {
    /// Dereferences mutably.
    fn deref_mut(&mut self) -> &mut Self::Target;
}
impl<T: PointeeSized> Deref for &T {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        *self
    }
}
impl<T: PointeeSized> Deref for &mut T {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        *self
    }
}
impl<T: PointeeSized> DerefMut for &mut T {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        *self
    }
}

/// `[]`.
#[lang = "index"]
pub trait Index<Idx: PointeeSized> {
    /// Type of the element.
    type Output: PointeeSized;
    /// The element.
    fn index(&self, index: Idx) -> &Self::Output;
}
/// Mutable `[]`.
#[lang = "index_mut"]
pub trait IndexMut<Idx: PointeeSized>: Index<Idx> {
    /// The element.
    fn index_mut(&mut self, index: Idx) -> &mut Self::Output;
}
impl<T> Index<usize> for [T] {
    type Output = T;
    #[inline(always)]
    fn index(&self, index: usize) -> &T {
        &(*self)[index]
    }
}
impl<T> IndexMut<usize> for [T] {
    #[inline(always)]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut (*self)[index]
    }
}
impl<T, const N: usize> Index<usize> for [T; N] {
    type Output = T;
    #[inline(always)]
    fn index(&self, index: usize) -> &T {
        &(*self)[index]
    }
}
impl<T, const N: usize> IndexMut<usize> for [T; N] {
    #[inline(always)]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut (*self)[index]
    }
}

/// Destructors.
#[lang = "drop"]
pub trait Drop {
    /// The destructor.
    fn drop(&mut self);
}

/// Functions that can be called once.
#[lang = "fn_once"]
#[rustc_paren_sugar]
#[fundamental]
pub trait FnOnce<Args: Tuple> {
    /// Return type.
    #[lang = "fn_once_output"]
    type Output;
    /// Calls the function.
    extern "rust-call" fn call_once(self, args: Args) -> Self::Output;
}
/// Functions that can be called repeatedly and may mutate state.
#[lang = "fn_mut"]
#[rustc_paren_sugar]
#[fundamental]
pub trait FnMut<Args: Tuple>: FnOnce<Args> {
    /// Calls the function.
    extern "rust-call" fn call_mut(&mut self, args: Args) -> Self::Output;
}
/// Functions that can be called repeatedly.
#[lang = "fn"]
#[rustc_paren_sugar]
#[fundamental]
pub trait Fn<Args: Tuple>: FnMut<Args> {
    /// Calls the function.
    extern "rust-call" fn call(&self, args: Args) -> Self::Output;
}
impl<A: Tuple, F: PointeeSized + Fn<A>> Fn<A> for &F {
    #[inline(always)]
    extern "rust-call" fn call(&self, args: A) -> F::Output {
        (**self).call(args)
    }
}
impl<A: Tuple, F: PointeeSized + Fn<A>> FnMut<A> for &F {
    #[inline(always)]
    extern "rust-call" fn call_mut(&mut self, args: A) -> F::Output {
        (**self).call(args)
    }
}
impl<A: Tuple, F: PointeeSized + Fn<A>> FnOnce<A> for &F {
    type Output = F::Output;
    #[inline(always)]
    extern "rust-call" fn call_once(self, args: A) -> F::Output {
        (*self).call(args)
    }
}
impl<A: Tuple, F: PointeeSized + FnMut<A>> FnMut<A> for &mut F {
    #[inline(always)]
    extern "rust-call" fn call_mut(&mut self, args: A) -> F::Output {
        (**self).call_mut(args)
    }
}
impl<A: Tuple, F: PointeeSized + FnMut<A>> FnOnce<A> for &mut F {
    type Output = F::Output;
    #[inline(always)]
    extern "rust-call" fn call_once(self, args: A) -> F::Output {
        (*self).call_mut(args)
    }
}

/// Pointers that can be coerced to unsized pointees.
#[lang = "coerce_unsized"]
pub trait CoerceUnsized<T: PointeeSized> {}
impl<'a, 'b: 'a, T: PointeeSized + Unsize<U>, U: PointeeSized> CoerceUnsized<&'a U> for &'b T {}
impl<'a, T: PointeeSized + Unsize<U>, U: PointeeSized> CoerceUnsized<&'a mut U> for &'a mut T {}
impl<'a, 'b: 'a, T: PointeeSized + Unsize<U>, U: PointeeSized> CoerceUnsized<&'a U> for &'b mut T {}
/// Pointers through which methods of trait objects can be called.
#[lang = "dispatch_from_dyn"]
pub trait DispatchFromDyn<T> {}
impl<'a, T: PointeeSized + Unsize<U>, U: PointeeSized> DispatchFromDyn<&'a U> for &'a T {}
impl<'a, T: PointeeSized + Unsize<U>, U: PointeeSized> DispatchFromDyn<&'a mut U> for &'a mut T {}

/// `start..end`.
#[lang = "Range"]
pub struct Range<Idx> {
    /// Start, inclusive.
    pub start: Idx,
    /// End, exclusive.
    pub end: Idx,
}

/// Whether `?` continues.
pub enum ControlFlow<B, C = ()> {
    /// Continue.
    #[lang = "Continue"]
    Continue(C),
    /// Return.
    #[lang = "Break"]
    Break(B),
}
/// Types that `?` applies to.
#[lang = "Try"]
pub trait Try: FromResidual<Self::Residual> + Sized {
    /// The value of `?`.
    type Output;
    /// The residual, returned by `?`.
    type Residual;
    /// Wraps an output.
    #[lang = "from_output"]
    fn from_output(output: Self::Output) -> Self;
    /// Whether to continue.
    #[lang = "branch"]
    fn branch(self) -> ControlFlow<Self::Residual, Self::Output>;
}
/// Types that `?` can return.
pub trait FromResidual<R> {
    /// Wraps a residual.
    #[lang = "from_residual"]
    fn from_residual(residual: R) -> Self;
}
