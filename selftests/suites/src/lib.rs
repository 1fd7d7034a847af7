//! The test cases, grouped by what they exercise.
//!
//! A case is a program, in the assembler's notation or in Rust, with inputs and expected results.
//! [`all`] lists every case; [`builder`] has the functions for writing cases.

mod callx;
mod claims;
pub mod dispatch;
mod gotox;
mod isa;
mod maps;
mod programs;
mod registry;
mod stack;

pub(crate) use bpf_case::case;
pub use bpf_case::{
    Act, Blinding, Case, Check, Expect, Feature, LoadOptions, PlanError, RejectedAt, Rejection,
    Run, Source, Words, builder,
};
pub use registry::{SUITES, all};
pub use stack::{Deep, deepest};
