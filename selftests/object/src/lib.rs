//! ELF objects of BPF programs: write them, read them, link them into a load plan.

pub mod plan;

pub use plan::{FunctionStart, LoadPlan, MapElement, MapPlan, MapRef, ProgramPlan};
