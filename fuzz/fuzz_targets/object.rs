//! Any bytes are read as an object, linked and run.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(object);
