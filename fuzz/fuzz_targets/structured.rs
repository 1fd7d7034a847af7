//! Assembles, links and runs valid programs that use all of the model.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(structured);
