//! Whole programs in the assembler's notation, through the object file and the linker.

use bpf_model::{Input, Machine, Outcome, Trap, TrapKind};

fn run(source: &str, ctx: &[u8]) -> Result<Outcome, Box<Trap>> {
    let plan = bpf_object::compile(source).expect("compiles");
    let input = Input { ctx: ctx.to_vec(), packet: Vec::new() };
    Machine::new(&plan).expect("a sound plan").run(0, &input, 10_000)
}

const SWITCH: &str = "
    .jumptable table: zero, one, one
        r1 = *(u32 *)(r1 +0)
        r1 <<= 3
        r2 = table ll
        r2 += r1
        r2 = *(u64 *)(r2 +0)
        gotox r2
    zero:
        r0 = 10
        exit
    one:
        r0 = 11
        exit
";

#[test]
fn a_switch() {
    for (index, expected) in [(0, 10), (1, 11), (2, 11)] {
        assert_eq!(run(SWITCH, &[index, 0, 0, 0]).expect("runs").r0, expected);
    }
    let trap = run(SWITCH, &[3, 0, 0, 0]).expect_err("traps");
    assert!(matches!(trap.kind, TrapKind::OutOfBounds { offset: 24, len: 24, .. }), "{trap}");
}

#[test]
fn a_switch_in_a_subprogram() {
    let source = "
        .prog main syscall
            r6 = r1
            r1 = *(u32 *)(r6 +0)
            call choose
            *(u32 *)(r6 +0) = r0
            exit
        .func choose
        .jumptable table: low, high
            r1 &= 1
            r1 <<= 3
            r2 = table ll
            r2 += r1
            r2 = *(u64 *)(r2 +0)
            gotox r2
        low:
            r0 = 100
            exit
        high:
            r0 = 200
            exit
    ";
    for (index, expected) in [(4, 100u32), (5, 200)] {
        let outcome = run(source, &[index, 0, 0, 0]).expect("runs");
        assert_eq!(outcome.ctx, expected.to_le_bytes());
    }
}

#[test]
fn a_counter_in_a_map() {
    let source = "
        .map counter array key=4 value=8 entries=1
        .prog main syscall
            r1 = counter ll
            r2 = 3
            lock *(u64 *)(r1 +0) += r2
            r0 = *(u64 *)(r1 +0)
            exit
    ";
    let plan = bpf_object::compile(source).expect("compiles");
    let mut machine = Machine::new(&plan).expect("a sound plan");
    for expected in [3, 6, 9] {
        assert_eq!(machine.run(0, &Input::default(), 100).expect("runs").r0, expected);
    }
    assert_eq!(machine.map(0).expect("a map").elements()[0].1, [9, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn an_indirect_call() {
    let source = "
        .prog main syscall
            r2 = twice ll
            r1 = 21
            callx r2
            exit
        .func twice
            r0 = r1
            r0 += r1
            exit
    ";
    assert_eq!(run(source, &[]).expect("runs").r0, 42);
}
