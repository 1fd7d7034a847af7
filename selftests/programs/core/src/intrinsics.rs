//! Compiler intrinsics.

use crate::marker::{Copy, DiscriminantKind, PointeeSized};

/// The bits of a value as another type of the same size.
#[rustc_intrinsic]
pub const unsafe fn transmute<Src, Dst>(src: Src) -> Dst;
/// Size of a type in bytes.
#[rustc_intrinsic]
pub const fn size_of<T>() -> usize;
/// Tells the optimiser that this point is unreachable.
#[rustc_intrinsic]
pub const unsafe fn unreachable() -> !;
/// The discriminant of an enum.
#[rustc_intrinsic]
pub const fn discriminant_value<T>(v: &T) -> <T as DiscriminantKind>::Discriminant;
/// Wrapping `a + b`.
#[rustc_intrinsic]
pub const fn wrapping_add<T: Copy>(a: T, b: T) -> T;
/// Wrapping `a - b`.
#[rustc_intrinsic]
pub const fn wrapping_sub<T: Copy>(a: T, b: T) -> T;
/// Wrapping `a * b`.
#[rustc_intrinsic]
pub const fn wrapping_mul<T: Copy>(a: T, b: T) -> T;
/// Saturating `a + b`.
#[rustc_intrinsic]
pub const fn saturating_add<T: Copy>(a: T, b: T) -> T;
/// Saturating `a - b`.
#[rustc_intrinsic]
pub const fn saturating_sub<T: Copy>(a: T, b: T) -> T;
/// The bytes reversed.
#[rustc_intrinsic]
pub const fn bswap<T: Copy>(x: T) -> T;
/// Number of one bits.
#[rustc_intrinsic]
pub const fn ctpop<T: Copy>(x: T) -> u32;
/// A pointer offset by a number of elements, inside the same object.
#[rustc_intrinsic]
pub const unsafe fn offset<Ptr, Delta>(dst: Ptr, offset: Delta) -> Ptr;
/// A pointer offset by a number of elements, to anywhere.
#[rustc_intrinsic]
pub const unsafe fn arith_offset<T>(dst: *const T, offset: isize) -> *const T;
/// The metadata of a pointer: for a slice, its length.
#[rustc_intrinsic]
pub const fn ptr_metadata<P: PointeeSized, M>(ptr: *const P) -> M;
/// Reads without moving.
#[rustc_intrinsic]
pub const unsafe fn read_via_copy<T>(ptr: *const T) -> T;
/// Writes without dropping.
#[rustc_intrinsic]
pub const unsafe fn write_via_move<T>(ptr: *mut T, value: T);
/// Volatile read.
#[rustc_intrinsic]
pub unsafe fn volatile_load<T>(src: *const T) -> T;
/// The value, opaque to the optimiser.
#[rustc_intrinsic]
pub const fn black_box<T>(dummy: T) -> T;
