//! Assembles, writes, links and runs arbitrary text.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(source);
