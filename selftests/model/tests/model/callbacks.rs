//! `bpf_loop` and its callbacks, tail calls, spin locks.

use bpf_model::{Input, Machine, Outcome, Trap, TrapKind};

use crate::common::{HASH, map, r0 as r0_of, run as run_plan, trap as trap_of};

fn plan(source: &str) -> bpf_object::LoadPlan {
    bpf_object::compile(source).unwrap_or_else(|error| panic!("{error}"))
}

fn r0(source: &str) -> u64 {
    r0_of(&plan(source))
}

fn trap(source: &str) -> (usize, TrapKind) {
    trap_of(&plan(source))
}

fn run(source: &str, words: &[u64]) -> Result<Outcome, Box<Trap>> {
    let ctx = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    run_plan(&plan(source), &Input { ctx, packet: Vec::new() })
}

/// A loop over `f`, which starts at slot 7; with a count of one slot.
fn looped(count: &str, f: &str) -> String {
    format!("r1 = {count}\nr2 = f ll\nr3 = r10\nr4 = 0\ncall bpf_loop\nexit\n.func f\n{f}")
}

#[test]
fn a_loop_calls_until_it_is_told_to_stop() {
    let stop_at_3 = "r0 = 0\nif r1 != 3 goto out\nr0 = 1\nout: exit";
    assert_eq!(r0(&looped("0", stop_at_3)), 0);
    assert_eq!(r0(&looped("1", stop_at_3)), 1);
    assert_eq!(r0(&looped("4", stop_at_3)), 4);
    assert_eq!(r0(&looped("9", stop_at_3)), 4);
    assert_eq!(r0(&looped("5", "r0 = 0\nexit")), 5);
    // The count has 32 bits.
    assert_eq!(r0(&looped("0x100000002 ll", "r0 = 0\nexit")), 2);
    assert_eq!(r0(&looped("8388609", "r0 = 0\nexit")) as i64, -7);
    let flags = looped("5", "r0 = 0\nexit").replace("r4 = 0", "r4 = 1");
    assert_eq!(r0(&flags) as i64, -22);
}

#[test]
fn a_callback_gets_index_and_context_alone() {
    let sum = "
        *(u64 *)(r10 -8) = 100
        r6 = 77
        r1 = 4
        r2 = f ll
        r3 = r10
        r3 += -8
        r4 = 0
        call bpf_loop
        r0 = *(u64 *)(r10 -8)
        r0 += r6
        exit
        .func f
        r6 = *(u64 *)(r2 +0)
        r6 += r1
        *(u64 *)(r2 +0) = r6
        r0 = 0
        exit";
    assert_eq!(r0(sum), 100 + 1 + 2 + 3 + 77);
    for reg in [0, 3, 4, 5, 6, 9] {
        let source = looped("2", &format!("r1 = r{reg}\nr0 = 0\nexit"));
        assert_eq!(trap(&source), (7, TrapKind::UninitRegister { reg }));
    }
    // In every round: what the one before left is gone.
    let second = "if r1 == 0 goto set\nr0 = r6\nexit\nset: r6 = 1\nr0 = 0\nexit";
    assert_eq!(trap(&looped("2", second)), (8, TrapKind::UninitRegister { reg: 6 }));
    let stack = "if r1 == 0 goto set\nr0 = *(u64 *)(r10 -8)\nexit\n\
                 set: *(u64 *)(r10 -8) = 0\nr0 = 0\nexit";
    assert!(matches!(trap(&looped("2", stack)), (8, TrapKind::UninitStack { .. })));
    assert_eq!(trap(&looped("2", "exit")), (7, TrapKind::UninitRegister { reg: 0 }));
    for reg in 1..6 {
        let after =
            looped("1", "r0 = 0\nexit").replace("bpf_loop\n", &format!("bpf_loop\nr0 = r{reg}\n"));
        assert_eq!(trap(&after), (6, TrapKind::UninitRegister { reg }));
    }
}

#[test]
fn a_loop_takes_functions_alone() {
    let source = looped("1", "r0 = 0\nexit").replace("r2 = f ll", "r2 = f ll\nr2 = 5");
    let (slot, kind) = trap(&source);
    assert_eq!(slot, 6);
    assert_eq!(kind.to_string(), "helper 181: r2 is a scalar, expected a function");
}

