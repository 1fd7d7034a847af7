//! Decodes, prints, assembles and encodes arbitrary slots.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(decode);
