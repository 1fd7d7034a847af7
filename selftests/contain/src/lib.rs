//! Containment: on every execution, at every instruction, the model's concrete state lies in one of
//! the states that the kernel's verifier printed for that instruction and chain of calls.
//!
//! [`Log`] reads what the verifier prints at log level 2 and makes a graph of it: a node for each
//! instruction that it went through, with what it knew there; edges where it went on, also where it
//! came back to a branch later, or stopped because an older state was as good ([`graph`]). [`Checker`]
//! follows the model through this graph, as one follows a word through a non-deterministic automaton,
//! and reports the step from which no node holds what the model has ([`check`]).

pub mod check;
pub mod claim;
mod frame;
pub mod graph;
mod holds;
mod taint;

pub use check::{Checker, Counts, Violation};
pub use graph::{Log, Parsed};
