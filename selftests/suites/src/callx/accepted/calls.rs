//! Call structure: global functions, many functions, loops, functions that call one another.

use std::fmt::Write as _;

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::accepts;
use crate::callx::shape::pick;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = globals();
    cases.extend(many());
    cases.extend(one_another());
    cases
}

/// Global functions, which the verifier verifies separately.
fn globals() -> Vec<Case> {
    vec![
        accepts(
            "callx/in_global_function",
            "a global function calls a static one through a register",
            "
                r1 = *(u64 *)(r1 +0)
                call g
                exit
            .global g
                r2 = f ll
                callx r2
                r0 += 1
                exit
            .func f
                r0 = r1
                r0 *= 2
                exit
            ",
        )
        .runs(&[(4, 9)])
        .into(),
        accepts(
            "callx/callee_calls_global",
            "the callee calls a global function",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = f ll
                callx r2
                exit
            .func f
                call g
                r0 += 1
                exit
            .global g
                r0 = r1
                r0 *= 2
                exit
            ",
        )
        .runs(&[(4, 9)])
        .into(),
        accepts(
            "callx/global_between",
            "through a register, by name to a global function, and through a register again",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = f ll
                callx r2
                r0 += 1
                exit
            .func f
                call g
                r0 += 10
                exit
            .global g
                r2 = h ll
                callx r2
                r0 += 100
                exit
            .func h
                r0 = r1
                r0 *= 2
                exit
            ",
        )
        .runs(&[(4, 119)])
        .into(),
        accepts(
            "callx/same_function_on_both_sides_of_global",
            "a function is called before a global function and in it, never twice at a time",
            "
                r6 = *(u64 *)(r1 +0)
                r1 = r6
                r2 = f ll
                callx r2
                r1 = r0
                call g
                exit
            .global g
                r2 = f ll
                callx r2
                r0 += 100
                exit
            .func f
                r0 = r1
                r0 += 1
                exit
            ",
        )
        .runs(&[(4, 106)])
        .into(),
        accepts(
            "callx/global_static_without_btf",
            "without BTF a function with a global symbol is a function like any other",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = g ll
                callx r2
                exit
            .global g
                r0 = r1
                r0 += 3
                exit
            ",
        )
        .btf(BtfUse::Never)
        .runs(&[(4, 7)])
        .into(),
    ]
}

/// Dozens of functions.
fn many() -> Vec<Case> {
    const FUNCTIONS: usize = 40;
    let mut chosen = String::from("r6 = *(u64 *)(r1 +0)\nr1 = r6\n");
    let mut in_turn = String::from("r1 = 1\n");
    let mut functions = String::new();
    for number in 0..FUNCTIONS {
        let _ = writeln!(chosen, "r2 = f{number} ll\nif r6 == {number} goto go");
        let _ = writeln!(in_turn, "r2 = f{number} ll\ncallx r2\nr0 &= 0xff\nr1 = r0");
        let _ = writeln!(functions, ".func f{number}\nr0 = r1\nr0 += {number}\nexit");
    }
    let sum = (FUNCTIONS * (FUNCTIONS - 1) / 2 + 1) as u32 & 0xff;
    vec![
        accepts(
            "callx/forty_functions_at_one_call",
            "one call that 40 functions come to",
            format!("{chosen}go:\ncallx r2\nexit\n{functions}"),
        )
        .runs(&[(0, 0), (1, 2), (17, 34), (39, 78), (1000, 1039)])
        .into(),
        accepts(
            "callx/forty_functions_in_turn",
            "40 calls, each of another function",
            format!("{in_turn}exit\n{functions}"),
        )
        .runs(&[(0, sum)])
        .into(),
        accepts(
            "callx/loop_of_calls",
            "a bounded loop calls alternately",
            "
                r6 = 0
                r7 = 0
            again:
                r2 = a ll
                r8 = r6
                r8 &= 1
                if r8 == 0 goto go
                r2 = b ll
            go:
                r1 = r7
                callx r2
                r7 = r0
                r7 &= 0xffff
                r6 += 1
                if r6 < 6 goto again
                r0 = r7
                exit
            .func a
                r0 = r1
                r0 += 1
                exit
            .func b
                r0 = r1
                r0 += 100
                exit
            ",
        )
        .runs(&[(0, 303)])
        .into(),
    ]
}

/// Functions that call one another, without recursion.
fn one_another() -> Vec<Case> {
    const FUNCTIONS: usize = 9;
    let mut source = String::new();
    for caller in 0..FUNCTIONS {
        for callee in (0..FUNCTIONS).filter(|callee| *callee != caller) {
            let _ = writeln!(source, "r1 = f{callee} ll\nr2 = 0\nr7 = f{caller} ll\ncallx r7");
        }
    }
    source += "exit\n";
    for function in 0..FUNCTIONS {
        let _ = write!(
            source,
            "
            .func f{function}
                r0 = {function}
                if r2 == 1 goto out
                r2 = 1
                callx r1
            out:
                exit
            "
        );
    }
    vec![
        accepts(
            "callx/false_cycle",
            "a calls b for one caller, b calls a for another: a cycle that nothing runs through",
            "
                r1 = b ll
                r2 = leaf ll
                call a
                r6 = r0
                r1 = a ll
                r2 = leaf ll
                call b
                r0 += r6
                exit
            .func a
                *(u64 *)(r10 -8) = r1
                r3 = r1
                r1 = r2
                r2 = r1
                callx r3
                r0 += 1
                exit
            .func b
                *(u64 *)(r10 -16) = r1
                r3 = r1
                r1 = r2
                r2 = r1
                callx r3
                r0 += 10
                exit
            .func leaf
                r0 = 100
                exit
            ",
        )
        .runs(&[(0, 222)])
        .into(),
        accepts(
            "callx/each_calls_each_once",
            "9 functions call one another: merged into one graph of calls they would be a maze of \
             cycles",
            source,
        )
        .runs(&[(0, 7)])
        .into(),
        accepts(
            "callx/wrapper_around_two_functions",
            "a function that calls what it is given is used for two functions one after the other",
            format!(
                "
                {}
                    r1 = r7
                    call apply
                    r8 = r0
                    r1 = b ll
                    call apply
                    r0 += r8
                    exit
                .func apply
                    callx r1
                    exit
                .func a
                    r0 = 1
                    exit
                .func b
                    r0 = 2
                    exit
                ",
                pick("r7")
            ),
        )
        .runs(&[(0, 3), (1, 4)])
        .into(),
    ]
}
