//! Random programs in the assembler's notation.
//!
//! [`generate()`] makes a [`Tree`] of statements. It keeps track of what each register and stack slot
//! holds as it goes ([`state`]), so that the verifier accepts most of what it makes. A tree is
//! rendered in variants that mean the same ([`Style`]). [`change`] edits the text of any program
//! without regard to what it means, and [`shrink`] makes the text of a program smaller as long as
//! somebody finds it interesting.
//!
//! Everything depends on a seed and on nothing else.

mod body;
mod calls;
pub mod change;
mod memory;
mod numbers;
pub mod sample;
pub mod shrink;
mod state;
mod tree;

pub use body::{Features, generate};
pub use sample::{Bytes, Sample};
pub use tree::{Calls, Kind, Style, Tree};
