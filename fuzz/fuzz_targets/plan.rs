//! Runs arbitrary plans.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(plan);
