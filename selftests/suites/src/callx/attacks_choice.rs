//! Attempts to confuse the verifier by instructions that are executed once for each function that they
//! may find in data.

use crate::Case;
use crate::builder::{accepts, ctx_u64s, errno, load_flag, rejects};

/// Three functions in a table and the word of the context, 0 to 2, in r6; `returns` is what they
/// return.
fn program(body: &str, returns: [&str; 3]) -> String {
    let [first, second, third] = returns;
    format!(
        "
            r9 = r1
            r6 = *(u64 *)(r1 +0)
            if r6 > 2 goto out
            r6 <<= 3
            r7 = T ll
            r7 += r6
            {body}
        out:
            r0 = 77
            exit
        .func f
            {first}
            exit
        .func g
            {second}
            exit
        .func h
            {third}
            exit
        .data T .rodata: f, g, h
        "
    )
}

/// What they return in most cases.
const RESULTS: [&str; 3] = ["r0 = 0", "r0 = 1", "r0 = 3"];

/// The same, the last one past what the frame has.
const TOO_LARGE: [&str; 3] = ["r0 = 0", "r0 = 1", "r0 = 4"];

/// The store at the word of the frame that r0 selects, of four.
const STORE: &str = "
            r8 = r0
            r0 <<= 3
            r2 = r10
            r2 += -32
            r2 += r0
            *(u64 *)(r2 +0) = 1
            r0 = r8
            exit
        ";

/// Ways to load the function and call it; r0 is its result.
const WAYS: [(&str, &str, &str); 8] = [
    ("over_its_address", "loaded over its own address", "r7 = *(u64 *)(r7 +0)\ncallx r7"),
    ("acquired", "loaded with acquire", "r1 = load_acquire((u64 *)(r7 +0))\ncallx r1"),
    (
        "spilled",
        "kept on the stack between load and call",
        "r1 = *(u64 *)(r7 +0)\n*(u64 *)(r10 -40) = r1\nr1 = 0\nr1 = *(u64 *)(r10 -40)\ncallx r1",
    ),
    (
        "twice",
        "loaded twice, from the same place, and the first is called",
        "r8 = *(u64 *)(r7 +0)\nr1 = *(u64 *)(r7 +0)\ncallx r8",
    ),
    (
        "jumped_to",
        "the load is the target of two jumps",
        "r8 = *(u64 *)(r9 +8)\nif r8 == 0 goto load\nr8 = 1\ngoto load\nload:\nr1 = *(u64 *)(r7 +0)\ncallx r1",
    ),
    ("in_a_callee", "loaded and called by a callee", "r1 = r7\ncall through"),
    ("passed", "loaded by the caller and called by a callee", "r1 = *(u64 *)(r7 +0)\ncall it"),
    (
        "after_a_jump",
        "the load is the target of an indirect jump",
        "r8 = *(u64 *)(r9 +8)\nr8 &= 1\nr8 <<= 3\nr2 = J ll\nr2 += r8\nr2 = *(u64 *)(r2 +0)\ngotox r2\n\
         one:\nr1 = *(u64 *)(r7 +0)\ncallx r1\ngoto both\nother:\nr1 = *(u64 *)(r7 +0)\ncallx r1\nboth:",
    ),
];

fn with(way: &str, returns: [&str; 3]) -> String {
    let mut text = program(&format!("{way}\n{STORE}"), returns);
    if way.contains("call through") {
        text += ".func through\nr1 = *(u64 *)(r1 +0)\ncallx r1\nexit\n";
    }
    if way.contains("call it") {
        text += ".func it\ncallx r1\nexit\n";
    }
    if way.contains("gotox") {
        text = text.replacen(".func f", ".jumptable J: one, other\n        .func f", 1);
    }
    text
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, about, way) in WAYS {
        for (flags, suffix) in [(0, ""), (load_flag::TEST_STATE_FREQ, "_all_states")] {
            cases.push(
                accepts(
                    format!("callx/attack_choice_{name}{suffix}"),
                    format!("one of three functions is {about}; what it returns is an index"),
                    with(way, RESULTS),
                )
                .run(ctx_u64s(&[0, 0]), 0)
                .run(ctx_u64s(&[1, 1]), 1)
                .run(ctx_u64s(&[2, 0]), 3)
                .run(ctx_u64s(&[3, 1]), 77)
                .flags(flags)
                .into(),
            );
            cases.push(
                rejects(
                    format!("callx/attack_choice_{name}_too_large{suffix}"),
                    format!("the same; {about}, and the last returns one too much"),
                    with(way, TOO_LARGE),
                )
                .errno(errno::EACCES)
                .log("write to stack")
                .flags(flags)
                .into(),
            );
        }
    }
    cases.push(
        accepts(
            "callx/attack_choice_of_a_choice",
            "each of three functions loads and calls one of two others, by the same register",
            program(
                "r1 = *(u64 *)(r7 +0)\nr8 = *(u64 *)(r9 +8)\nr8 &= 1\nr2 = r8\ncallx r1\nexit",
                [
                    "r2 <<= 3\nr3 = U ll\nr3 += r2\nr3 = *(u64 *)(r3 +0)\ncallx r3",
                    "r2 <<= 3\nr3 = U ll\nr3 += r2\nr3 = *(u64 *)(r3 +0)\ncallx r3\nr0 += 10",
                    "r0 = 33",
                ],
            ) + ".func a\nr0 = 5\nexit\n.func b\nr0 = 6\nexit\n.data U .rodata: a, b\n",
        )
        .run(ctx_u64s(&[0, 0]), 5)
        .run(ctx_u64s(&[0, 1]), 6)
        .run(ctx_u64s(&[1, 1]), 16)
        .run(ctx_u64s(&[2, 1]), 33)
        .into(),
    );
    cases
}
