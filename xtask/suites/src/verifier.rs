//! The kernel's own annotated tests: programs of `tools/testing/selftests/bpf/progs` that carry what
//! is expected of them as declaration tags in their BTF.
//!
//! What a tag means is defined by `tools/testing/selftests/bpf/test_loader.c`, and described in
//! `progs/bpf_misc.h`.

pub mod compile;
pub mod message;
pub mod object;
pub mod recorded;
pub mod run;
pub mod spec;
pub mod subtest;
pub mod suite;
pub mod tags;
pub mod xlated;
