//! Attempts to have the verifier know too much, or too little, of what a jump table is indexed by.
//!
//! What shows it is a word of the stack: the frame has four of them, so an index that reaches the
//! store must be less than 4.

use super::narrowing::NARROWING;
use crate::Case;
use crate::builder::{accepts, ctx_u64s, errno, load_flag, rejects};

/// What the kernel says of a word that is not in the frame.
const OUTSIDE: &str = "write to stack R3";

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = linked();
    cases.extend(slots());
    cases.extend(frames());
    cases.extend(rounds());
    cases
}

/// Jumps through the entry whose number is in r2.
const JUMP: &str = "
            r2 <<= 3
            r3 = T ll
            r3 += r2
            r3 = *(u64 *)(r3 +0)
            gotox r3
        ";

/// The store at the word that r6 selects.
const STORE: &str = "
            r3 = r6
            r3 <<= 3
            r4 = r10
            r4 += -32
            r3 += r4
            *(u64 *)(r3 +0) = 1
            r0 = 5
            exit
        ";

/// The first four entries lead to `words`.
const FOUR: &str = "words, words, words, words, other, other, other, other";

/// The first five do.
const FIVE: &str = "words, words, words, words, words, other, other, other";

/// The index in r6 and, as `before` leaves it, in r2; `behind` is what the arm does in front of the
/// store.
fn program(before: &str, behind: &str, entries: &str) -> String {
    format!(
        "
            r6 = *(u64 *)(r1 +0)
            {before}
            {JUMP}
        other:
            r0 = 100
            exit
        words:
            {behind}
            {STORE}
        .jumptable T: {entries}
        "
    )
}

/// A case that holds with four entries and is refused with five.
fn both(name: &str, about: &str, before: &str, behind: &str, runs: &[(u64, u32)]) -> Vec<Case> {
    vec![
        accepts(format!("gotox/attack_{name}"), about, program(before, behind, FOUR))
            .runs(runs)
            .flags(load_flag::TEST_STATE_FREQ)
            .fixed_by(NARROWING)
            .into(),
        rejects(
            format!("gotox/attack_{name}_one_more"),
            format!("{about}; one entry more leads to the store"),
            program(before, behind, FIVE),
        )
        .log(OUTSIDE)
        .into(),
    ]
}

fn linked() -> Vec<Case> {
    let mut cases = both(
        "constant_subtracted",
        "the first entry is that of 10, by a subtraction in 64 bits",
        "if r6 > 100 goto other\nr2 = r6\nr2 -= 10\nif r2 > 7 goto other",
        "r6 -= 10",
        &[(10, 5), (13, 5), (14, 100), (17, 100), (9, 100), (18, 100)],
    );
    cases.extend(both(
        "constant_wraps_in_32_bits",
        "the index is 10 more than a number of 32 bits near its end, which wraps around",
        "w6 = w6\nr2 = r6\nw2 += 10\nif w2 > 7 goto other",
        "w6 += 10",
        &[(0xffff_fff6, 5), (0xffff_fff9, 5), (0xffff_fffa, 100), (0, 100)],
    ));
    cases.extend(both(
        "copy_of_copy",
        "copies of 8, 32 and 64 bits, with and without the sign, of what fits",
        "r6 &= 7\nr7 = (s8)r6\nw8 = w7\nw2 = (s16)w8",
        "r6 = r7",
        &[(0, 5), (3, 5), (4, 100), (7, 100)],
    ));
    let refused = |name: &str, about: &str, before: &str, behind: &str| -> Case {
        rejects(format!("gotox/attack_{name}"), about, program(before, behind, FOUR)).into()
    };
    let outside = |name: &str, about: &str, before: &str, behind: &str| -> Case {
        rejects(format!("gotox/attack_{name}"), about, program(before, behind, FOUR))
            .errno(errno::EACCES)
            .into()
    };
    cases.extend([
        refused(
            "lower_half",
            "the index is the lower half of a number",
            "w2 = w6\nif w2 > 7 goto other",
            "",
        ),
        refused(
            "sign_of_a_byte",
            "the index is a byte with its sign, the number the byte without",
            "r6 &= 0xff\nr2 = (s8)r6\nif r2 > 7 goto other\nif r2 s< 0 goto other\nr6 <<= 1\nr6 &= 7",
            "",
        ),
        outside(
            "shifted_in_32_bits",
            "the shift is one of 32 bits",
            "w6 = w6\nr2 = r6\nw2 <<= 29\nw2 >>= 29",
            "",
        ),
        outside(
            "shifted_back",
            "the offset is shifted back and once more",
            "w6 = w6\nr2 = r6\nr2 <<= 3\nw2 >>= 3\nr2 &= 7",
            "",
        ),
        refused(
            "constant_added_twice",
            "two constants are added, of which the first is not the whole difference",
            "r6 &= 7\nr2 = r6\nr2 += 1\nr2 += 1\nr2 &= 7",
            "",
        ),
        refused(
            "overwritten_by_another_copy",
            "behind the copy the number is replaced by another one",
            "r6 &= 7\nr2 = r6\nr6 = *(u64 *)(r1 +8)\nr6 &= 7",
            "",
        ),
    ]);
    cases
}

