//! Looking at one case: its source, what is loaded and what the kernel makes of it; gdb at its guest; and
//! what a guest holds in which somebody looks by hand.

mod code;
pub(crate) mod columns;
pub(crate) mod gdb;
pub(crate) mod image;
pub(crate) mod listing;
mod names;
mod source;
pub(crate) mod symbols;
pub(crate) mod userland;
