//! The test cases, grouped by what they exercise.
//!
//! A case is a program, in the assembler's notation or in Rust, its inputs, and what must come of them.
//! [`all`] lists every case; [`builder`] has the words that cases are written in.

pub mod builder;
mod callx;
mod case;
mod claims;
pub mod dispatch;
mod gotox;
mod isa;
mod maps;
mod programs;
mod registry;
mod stack;

pub use case::{
    Act, Blinding, Case, Check, Expect, Feature, LoadOptions, PlanError, RejectedAt, Rejection,
    Run, Source, Words,
};
pub use gotox::TABLES_IN_DUMPS;
pub use registry::all;
pub use stack::{Deep, deepest};
