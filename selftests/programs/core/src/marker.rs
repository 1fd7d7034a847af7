//! Marker traits: what the compiler may do with a type.

/// The root of the sizedness traits.
#[lang = "pointee_sized"]
pub trait PointeeSized {}
/// Types whose size follows from the pointer metadata.
#[lang = "meta_sized"]
pub trait MetaSized: PointeeSized {}
/// Types with a size known at compile time.
#[lang = "sized"]
#[fundamental]
pub trait Sized: MetaSized {}
/// Types that can be unsized.
#[lang = "unsize"]
pub trait Unsize<T: PointeeSized>: PointeeSized {}

/// Types that are copied instead of moved.
#[lang = "copy"]
pub trait Copy: Clone {}
/// Derives [`Copy`].
#[rustc_builtin_macro]
pub macro Copy($item:item) {}
use crate::clone::Clone;

/// Types that can be shared between threads.
#[lang = "sync"]
pub unsafe auto trait Sync {}
impl<T: PointeeSized> !Sync for *const T {}
impl<T: PointeeSized> !Sync for *mut T {}
/// Types that can be sent to other threads.
pub unsafe auto trait Send {}
/// Types without interior mutability.
#[lang = "freeze"]
pub unsafe auto trait Freeze {}
/// Types that the compiler may assume to be unaliased.
#[lang = "unsafe_unpin"]
pub unsafe auto trait UnsafeUnpin {}
/// Types that may be moved.
#[lang = "unpin"]
pub auto trait Unpin {}

/// Types whose constants can be patterns.
#[lang = "structural_peq"]
pub trait StructuralPartialEq {}
/// Types with a discriminant.
#[lang = "discriminant_kind"]
pub trait DiscriminantKind {
    /// The discriminant's type.
    #[lang = "discriminant_type"]
    type Discriminant;
}
/// Tuples.
#[lang = "tuple_trait"]
pub trait Tuple {}
/// Types that can be dropped in a constant.
#[lang = "destruct"]
pub const trait Destruct: PointeeSized {}
/// Types that never need dropping.
#[lang = "bikeshed_guaranteed_no_drop"]
pub trait BikeshedGuaranteedNoDrop {}
/// Types that a method may take as `self`.
#[lang = "legacy_receiver"]
pub trait LegacyReceiver {}
impl<T: PointeeSized> LegacyReceiver for &T {}
impl<T: PointeeSized> LegacyReceiver for &mut T {}

/// A zero-sized stand-in for a value.
#[lang = "phantom_data"]
pub struct PhantomData<T: PointeeSized>;

macro_rules! copy {
    ($($type:ty)*) => { $(impl Copy for $type {})* };
}
copy!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char);
impl<T: PointeeSized> Copy for &T {}
impl<T: PointeeSized> Copy for *const T {}
impl<T: PointeeSized> Copy for *mut T {}
impl<T: PointeeSized> Copy for PhantomData<T> {}
impl<T: Copy, const N: usize> Copy for [T; N] {}
