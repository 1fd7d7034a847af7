//! The budget ends a run at exactly one instruction, however the run gets there.

use bpf_model::{Input, Machine, TrapKind};

/// Loops, calls of all kinds, a jump table, and functions that end by running into a jump.
const PROGRAM: &str = "
    .prog main syscall
    .jumptable table: one, two
        r7 = 3
        r8 = 0
    again:
        r1 = r7
        call twice
        r8 += r0
        r1 = twice ll
        r2 = r1
        r1 = r8
        callx r2
        r8 += r0
        r1 = 2
        r2 = add ll
        r3 = r10
        r4 = 0
        call bpf_loop
        r1 = r8
        r1 &= 1
        r1 <<= 3
        r2 = table ll
        r2 += r1
        r2 = *(u64 *)(r2 +0)
        gotox r2
    one:
        r8 += 1
    two:
        r7 -= 1
        if r7 != 0 goto again
        r0 = r8
        exit
    .func twice
        r0 = r1
        r0 += r1
        goto end
    end:
        exit
    .func add
        r0 = 0
        exit
";

#[test]
fn every_budget_ends_where_a_run_step_by_step_does() {
    let plan = bpf_object::compile(PROGRAM).expect("compiles");
    // A clone for each run: pointers to the stack know the run that they are of.
    let machine = Machine::new(&plan).expect("a sound plan");
    let input = Input::default();
    let all = machine.clone().run(0, &input, 10_000).expect("runs");
    assert!(all.steps > 90, "{}", all.steps);
    for budget in 0..all.steps {
        let trap = machine.clone().run(0, &input, budget).expect_err("too small a budget");
        let mut exact = machine.clone().run_traced(0, &input, budget, 0).expect_err("the same");
        // It says how many steps the trace leaves out, which is all of them.
        exact.trace = trap.trace.clone();
        assert_eq!(trap, exact, "budget {budget}");
        assert_eq!(trap.kind, TrapKind::Budget { budget });
        assert_eq!(trap.steps, budget);
    }
    for budget in [all.steps, all.steps + 1, all.steps + 40, u64::MAX] {
        assert_eq!(machine.clone().run(0, &input, budget).as_ref(), Ok(&all), "budget {budget}");
    }
}

#[test]
fn a_tail_call_into_a_longer_program_is_counted() {
    let long = "r0 += 1\n".repeat(40);
    let source = format!(
        "
        .map programs prog_array key=4 value=4 entries=1: second
        .prog main syscall
            r2 = map programs ll
            r3 = 0
            call bpf_tail_call
            r0 = 0
            exit
        .prog second syscall
            r0 = 0
            {long}
            exit"
    );
    let plan = bpf_object::compile(&source).expect("compiles");
    let mut machine = Machine::new(&plan).expect("a sound plan");
    let input = Input::default();
    let all = machine.run(0, &input, 10_000).expect("runs");
    assert_eq!((all.r0, all.steps), (40, 45));
    for budget in 0..all.steps {
        let trap = machine.run(0, &input, budget).expect_err("the budget is too small");
        assert_eq!((trap.kind, trap.steps), (TrapKind::Budget { budget }, budget));
    }
    assert_eq!(machine.run(0, &input, all.steps), Ok(all));
}
