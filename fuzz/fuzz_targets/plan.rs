//! Any plan is run.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(plan);
