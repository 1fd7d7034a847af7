//! BPF programs in Rust, each in two forms: an object compiled by rustc for BPF, and the same
//! source compiled for the host, whose results the object must reproduce.
//!
//! The programs are in `bpf/`, one file each. For BPF they are separate crates, with the small
//! `core` in `core/` and the crate `bpf` in `support/`; for the host they are modules here.

#![expect(unsafe_code, reason = "the programs follow pointers that the verifier checks")]

extern crate self as bpf;

mod catalog;
mod compile;
mod inputs;
mod random;

#[path = "../bpf/bucket.rs"]
mod bucket;
#[path = "../bpf/bytecode.rs"]
mod bytecode;
#[path = "../bpf/calculator.rs"]
mod calculator;
#[path = "../bpf/chain.rs"]
mod chain;
#[path = "../bpf/classifier.rs"]
mod classifier;
#[path = "../bpf/crc.rs"]
mod crc;
#[path = "../bpf/filters.rs"]
mod filters;
#[path = "../bpf/forth.rs"]
mod forth;
#[path = "../bpf/hash.rs"]
mod hash;
#[path = "../bpf/lexer.rs"]
mod lexer;
#[path = "../bpf/list.rs"]
mod list;
#[path = "../bpf/protocol.rs"]
mod protocol;
#[path = "../bpf/reactor.rs"]
mod reactor;
#[path = "../bpf/sort.rs"]
mod sort;
#[path = "../bpf/states.rs"]
mod states;
#[path = "../support/lib.rs"]
mod support;
#[path = "../bpf/tlv.rs"]
mod tlv;

pub use catalog::{Input, Opcode, Program, Ran, find, programs};
pub use compile::{BuildError, Built, build, object};
pub use support::*;
