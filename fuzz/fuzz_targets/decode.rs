//! Any slots are decoded, printed, assembled and encoded.

#![cfg_attr(fuzzing, no_main)]

bpf_fuzz::target!(decode);
