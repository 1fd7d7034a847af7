//! The model, its checks on, beside the interpreters of `rbpf` and `solana-sbpf` on the same work.
//!
//! `cargo xtask bench model` runs this and prints the ratios; the names of the benchmarks are
//! `PROGRAM/IMPLEMENTATION`, their throughput counts the instructions that the model executes.

mod programs;

use std::time::Duration;

use bpf_model::{Input, Machine};
use bpf_peers::{Peer, prepare};
use criterion::{Criterion, SamplingMode, Throughput};

use programs::Case;

/// More than any of the programs takes.
const BUDGET: u64 = 100_000_000;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(200)
        .without_plots()
        .configure_from_args();
    for case in programs::all() {
        bench(&mut criterion, &case);
    }
    criterion.final_summary();
}

/// Proves that all come to the same result, then measures each.
fn bench(criterion: &mut Criterion, case: &Case) {
    let input = Input { ctx: case.memory.clone(), packet: Vec::new() };
    let mut machine = Machine::new(&case.plan).expect("the plan is sound");
    let outcome = machine.run(0, &input, BUDGET).unwrap_or_else(|trap| panic!("{trap}"));
    let expected = (outcome.r0, outcome.ctx);

    let mut group = criterion.benchmark_group(case.name);
    // Single runs: where the machine has other work, some are left alone.
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(outcome.steps));
    group.bench_function("bpf-model", |bencher| {
        bencher.iter(|| machine.run(0, &input, BUDGET).map(|outcome| outcome.r0));
    });
    for peer in Peer::ALL {
        let mut prepared = prepare(peer, &case.peers).unwrap_or_else(|err| panic!("{err}"));
        let mut memory = case.memory.clone();
        let r0 = prepared.run(&mut memory).unwrap_or_else(|err| panic!("{err}"));
        assert_eq!((r0, &memory), (expected.0, &expected.1), "{} in {}", case.name, peer.name());
        // The programs leave the memory as they expect it.
        group.bench_function(peer.name(), |bencher| bencher.iter(|| prepared.run(&mut memory)));
    }
    group.finish();
}
