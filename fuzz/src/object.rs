//! Reads, links and runs arbitrary bytes as an object.

use bpf_model::Input;
use bpf_object::{BtfUse, link_with, read};
use bpf_suites::Source;

use crate::Seed;
use crate::exercise::exercise;

/// Size limit of initial objects, in bytes: longer ones take long to mutate.
const MAX_SEED: usize = 8192;

/// Runs the target. A panic is a finding.
pub fn run(bytes: &[u8]) {
    if let Ok(object) = read(bytes) {
        assert!(object.sections.len() <= bytes.len() && object.symbols.len() <= bytes.len());
    }
    for btf in [BtfUse::Never, BtfUse::Auto, BtfUse::Always] {
        if let Ok(plan) = link_with(bytes, btf) {
            exercise(&plan, &Input { ctx: vec![1; 16], packet: vec![8; 60] });
        }
    }
}

/// An object with BTF: functions, lines, maps and data.
const DESCRIBED: &[u8] = include_bytes!("../../selftests/object/tests/data/described.o");

/// The suites' objects, from the assembler and from rustc, and one from clang.
pub fn seeds() -> Vec<Seed> {
    let object = |source: &Source| source.object().ok().filter(|elf| elf.len() < MAX_SEED);
    bpf_suites::all()
        .into_iter()
        .filter_map(|case| Some((case.name, object(&case.source)?)))
        .chain([("described".to_owned(), DESCRIBED.to_vec())])
        .collect()
}
