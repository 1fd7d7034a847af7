//! Any text is assembled, written as an object, linked and run.

use bpf_model::Input;
use bpf_object::compile;

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
        .filter(|case| case.source.len() < 4096)
        .map(|case| (case.name, case.source.into_bytes()))
        .collect()
}
