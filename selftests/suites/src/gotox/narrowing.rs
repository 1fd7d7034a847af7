//! After the jump, the index is known to be one of those that lead to the target, as after
//! comparisons.
//!
//! This shows in an access to a stack word selected by the index: the frame has four of them, so
//! the index must be known to be less than 4, or a multiple of 2.

use crate::Case;
use crate::builder::{accepts, errno, load_flag, rejects};

/// Subject of the patch.
pub(crate) const NARROWING: &str = "bpf: Narrow what a jump table is indexed by";

/// The kernel's message for a word outside of the frame.
const OUTSIDE: &str = "write to stack R3";

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = accepted();
    cases.extend(rejected());
    cases
}

/// A program that sets r6 to the index with `index`, jumps with `jump`, and after the jump stores
/// to the stack word selected by r6; `entries` is the table.
fn program(index: &str, jump: &str, entries: &str) -> String {
    format!(
        "
            {index}
            {jump}
        other:
            r0 = 100
            exit
        words:
            r3 = r6
            r3 <<= 3
            r4 = r10
            r4 += -32
            r3 += r4
            *(u64 *)(r3 +0) = 1
            r0 = 5
            exit
        .jumptable T: {entries}
        "
    )
}

/// Sets r6 to the context's first word modulo 8.
const MASKED: &str = "r6 = *(u64 *)(r1 +0)\nr6 &= 7";

/// Jumps through the entry selected by r6.
const JUMP: &str = "
            r2 = r6
            r2 <<= 3
            r3 = T ll
            r3 += r2
            r3 = *(u64 *)(r3 +0)
            gotox r3
        ";

/// The first four entries lead to `words`.
const FOUR: &str = "words, words, words, words, other, other, other, other";

fn accepted() -> Vec<Case> {
    let four = |name: &str, about: &str, index: &str, jump: &str| {
        accepts(format!("gotox/narrow_{name}"), about, program(index, jump, FOUR))
            .runs(&[(0, 5), (3, 5), (4, 100), (7, 100)])
            .fixed_by(NARROWING)
    };
    vec![
        four("masked", "the index is less than 4 behind the entries 0 to 3", MASKED, JUMP).into(),
        four("masked_all_states", "the same with a state at each instruction", MASKED, JUMP)
            .flags(load_flag::TEST_STATE_FREQ)
            .into(),
        four(
            "compared",
            "the index is 32 bits wide and bounded by a comparison, as clang writes it",
            "r6 = *(u32 *)(r1 +0)\nif w6 > 7 goto other",
            JUMP,
        )
        .into(),
        four(
            "spilled",
            "the index is in the frame while the program jumps",
            MASKED,
            "
            *(u64 *)(r10 -40) = r6
            r2 = r6
            r6 = 0
            r2 <<= 3
            r3 = T ll
            r3 += r2
            r3 = *(u64 *)(r3 +0)
            *(u64 *)(r10 -48) = r3
            r3 = *(u64 *)(r10 -48)
            r6 = *(u64 *)(r10 -40)
            gotox r3
            ",
        )
        .into(),
        four(
            "pointer_added_to_index",
            "the table is added to the offset",
            MASKED,
            "
            r2 = r6
            r2 <<= 3
            r3 = T ll
            r2 += r3
            r2 = *(u64 *)(r2 +0)
            gotox r2
            ",
        )
        .into(),
        accepts(
            "gotox/narrow_first_case_not_zero",
            "the first entry is that of 10: a constant is subtracted first, in 32 bits",
            program(
                "r6 = *(u32 *)(r1 +0)\nw2 = w6\nw2 += -10\nif w2 > 7 goto other",
                &JUMP.replace("r2 = r6", ""),
                FOUR,
            )
            .replace("words:", "words:\nr6 += -10"),
        )
        .runs(&[(10, 5), (13, 5), (14, 100), (17, 100), (9, 100), (18, 100), (0, 100)])
        .fixed_by(NARROWING)
        .into(),
        accepts(
            "gotox/narrow_rows_of_one_target",
            "the entries 0 and 2 lead to one place, where 4 times the index is aligned to 8",
            program(MASKED, JUMP, "words, other, words, other, other, other, other, other")
                .replace("r3 <<= 3\n            r4", "r3 <<= 2\n            r4"),
        )
        .runs(&[(0, 5), (2, 5), (1, 100), (3, 100)])
        .fixed_by(NARROWING)
        .into(),
        accepts(
            "gotox/narrow_two_ways_in",
            "two paths meet in front of the jump, each with an index of its own",
            program(
                "
                r6 = *(u64 *)(r1 +0)
                r7 = r6
                r6 &= 7
                if r7 > 7 goto jump
                r6 = *(u64 *)(r1 +0)
                r6 &= 3
            jump:
                ",
                JUMP,
                FOUR,
            ),
        )
        .runs(&[(0, 5), (4, 5), (8, 5), (12, 100)])
        .flags(load_flag::TEST_STATE_FREQ)
        .fixed_by(NARROWING)
        .into(),
    ]
}