#[test]
fn callbacks_nest_and_call_through_registers() {
    let nested = "
        r1 = 3
        r2 = outer ll
        r3 = leaf ll
        *(u64 *)(r10 -8) = r3
        *(u64 *)(r10 -16) = 0
        r3 = r10
        r4 = 0
        call bpf_loop
        r0 = *(u64 *)(r10 -16)
        exit
        .func outer
        r1 = 2
        r3 = r2
        r2 = inner ll
        r4 = 0
        call bpf_loop
        r0 = 0
        exit
        .func inner
        r3 = *(u64 *)(r2 -8)
        r1 = r2
        callx r3
        r0 = 0
        exit
        .func leaf
        r2 = *(u64 *)(r1 -16)
        r2 += 1
        *(u64 *)(r1 -16) = r2
        exit";
    assert_eq!(r0(nested), 6);
}

const TAIL: &str = "
    .prog first syscall
        r6 = *(u64 *)(r1 +0)
        r3 = *(u64 *)(r1 +8)
        r2 = map progs ll
        call bpf_tail_call
        r0 = 10
        exit
    .prog second syscall
        r0 = *(u64 *)(r1 +0)
        r0 += 20
        exit
    .map progs prog_array key=4 value=4 entries=4: first, -, second
";

#[test]
fn a_tail_call_does_not_come_back() {
    for (index, expected) in [(2, 25), (1, 10), (3, 10), (4, 10), (u64::MAX, 10)] {
        assert_eq!(run(TAIL, &[5, index]).expect("runs").r0, expected, "index {index}");
    }
    // The index has 32 bits.
    assert_eq!(run(TAIL, &[5, 0x7_0000_0002]).expect("runs").r0, 25);
    // The last of 33 fails, in the program itself.
    assert_eq!(run(TAIL, &[5, 0]).expect("runs").steps, 34 * 4 + 2);
}

#[test]
fn a_trace_follows_a_tail_call() {
    let mut machine = Machine::new(&plan(TAIL)).expect("a sound plan");
    let ctx = [5u64, 2].iter().flat_map(|word| word.to_le_bytes()).collect();
    let (_, trace) =
        machine.run_traced(0, &Input { ctx, packet: Vec::new() }, 100, 4).expect("runs");
    let shown: Vec<_> = trace
        .entries
        .iter()
        .map(|entry| format!("{} {}", entry.program, entry.to_string().trim_start()))
        .collect();
    assert_eq!(trace.left_out, 3);
    assert_eq!(
        shown,
        [
            "0 4: (85) call bpf_tail_call#12  ; r10 = stack frame 0 +0",
            "1 0: (79) r0 = *(u64 *)(r1 +0)  ; r0 = 0x5",
            "1 1: (07) r0 += 20  ; r0 = 0x19",
            "1 2: (95) exit",
        ]
    );
}

#[test]
fn a_tail_call_keeps_nothing_but_the_context() {
    let second = |code: &str| TAIL.replace("r0 = *(u64 *)(r1 +0)", code);
    let trap = |source: &str| run(source, &[5, 2]).expect_err("traps");
    let found = trap(&second("r0 = r6"));
    assert_eq!((found.program, found.slot), (1, 0));
    assert_eq!(found.insn, "(bf) r0 = r6");
    assert_eq!(found.kind, TrapKind::UninitRegister { reg: 6 });
    let spilled = second("r0 = *(u64 *)(r10 -8)").replace("r3 =", "*(u64 *)(r10 -8) = 1\nr3 =");
    assert!(matches!(trap(&spilled).kind, TrapKind::UninitStack { .. }));
    // r0 is nothing where the call failed.
    let failed = TAIL.replace("r0 = 10", "r0 += 0");
    assert_eq!(run(&failed, &[5, 1]).expect_err("traps").kind, TrapKind::UninitRegister { reg: 0 });
    let context = TAIL.replace("r2 = map", "r1 += 8\nr2 = map");
    assert_eq!(trap(&context).kind.to_string(), "helper 12: r1 is not the context");
    let map = TAIL.replace("r2 = map progs ll", "r2 = map other ll")
        + ".map other hash key=4 value=4 entries=1";
    assert_eq!(trap(&map).kind.to_string(), "helper 12: r2 is no prog array");
}

#[test]
fn a_tail_call_in_a_function_returns_to_its_caller() {
    let source = "
        .prog first syscall
            r6 = 100
            call f
            r0 += r6
            exit
        .func f
            r2 = map progs ll
            r3 = 0
            call bpf_tail_call
            r0 = 0
            exit
        .prog second syscall
            call g
            r0 += 3
            exit
        .func g
            r0 = 1
            exit
        .map progs prog_array key=4 value=4 entries=1: second
        ";
    assert_eq!(r0(source), 104);
}

