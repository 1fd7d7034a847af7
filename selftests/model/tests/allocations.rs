//! A run allocates for its input and its outcome, and nothing for its steps.
//!
//! A binary of its own, because it counts every allocation of the process.

use bpf_model::{Input, Machine};

/// Allocations of a run of about 29 steps a turn, after one that has filled all buffers.
fn allocations(turns: u32) -> (u64, u64) {
    let source = format!(
        "
        .map numbers array key=4 value=8 entries=4 flags=0
        .map names hash key=8 value=8 entries=4 flags=0
        .prog main syscall
        .jumptable table: even, odd
            r6 = r1
            r7 = {turns}
        again:
            *(u32 *)(r10 -4) = 3
            r1 = map numbers ll
            r2 = r10
            r2 += -4
            call bpf_map_lookup_elem
            if r0 == 0 goto out
            *(u64 *)(r0 +0) = r7
            *(u64 *)(r10 -16) = 1
            r1 = map names ll
            r2 = r10
            r2 += -16
            r3 = r0
            r4 = 0
            call bpf_map_update_elem
            r1 = map names ll
            r2 = r10
            r2 += -16
            call bpf_map_lookup_elem
            if r0 == 0 goto out
            *(u8 *)(r6 +0) = r7
            r1 = r7
            call twice
            r0 &= 8
            r1 = table ll
            r1 += r0
            r1 = *(u64 *)(r1 +0)
            gotox r1
        odd:
            r7 -= 1
        even:
            r1 = twice ll
            r2 = r1
            r1 = r7
            callx r2
            r7 -= 1
            if r7 s> 0 goto again
        out:
            r0 = 0
            exit
        .func twice
            r0 = r1
            r0 += r1
            exit"
    );
    let plan = bpf_object::compile(&source).expect("compiles");
    let mut machine = Machine::new(&plan).expect("the plan is sound");
    let input = Input { ctx: vec![0; 8], packet: Vec::new() };
    let mut run = || machine.run(0, &input, 10_000_000).expect("runs").steps;
    run();
    let mut steps = 0;
    let counted = allocation_counter::measure(|| steps = run());
    (counted.count_total, steps)
}

#[test]
fn steps_allocate_nothing() {
    let (few, short) = allocations(3_500);
    let (many, long) = allocations(35_000);
    assert!(short > 100_000 && long > 1_000_000, "{short} and {long} steps");
    assert_eq!(few, many, "allocations of {short} and of {long} steps");
    assert!(few <= 8, "{few} allocations");
}
