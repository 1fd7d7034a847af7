//! ELF objects of BPF programs: write them, read them, link them into a load plan.

pub mod btf;
mod btf_read;
pub mod compile;
pub mod link;
pub mod names;
pub mod plan;
pub mod read;
mod variables;
pub mod write;

pub use compile::{CompileError, compile, compile_elf, compile_with};
pub use link::{BtfUse, Globals, LinkError, Linked, Linking, link, link_each, link_with};
pub use plan::{
    FuncInfo, FunctionStart, LineInfo, LoadPlan, MapElement, MapPlan, MapRef, MapTypes, ProgramPlan,
};
pub use read::{Object, ReadError, Section, SectionRelocation, Symbol, SymbolPlace, read};
pub use variables::{Field, Variable};
pub use write::{WriteError, write};
