//! Runs arbitrary slots as a program with maps of each kind.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(program);