/// A program that holds the lock of a value, whose address is in r6.
fn locked(rest: &str) -> String {
    format!(
        "r6 = m ll\nr1 = r6\nr1 += 4\ncall bpf_spin_lock\n{rest}\n\
         .map m array key=4 value=16 entries=1 lock=4"
    )
}

const UNLOCK: &str = "r1 = r6\nr1 += 4\ncall bpf_spin_unlock";

#[test]
fn a_lock_guards_its_value() {
    let source = locked(&format!("*(u64 *)(r6 +8) = 5\n{UNLOCK}\nr0 = *(u64 *)(r6 +8)\nexit"));
    assert_eq!(r0(&source), 5);
    let plan = plan(&source);
    assert_eq!(plan.maps[0].spin_lock, Some(4));
    let mut machine = Machine::new(&plan).unwrap();
    machine.run(0, &Input::default(), 100).unwrap();
    let value = [0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(machine.map(0).unwrap().lookup(&[0; 4]), Some(&value[..]));
}

#[test]
fn a_lock_is_taken_once_and_released() {
    let why = |rest: &str| trap(&locked(rest)).1.to_string();
    assert_eq!(why("r0 = 0\nexit"), "the spin lock is held at the end of the program");
    assert_eq!(
        why("r1 = r6\nr1 += 4\ncall bpf_spin_lock\nexit"),
        "the spin lock is taken while one is held"
    );
    assert_eq!(why("call bpf_jiffies64\nexit"), "the spin lock is held while a helper is called");
    assert_eq!(why(&format!("{UNLOCK}\n{UNLOCK}\nexit")), "the spin lock is released but not held");
    assert_eq!(why(&format!("{UNLOCK}\nr1 = r0\nexit")), "r0 is read but was not written");
    let other = locked("r1 = other ll\ncall bpf_spin_unlock\nexit")
        + "\n.map other array key=4 value=4 entries=1 lock=0";
    assert_eq!(trap(&other).1.to_string(), "the spin lock is released but not held");
    let wrong = locked("exit").replace("r1 += 4", "r1 += 8");
    assert_eq!(
        trap(&wrong).1.to_string(),
        "helper 93: r1 is not the address of the lock in a map's value"
    );
    let number = locked("exit").replace("r1 += 4", "r1 = 4");
    assert!(matches!(trap(&number).1, TrapKind::HelperArgument { reg: 1, .. }));
}

#[test]
fn a_lock_is_not_memory() {
    let access = |code: &str| {
        let source = locked(&format!("{UNLOCK}\n{code}\nr0 = 1\nexit"));
        match run(&source, &[]) {
            Ok(outcome) => outcome.r0.to_string(),
            Err(trap) => trap.kind.to_string(),
        }
    };
    for code in ["r1 = *(u8 *)(r6 +3)", "*(u32 *)(r6 +8) = 1", "r1 = *(u32 *)(r6 +0)"] {
        assert_eq!(access(code), "1", "{code}");
    }
    let accesses = [
        "r1 = *(u8 *)(r6 +4)",
        "r1 = *(u8 *)(r6 +7)",
        "r1 = *(u64 *)(r6 +0)",
        "*(u64 *)(r6 +0) = 1",
        "*(u16 *)(r6 +6) = 1",
    ];
    for code in accesses {
        assert_eq!(access(code), "the spin lock is accessed directly", "{code}");
    }
}

#[test]
fn a_lock_has_to_fit_the_map() {
    let refused = |change: fn(&mut bpf_object::MapPlan)| {
        let mut locked = map(HASH, 4, 16, 1);
        locked.spin_lock = Some(12);
        change(&mut locked);
        let plan = bpf_object::LoadPlan { maps: vec![locked], ..plan("exit") };
        Machine::new(&plan).err().map(|error| error.to_string())
    };
    assert_eq!(refused(|_| {}), None);
    let why = |why: &str| Some(format!("cannot create map 0: {why}"));
    assert_eq!(refused(|map| map.spin_lock = Some(13)), why("the lock is not aligned"));
    assert_eq!(refused(|map| map.spin_lock = Some(16)), why("the lock reaches out of the value"));
    assert_eq!(
        refused(|map| map.map_type = 6),
        why("a map of this type has no lock in its values")
    );
    assert_eq!(
        refused(|map| map.flags = 128),
        why("a map with a lock is one that programs read and write")
    );
}
