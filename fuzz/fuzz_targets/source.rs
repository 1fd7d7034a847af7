//! Any text is assembled, written as an object, linked and run.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(source);
