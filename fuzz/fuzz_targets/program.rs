//! Any slots are run as a program beside maps of each kind.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(program);
