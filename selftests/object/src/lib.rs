//! ELF objects of BPF programs: write them, read them, link them into a load plan.

pub mod compile;
pub mod link;
pub mod names;
pub mod plan;
pub mod read;
pub mod write;

pub use compile::{CompileError, compile, compile_elf};
pub use link::{LinkError, link};
pub use plan::{FunctionStart, LoadPlan, MapElement, MapPlan, MapRef, ProgramPlan};
pub use read::{Object, ReadError, Section, SectionRelocation, Symbol, SymbolPlace, read};
pub use write::{WriteError, write};
