//! The crate that every `no_std` crate is linked with. It is empty: BPF programs cannot call the
//! compiler's out-of-line functions.

#![no_core]
#![feature(no_core, compiler_builtins)]
#![compiler_builtins]
#![allow(internal_features)]
