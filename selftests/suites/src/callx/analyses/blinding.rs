//! Constant blinding and the passes of the JIT: addresses stay correct when instructions are added
//! and the image is emitted again.

use crate::Case;
use crate::builder::accepts;
use crate::callx::shape::{element, pick};

pub(super) fn cases() -> Vec<Case> {
    let constants = |count: u32| {
        (0..count).map(|n| format!("r0 += {}\n", 1_000_003 * (n + 1))).collect::<String>()
    };
    // The sum of the constants, in the 32 bits that a program returns.
    let sum = |count: u32| (0..count).fold(0u32, |sum, n| sum.wrapping_add(1_000_003 * (n + 1)));
    vec![
        accepts(
            "callx/many_constants",
            "constants in front of, between and inside the functions, each of which becomes three \
             instructions when blinded",
            format!(
                "
                {}
                    r7 = r2
                    r0 = 0
                    {}
                    r1 = r0
                    callx r7
                    {}
                    exit
                .func a
                    r0 = r1
                    {}
                    exit
                .func between
                    r0 = 0x7654321
                    exit
                .func b
                    r0 = r1
                    {}
                    r0 += 1
                    exit
                ",
                pick("r2"),
                constants(30),
                constants(7),
                constants(50),
                constants(20),
            ),
        )
        .runs(&[
            (0, sum(30).wrapping_add(sum(7)).wrapping_add(sum(50))),
            (1, sum(30).wrapping_add(sum(7)).wrapping_add(sum(20)).wrapping_add(1)),
        ])
        .into(),
        accepts(
            "callx/many_constants_and_data",
            "the same with the functions in a table, whose pointers are set when the images are \
             final",
            format!(
                "
                {}
                    r7 = r2
                    r0 = 0
                    {}
                    r1 = r0
                    callx r7
                    exit
                .func a
                    r0 = r1
                    {}
                    exit
                .func b
                    r0 = r1
                    {}
                    exit
                .data T .rodata: 123456789, b, a, 987654321, a, b
                ",
                element("T + 8", 1, 3),
                constants(30),
                constants(50),
                constants(20),
            ),
        )
        .runs(&[(0, sum(30).wrapping_add(sum(20))), (1, sum(30).wrapping_add(sum(50)))])
        .into(),
        accepts(
            "callx/wide_constants_beside_addresses",
            "64-bit numbers, which are blinded, beside functions' addresses, which must not be",
            "
                r6 = 0x1111111122222222 ll
                r2 = f ll
                r7 = 0x3333333344444444 ll
                r1 = r6
                callx r2
                r0 ^= r7
                r1 = r0
                r1 >>= 32
                r0 += r1
                exit
            .func f
                r0 = r1
                r2 = 0x0f0f0f0f0f0f0f0f ll
                r0 ^= r2
                exit
            ",
        )
        .runs(&[(0, 0x9696_9696)])
        .into(),
        accepts(
            "callx/long_and_short_jumps_around_calls",
            "jumps whose length changes from pass to pass cross the calls: the images shrink, and \
             functions move while the addresses are being found",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r7 = 0
                    {}
                    r0 = r7
                    exit
                .func f
                    r0 = r1
                    if r1 == 5 goto out
                    {}
                out:
                    exit
                .func g
                    r0 = 1
                    exit
                ",
                (0..40)
                    .map(|n| format!(
                        "
                        if r6 == {n} goto skip{n}
                        r1 = r6
                        r2 = {} ll
                        callx r2
                        r7 += r0
                        if r6 == 1000 goto skip{n}
                        {}
                    skip{n}:
                        ",
                        if n % 2 == 0 { "f" } else { "g" },
                        "r7 += 1\n".repeat(n % 12)
                    ))
                    .collect::<String>(),
                "r0 += 1\n".repeat(60)
            ),
        )
        .runs(&[(1000, 21_220), (0, 1364), (5, 318)])
        .into(),
        accepts(
            "callx/blinding_fails",
            "constants cannot be blinded, for a jump would become too long: the program, whose \
             calls were prepared for the JIT, goes back to the interpreter",
            blinding_fails(""),
        )
        .blinding_fails()
        .runs(&[(0, 7), (1, 107), (8, 226_300), (9, 4)])
        .into(),
        accepts(
            "callx/blinding_fails_with_data",
            "the same with the pointers in a map",
            blinding_fails(".data T .rodata: a, b"),
        )
        .blinding_fails()
        .runs(&[(0, 7), (1, 107), (8, 226_300), (9, 4)])
        .into(),
    ]
}

/// A jump whose offset no longer fits 16 bits once a few hundred constants are blinded.
fn blinding_fails(data: &str) -> String {
    let function = if data.is_empty() { pick("r2") } else { element("T", 1, 3) };
    format!(
        "
        {function}
            r1 = 7
            if r6 == 8 goto near
            if r6 == 9 goto far
            callx r2
            exit
        near:
            r0 = 0
            {}
            {}
            exit
        far:
            r0 = 4
            exit
        .func a
            r0 = r1
            exit
        .func b
            r0 = r1
            r0 += 100
            exit
        {data}
        ",
        "r0 += 1\n".repeat(200),
        "r0 += r1\n".repeat(32_300)
    )
}
