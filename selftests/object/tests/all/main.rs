//! Tests of the object crate.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clang;
mod compilers;
mod data;
mod described;
mod errors;
mod hostile;
mod link;
mod patch;
mod tables;
mod write;