fn rejected() -> Vec<Case> {
    let refused = |name: &str, about: &str, index: &str, jump: &str, entries: &str| {
        rejects(format!("gotox/narrow_not_{name}"), about, program(index, jump, entries))
            .log(OUTSIDE)
    };
    let jump_after = |change: &str| JUMP.replace("gotox r3", &format!("{change}\ngotox r3"));
    vec![
        refused(
            "one_entry_more",
            "the entry 4 leads to the store, too: one word past the frame",
            MASKED,
            JUMP,
            "words, words, words, words, words, other, other, other",
        )
        .into(),
        refused(
            "a_later_row",
            "a second row of entries leads there: its indices are others",
            MASKED,
            JUMP,
            "words, words, other, other, other, words, other, other",
        )
        .errno(errno::EACCES)
        .fixed_by(NARROWING)
        .into(),
        refused(
            "changed_before_jump",
            "1 is added to the index between the load and the jump",
            MASKED,
            &jump_after("r6 += 1"),
            FOUR,
        )
        .into(),
        refused(
            "read_again_before_jump",
            "the index is read again between the load and the jump",
            MASKED,
            &jump_after("r6 = *(u64 *)(r1 +0)\nr6 &= 7"),
            FOUR,
        )
        .into(),
        refused(
            "the_unmasked",
            "the table is indexed by some bits of it",
            "r6 = *(u64 *)(r1 +0)\nr6 &= 15",
            &JUMP.replace("r2 <<= 3", "r2 &= 7\nr2 <<= 3"),
            FOUR,
        )
        .into(),
        rejects(
            "gotox/narrow_not_what_overflowed",
            "the upper bits of the index are shifted out",
            program(
                "r6 = *(u64 *)(r1 +0)",
                &JUMP.replace("r2 <<= 3", "r2 <<= 3\nif r2 > 56 goto other"),
                FOUR,
            ),
        )
        .log("register with unbounded min value")
        .into(),
        refused(
            "an_offset_added_to",
            "8 is subtracted from the offset: the entries 0 to 3 are those of the indices 1 to 4",
            "r6 = *(u64 *)(r1 +0)\nr6 &= 7\nif r6 == 0 goto other",
            &JUMP.replace("r2 <<= 3", "r2 <<= 3\nr2 += -8"),
            FOUR,
        )
        .into(),
        refused(
            "an_offset_of_the_load",
            "the same, in the load",
            "r6 = *(u64 *)(r1 +0)\nr6 &= 7\nif r6 == 0 goto other",
            &JUMP.replace("(r3 +0)", "(r3 -8)"),
            FOUR,
        )
        .into(),
        rejects(
            "gotox/narrow_not_an_address_in_the_table",
            "8 is part of the table's address: entry 2 is that of index 1, and 4 times 1 is not aligned",
            program(
                MASKED,
                &JUMP.replace("T ll", "T + 8 ll"),
                "other, other, words, other, other, other, other, other, other",
            )
            .replace("r3 <<= 3\n            r4", "r3 <<= 2\n            r4"),
        )
        .errno(errno::EACCES)
        .log("misaligned")
        .into(),
        refused(
            "shifted_by_four",
            "the table is indexed by twice the number",
            "r6 = *(u64 *)(r1 +0)\nr6 &= 7",
            &JUMP.replace("<<= 3", "<<= 4"),
            "words, words, words, words, words, words, words, words, words, words, other, other, \
             other, other, other, other",
        )
        .into(),
        rejects(
            "gotox/narrow_not_the_other_path",
            "two paths meet behind the offset's computation; one comes with another number in r6, \
             which nothing narrows: the path is no copy of the first one",
            program(
                "
                r6 = *(u64 *)(r1 +0)
                r6 &= 7
                r2 = r6
                r2 <<= 3
                r7 = *(u64 *)(r1 +0)
                if r7 > 100 goto far
                r6 = *(u64 *)(r1 +8)
                r6 &= 7
                goto near
            far:
                r7 = 0
            near:
                ",
                "
                r3 = T ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
                ",
                FOUR,
            ),
        )
        .log(OUTSIDE)
        .flags(load_flag::TEST_STATE_FREQ)
        .into(),
        rejects(
            "gotox/narrow_not_the_other_path_behind_load",
            "the same, and the paths meet behind the load; the first is the one that is right",
            program(
                "
                r6 = *(u64 *)(r1 +0)
                r6 &= 7
                r2 = r6
                r2 <<= 3
                r3 = T ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                r7 = *(u64 *)(r1 +0)
                if r7 > 100 goto far
                goto near
            far:
                r6 = *(u64 *)(r1 +8)
                r6 &= 7
            near:
                ",
                "gotox r3",
                FOUR,
            ),
        )
        .log(OUTSIDE)
        .flags(load_flag::TEST_STATE_FREQ)
        .into(),
    ]
}
