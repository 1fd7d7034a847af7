//! Assembles, writes, links and runs arbitrary text.

use bpf_model::Input;
use bpf_object::compile;
use bpf_suites::Source;

use crate::Seed;
use crate::exercise::exercise;

/// Runs the target. A panic is a finding.
pub fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(plan) = compile(text)
    {
        exercise(&plan, &Input { ctx: vec![1; 16], packet: vec![8; 60] });
    }
}

/// The suites' sources.
pub fn seeds() -> Vec<Seed> {
    bpf_suites::all()
        .into_iter()
        .filter_map(|case| match case.source {
            Source::Assembly(text) if text.len() < 4096 => Some((case.name, text.into_bytes())),
            _ => None,
        })
        .collect()
}
