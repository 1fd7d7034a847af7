//! Sound programs that use all of the model are assembled, linked and run.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(structured);
