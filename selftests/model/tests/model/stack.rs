//! The stack of a chain of calls, which may have 512 bytes together.

use bpf_model::{Input, Machine, TrapKind};
use bpf_object::compile;

/// What a program of this section gives, or the bytes and the slot of the trap.
fn ran(section: &str, body: &str) -> Result<u64, (u64, usize)> {
    let plan = compile(&format!(".prog main {section}\n{body}")).expect("compiles");
    let packet = if section == "raw_tp" { Vec::new() } else { vec![0; 64] };
    let input = match section {
        "syscall" | "raw_tp" => Input { ctx: vec![0; 16], packet: Vec::new() },
        _ => Input { ctx: Vec::new(), packet },
    };
    match Machine::new(&plan).expect("a sound plan").run(0, &input, 10_000) {
        Ok(outcome) => Ok(outcome.r0),
        Err(trap) => match trap.kind {
            TrapKind::CombinedStack { bytes } => Err((bytes, trap.slot)),
            _ => panic!("{trap}"),
        },
    }
}

/// Three functions that use so many bytes; each but the last calls the next one.
fn three(section: &str, bytes: [i32; 3]) -> Result<u64, (u64, usize)> {
    let [a, b, c] = bytes.map(|bytes| format!("*(u8 *)(r10 {:+}) = 1", -bytes));
    ran(
        section,
        &format!(
            "{a}\ncall f\nr0 = 1\nexit\n.func f\n{b}\ncall g\nr0 = 2\nexit\n.func g\n{c}\nr0 = 3\nexit"
        ),
    )
}

#[test]
fn a_chain_of_calls_has_512_bytes() {
    for section in ["syscall", "socket", "tc", "xdp"] {
        assert_eq!(three(section, [256, 128, 128]), Ok(1), "{section}");
        assert_eq!(three(section, [256, 128, 129]), Err((520, 10)), "{section}: the last one");
        assert_eq!(three(section, [256, 257, 1]), Err((520, 5)), "{section}: the second one");
    }
    assert_eq!(three("raw_tp", [512, 512, 512]), Ok(1), "these have a stack each");
}

#[test]
fn functions_that_are_called_after_each_other_are_no_chain() {
    let body = "*(u64 *)(r10 -256) = 1
         call f
         call f
         r0 = 1
         exit
         .func f
         *(u64 *)(r10 -256) = 1
         r0 = 0
         exit";
    assert_eq!(ran("syscall", body), Ok(1));
    assert_eq!(
        ran(
            "syscall",
            &body.replace("f\n         *(u64 *)(r10 -256)", "f\n         *(u64 *)(r10 -264)")
        ),
        Err((520, 7))
    );
}

#[test]
fn what_a_callee_writes_through_a_pointer_is_its_callers() {
    let body = "*(u64 *)(r10 -8) = 1
         r1 = r10
         r1 += -480
         call f
         r0 = 1
         exit
         .func f
         *(u64 *)(r10 -40) = 1
         *(u64 *)(r1 +0) = 1
         call g
         r0 = 0
         exit
         .func g
         r0 = 0
         exit";
    // What f and g have is counted where they are called: the next call of f is one too many.
    assert_eq!(ran("syscall", body), Ok(1));
    let twice = body.replacen("call f\n", "call f\nr1 = r10\nr1 += -480\ncall f\n", 1);
    assert_eq!(ran("syscall", &twice), Err((520, 11)));
}

#[test]
fn global_functions_and_callbacks_count_as_well() {
    let body = "*(u64 *)(r10 -256) = 1
         r1 = 2
         r2 = f ll
         r3 = 0
         r4 = 0
         call bpf_loop
         r0 = 1
         exit
         .func f
         *(u64 *)(r10 -128) = 1
         call g
         r0 = 0
         exit
         .global g
         *(u64 *)(r10 -128) = 1
         r0 = 0
         exit";
    assert_eq!(ran("syscall", body), Ok(1));
    let more = body.replacen("-128) = 1\n         r0", "-136) = 1\n         r0", 1);
    assert_eq!(ran("syscall", &more), Err((520, 15)));
}

#[test]
fn a_tail_call_starts_a_chain() {
    let body = "r6 = r1
         *(u64 *)(r10 -128) = 1
         call f
         r0 = 1
         exit
         .func f
         r0 = 0
         exit
         .prog second syscall
         *(u64 *)(r10 -512) = 1
         r0 = 7
         exit
         .map progs prog_array key=4 value=4 entries=1: second";
    let jump = "*(u64 *)(r10 -200) = 1\nr2 = map progs ll\nr3 = 0\ncall bpf_tail_call\nr0 = 0";
    let body = body.replacen("call f", "r1 = r6\ncall f", 1).replacen(
        "f\n         r0 = 0",
        &format!("f\n{jump}"),
        1,
    );
    assert_eq!(ran("syscall", &body), Ok(1));
}
