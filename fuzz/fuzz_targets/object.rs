//! Reads, links and runs arbitrary bytes as an object.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(object);
