//! Assembles, links and runs valid programs that use all of the model.
//!
//! The bytes select steps that are each valid by themselves, so runs get far: through maps, jump
//! tables, functions in data, callbacks and tail calls.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};
use bpf_model::Input;
use bpf_object::compile;

use crate::exercise::exercise;
use crate::steps::{FUNCTIONS, step};

/// Sections of the program types that the model supports.
const SECTIONS: [&str; 5] = ["syscall", "socket", "tc", "xdp", "raw_tp"];

/// Limit for steps of a function.
const MAX_STEPS: usize = 24;

/// Common parts of all programs.
const SURROUNDINGS: &str = "
.map array array key=4 value=16 entries=4
.map guarded array key=4 value=16 entries=1 lock=8
.map hash hash key=4 value=16 entries=3
.map cpus percpu_array key=4 value=16 entries=2
.map programs prog_array key=4 value=4 entries=3: main, -, second
.data FT .data.rel.ro: f0, f1, f2, 7, f0
.data RO .rodata: 1, -1, 0x8000000000000000
.data RW .data: 1, 2, 3
";

/// Runs the target.
///
/// # Panics
///
/// Also if the generated program cannot be assembled or linked.
pub fn run(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let Ok(source) = source(&mut u) else { return };
    let ctx = u.bytes(u.len().min(64)).unwrap_or_default().to_vec();
    let packet = [vec![8; 60], u.take_rest().iter().copied().take(64).collect()].concat();
    match compile(&source) {
        Ok(plan) => exercise(&plan, &Input { ctx, packet }),
        Err(error) => panic!("{error}\n{source}"),
    }
}

fn source(u: &mut Unstructured<'_>) -> Result<String> {
    let mut source = String::new();
    let section = u.choose(&SECTIONS)?;
    for name in ["main", "second"] {
        let _ = writeln!(source, ".prog {name} {section}");
        function(u, name, &mut source)?;
    }
    for name in FUNCTIONS {
        let _ = writeln!(source, ".func {name}");
        function(u, name, &mut source)?;
    }
    source.push_str(SURROUNDINGS);
    Ok(source)
}

/// A function: r6 is its first argument, r7 to r9 and 64 bytes of its stack are numbers.
fn function(u: &mut Unstructured<'_>, name: &str, source: &mut String) -> Result<()> {
    source.push_str(" r6 = r1\n r7 = 1\n r8 = -2\n r9 = 0x123456789a ll\n r0 = 0\n");
    for word in 1..=8 {
        let _ = writeln!(source, " *(u64 *)(r10 -{}) = {word}", word * 8);
    }
    let steps = u.int_in_range(1..=MAX_STEPS)?;
    for number in 0..steps {
        let _ = writeln!(source, "{name}_{number}:");
        step(u, name, number, steps, source)?;
    }
    let entries: Vec<String> = (0..4)
        .map(|_| Ok(format!("{name}_{}", u.int_in_range(0..=steps)?)))
        .collect::<Result<_>>()?;
    let _ = writeln!(source, "{name}_{steps}:\n r0 = r7\n exit");
    let _ = writeln!(source, ".jumptable {name}_table: {}", entries.join(", "));
    Ok(())
}
