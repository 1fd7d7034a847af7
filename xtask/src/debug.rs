//! Looking at one case: its source, what is loaded, what the kernel makes of it.

mod code;
pub(crate) mod columns;
pub(crate) mod gdb;
pub(crate) mod image;
pub(crate) mod listing;
mod names;
mod source;
pub(crate) mod symbols;
pub(crate) mod userland;
