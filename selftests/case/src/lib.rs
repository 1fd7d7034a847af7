//! What a test case is: a program, in the assembler's notation or in Rust, its inputs, and what must
//! come of them. [`builder`] has the words that cases are written in.
//!
//! A crate of its own, so that a case that changes has the list of cases compiled and the harness linked,
//! and nothing else.

pub mod builder;
pub mod case;

pub use case::{
    Act, Blinding, Case, Check, Expect, Feature, LoadOptions, PlanError, RejectedAt, Rejection,
    Run, Source, TABLES_IN_DUMPS, Words,
};

/// A suite: the part of its cases' names before the `/`, and what makes the cases.
pub type Suite = (&'static str, fn() -> Vec<Case>);
