//! The kernel's own annotated tests: programs of `tools/testing/selftests/bpf/progs` that carry what
//! is expected of them as declaration tags in their BTF.
//!
//! What a tag means is defined by `tools/testing/selftests/bpf/test_loader.c`, and described in
//! `progs/bpf_misc.h`.

pub(crate) mod compile;
pub(crate) mod message;
pub(crate) mod object;
pub(crate) mod recorded;
pub(crate) mod spec;
pub(crate) mod subtest;
pub(crate) mod suite;
pub(crate) mod tags;
pub(crate) mod xlated;
