//! Any bytes are read as an object, linked and run.

use bpf_model::Input;
use bpf_object::{BtfUse, compile_elf, link_with, read};

use crate::Seed;
use crate::exercise::exercise;

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

/// The suites' objects.
pub fn seeds() -> Vec<Seed> {
    let elf = |source: &str| compile_elf(source).ok().filter(|elf| elf.len() < 8192);
    bpf_suites::all().into_iter().filter_map(|case| Some((case.name, elf(&case.source)?))).collect()
}
