//! The crate that each `no_std` crate is linked with. There is nothing in it: what the compiler would
//! call out of line, BPF programs cannot call.

#![no_core]
#![feature(no_core, compiler_builtins)]
#![compiler_builtins]
#![allow(internal_features)]