fn slots() -> Vec<Case> {
    let mut cases = both(
        "slot_of_32_bits",
        "the number is in four bytes of the stack",
        "r6 &= 7\n*(u32 *)(r10 -40) = r6\nr2 = *(u32 *)(r10 -40)\nr6 = 0",
        "r6 = *(u32 *)(r10 -40)",
        &[(0, 5), (3, 5), (4, 100), (7, 100)],
    );
    let refused = |name: &str, about: &str, before: &str, behind: &str| -> Case {
        rejects(format!("gotox/attack_{name}"), about, program(before, behind, FOUR)).into()
    };
    cases.extend([
        refused(
            "slot_changed_atomically",
            "the number's slot is added to behind the copy",
            "r6 &= 7\n*(u64 *)(r10 -40) = r6\nr2 = *(u64 *)(r10 -40)\nr7 = 4\n\
             lock *(u64 *)(r10 -40) += r7",
            "r6 = *(u64 *)(r10 -40)\nr6 &= 7",
        ),
        refused(
            "slot_changed_in_part",
            "a byte of the number's slot is written behind the copy",
            "r6 &= 7\nr7 = *(u64 *)(r1 +8)\n*(u64 *)(r10 -40) = r6\nr2 = *(u64 *)(r10 -40)\n\
             *(u8 *)(r10 -40) = r7",
            "r6 = *(u64 *)(r10 -40)\nr6 &= 7",
        ),
        refused(
            "slot_cut",
            "a byte of the number is what is used behind the jump",
            "w6 = w6\n*(u64 *)(r10 -40) = r6\nr2 = r6\nr2 &= 7",
            "r6 = *(u8 *)(r10 -40)",
        ),
        refused(
            "slot_at_a_variable_place",
            "another number is written to one of two slots, of which the number's is one",
            "r6 &= 7\nr7 = *(u64 *)(r1 +8)\n*(u64 *)(r10 -40) = r6\n*(u64 *)(r10 -48) = r6\n\
             r2 = *(u64 *)(r10 -40)\nr8 = *(u64 *)(r1 +16)\nr8 &= 8\nr9 = r10\nr9 += -48\nr9 += r8\n\
             *(u64 *)(r9 +0) = r7",
            "r6 = *(u64 *)(r10 -40)\nr6 &= 7",
        ),
    ]);
    cases
}

/// The caller has the number, its callee jumps.
fn callee_jumps(entries: &str) -> String {
    format!(
        "
            r6 = *(u64 *)(r1 +0)
            r6 &= 7
            r1 = r6
            call choose
            if r0 == 0 goto other
            {STORE}
        other:
            r0 = 100
            exit
        .func choose
            r2 = r1
            {JUMP}
        no:
            r0 = 0
            exit
        yes:
            r0 = 1
            exit
        .jumptable T: {entries}
        "
    )
}

fn frames() -> Vec<Case> {
    [0, load_flag::TEST_STATE_FREQ]
        .into_iter()
        .zip(["", "_all_states"])
        .flat_map(|(flags, suffix)| {
            [
                accepts(
                    format!("gotox/attack_index_of_the_caller{suffix}"),
                    "a callee jumps by what its caller uses behind the call",
                    callee_jumps("yes, no, yes, yes, no, no, no, no"),
                )
                .runs(&[(0, 5), (1, 100), (2, 5), (3, 5), (4, 100)])
                .flags(flags)
                .fixed_by(NARROWING)
                .into(),
                rejects(
                    format!("gotox/attack_index_of_the_caller_a_later_row{suffix}"),
                    "the same; a second row of entries leads there, with another index in the caller",
                    callee_jumps("yes, yes, no, no, no, no, yes, no"),
                )
                .errno(errno::EACCES)
                .log(OUTSIDE)
                .flags(flags)
                .fixed_by(NARROWING)
                .into(),
            ]
        })
        .collect()
}

/// A loop with a jump in each round; the number is loaded in front of it.
fn in_a_loop(entries: &str, behind: &str) -> String {
    format!(
        "
            r6 = *(u64 *)(r1 +0)
            r6 &= 7
            r7 = 0
            r8 = *(u64 *)(r1 +8)
        head:
            r2 = r6
            {JUMP}
        other:
            if r8 == 0 goto out
            r6 += 1
            r6 &= 7
            r7 += 1
            if r7 < 3 goto head
        out:
            r0 = 100
            exit
        words:
            {behind}
            {STORE}
        .jumptable T: {entries}
        "
    )
}

fn rounds() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (flags, suffix) in [(0, ""), (load_flag::TEST_STATE_FREQ, "_all_states")] {
        cases.push(
            accepts(
                format!("gotox/attack_loop{suffix}"),
                "a number that changes is jumped by in each round",
                in_a_loop(FOUR, ""),
            )
            .run(ctx_u64s(&[0, 1]), 5)
            .run(ctx_u64s(&[4, 0]), 100)
            .run(ctx_u64s(&[5, 1]), 100)
            .run(ctx_u64s(&[6, 1]), 5)
            .flags(flags)
            .fixed_by(NARROWING)
            .into(),
        );
        cases.push(
            rejects(
                format!("gotox/attack_loop_one_more{suffix}"),
                "the same; one entry more leads to the store",
                in_a_loop(FIVE, ""),
            )
            .log(OUTSIDE)
            .flags(flags)
            .into(),
        );
        cases.push(
            rejects(
                format!("gotox/attack_loop_number_behind{suffix}"),
                "the same; the number is changed behind the jump as well",
                in_a_loop(FOUR, "r6 += 1"),
            )
            .log(OUTSIDE)
            .flags(flags)
            .into(),
        );
    }
    cases
}
