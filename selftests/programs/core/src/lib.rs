//! A small `core` for BPF programs: what the compiler requires and the programs use.
//!
//! It replaces the real one, whose source needs the component `rust-src`. Names and semantics are
//! those of the real one, so that the same program compiles for the host. Everything is generic or
//! inlined: a program's object must contain all its code.
//!
//! A panic refers to an undefined symbol. If the optimiser cannot eliminate a panic, the program
//! does not link, as BPF cannot panic.

#![no_core]
#![rustc_coherence_is_core]
#![feature(
    allow_internal_unstable,
    arbitrary_self_types,
    auto_traits,
    const_trait_impl,
    decl_macro,
    freeze_impls,
    fundamental,
    intrinsics,
    lang_items,
    negative_impls,
    no_core,
    prelude_import,
    rustc_attrs,
    unboxed_closures
)]
#![allow(internal_features, incomplete_features)]

#[macro_use]
mod macros;
pub mod arch;
pub mod clone;
pub mod cmp;
pub mod convert;
pub mod default;
pub mod intrinsics;
pub mod iter;
pub mod marker;
pub mod mem;
pub mod num;
pub mod ops;
pub mod option;
mod panicking;
pub mod prelude;
pub mod ptr;
pub mod slice;

pub use macros::matches;
