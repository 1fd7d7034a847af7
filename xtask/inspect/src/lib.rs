//! Looking at one case: its source, what is loaded and what the kernel makes of it; gdb at its guest; and
//! what a guest holds in which somebody looks by hand.

pub mod code;
pub mod columns;
pub mod gdb;
pub mod image;
pub mod listing;
pub mod names;
pub mod shell;
pub mod source;
pub mod symbols;
pub mod userland;
