//! Small programs, or small parts of large ones, that made the verifier's work grow out of proportion:
//! with the square of a jump's targets, with the edges for each call, with the table for each jump.

use std::fmt::Write as _;

use super::{Dispatch, Kind};
use crate::builder::accepts;
use crate::{Case, Feature};

/// Title of the patch without which the first two do not end.
const ONCE: &str = "bpf: Compute the targets of indirect jumps once";

/// `f` has `jumps` indirect jumps through a table of all of them, and is called `calls` times with a
/// pointer to the stack: what it does with the stack is computed for each call.
fn called_with_frame(calls: usize, jumps: usize) -> String {
    let mut text = "r1 = r10\ncall f\n".repeat(calls);
    text += "
        exit
    .func f
        r0 = 3
        r3 = T ll
        r3 = *(u64 *)(r3 +0)
        gotox r3
    out:
        exit
    ";
    let mut names = String::from("out");
    for number in 1..jumps {
        let _ = writeln!(text, "b{number}:\ngotox r3");
        let _ = write!(names, ", b{number}");
    }
    text + ".jumptable T: " + &names + "\n"
}

/// One jump to so many instructions, each of which ends the program.
fn many_ends(targets: usize) -> String {
    let mut text = format!(
        "
            r0 = 1
            r2 = *(u64 *)(r1 +0)
            r2 %= {targets}
            r2 <<= 3
            r3 = T ll
            r3 += r2
            r3 = *(u64 *)(r3 +0)
            gotox r3
        "
    );
    let mut names = Vec::new();
    for number in 0..targets {
        let _ = writeln!(text, "t{number}:\nexit");
        names.push(format!("t{number}"));
    }
    text + ".jumptable T: " + &names.join(", ") + "\n"
}

/// A loop with a jump whose table has so many entries, of two targets in turn and a third at the end.
fn large_table(entries: usize, rounds: usize) -> String {
    let text = format!(
        "
            r7 = r1
            r6 = 0
        head:
            r9 = *(u64 *)(r7 +0)
            r9 %= {entries}
            r9 <<= 3
            r1 = T ll
            r1 += r9
            r1 = *(u64 *)(r1 +0)
            gotox r1
        a:
            r8 = 1
            goto join
        b:
            r8 = 2
            goto join
        c:
            r8 = 3
        join:
            r6 += 1
            if r6 != {rounds} goto head
            r0 = r6
            exit
        "
    );
    text + ".jumptable T: " + &"a, b, ".repeat(entries / 2) + "c\n"
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![
        accepts(
            "dispatch/attack_jumps_called_with_frames",
            "300 calls, with a pointer to the stack, of a function with 362 times 362 edges",
            called_with_frame(300, 362),
        )
        .needs(Feature::Gotox)
        .fixed_by(ONCE)
        .runs(&[(0, 3)])
        .into(),
        accepts(
            "dispatch/attack_many_ends",
            "a jump to 100000 instructions that are the end",
            many_ends(100_000),
        )
        .needs(Feature::Gotox)
        .fixed_by(ONCE)
        .runs(&[(0, 1), (99_999, 1)])
        .into(),
        accepts(
            "dispatch/attack_large_table",
            "100 rounds of a loop with a table of 50001 entries and three targets",
            large_table(50_001, 100),
        )
        .needs(Feature::Gotox)
        .runs(&[(0, 100), (50_000, 100)])
        .into(),
    ];
    for (kind, name, feature) in
        [(Kind::Gotox, "gotox", Feature::Gotox), (Kind::Callx, "callx", Feature::Callx)]
    {
        let rounds = 4_000;
        cases.push(super::case(
            format!("dispatch/attack_{name}_2_{rounds}"),
            format!(
                "{rounds} rounds of a loop over two functions: states are not compared for ever"
            ),
            feature,
            Dispatch::new(kind, 2, rounds),
        ));
    }
    cases
}
