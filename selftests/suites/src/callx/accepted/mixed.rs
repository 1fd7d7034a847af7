//! Indirect calls together with indirect jumps.

use crate::Case;
use crate::builder::{accepts, load_flag};
use crate::callx::shape::element;

pub(super) fn cases() -> Vec<Case> {
    vec![
        accepts(
            "callx/callee_with_gotox",
            "the callee jumps through a table: in the interpreter both kinds of addresses are those \
             of instructions",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = f ll
                callx r2
                exit
            .func f
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            x:
                r0 = 1
                exit
            y:
                r0 = 2
                exit
            .jumptable JT: x, y
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "callx/reached_by_gotox",
            "the jump through a table leads to an indirect call",
            "
                r6 = *(u64 *)(r1 +0)
                r6 &= 1
                r6 <<= 3
                r2 = f ll
                r3 = JT ll
                r3 += r6
                r3 = *(u64 *)(r3 +0)
                gotox r3
            x:
                r2 = g ll
            y:
                callx r2
                exit
            .jumptable JT: x, y
            .func f
                r0 = 1
                exit
            .func g
                r0 = 2
                exit
            ",
        )
        .runs(&[(0, 2), (1, 1)])
        .into(),
        accepts(
            "callx/gotox_and_callx_in_turn",
            "jump, call, jump in the callee, call, and back through all of them",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r6 &= 1
                    r7 = r6
                    r7 <<= 3
                    r3 = OUTER ll
                    r3 += r7
                    r3 = *(u64 *)(r3 +0)
                    r2 = inner ll
                    gotox r3
                x:
                    r0 = 1000
                    exit
                y:
                    r1 = r6
                    callx r2
                    r0 += 7
                    exit
                .jumptable OUTER: x, y
                .func inner
                {}
                    r1 = r6
                    callx r2
                    r6 = r0
                    r6 &= 1
                    r6 <<= 3
                    r3 = INNER ll
                    r3 += r6
                    r3 = *(u64 *)(r3 +0)
                    gotox r3
                x:
                    r0 = 10
                    exit
                y:
                    r0 = 20
                    exit
                .jumptable INNER: x, y
                .func even
                    r0 = 0
                    exit
                .func odd
                    r0 = 1
                    exit
                .data T .rodata: even, odd
                ",
                element("T", 1, 3).replace("*(u64 *)(r1 +0)", "r1")
            ),
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 1000), (1, 27)])
        .into(),
        accepts(
            "callx/jump_table_selects_function",
            "a switch loads one of three functions, which one call behind it calls",
            "
                r6 = *(u64 *)(r1 +0)
                r7 = r6
                if r7 > 2 goto other
                r7 <<= 3
                r3 = JT ll
                r3 += r7
                r3 = *(u64 *)(r3 +0)
                gotox r3
            x:
                r2 = f ll
                goto call
            y:
                r2 = g ll
                goto call
            z:
                r2 = h ll
                goto call
            other:
                r2 = h ll
            call:
                r1 = r6
                callx r2
                exit
            .jumptable JT: x, y, z
            .func f
                r0 = 100
                exit
            .func g
                r0 = 200
                exit
            .func h
                r0 = r1
                r0 += 300
                exit
            ",
        )
        .runs(&[(0, 100), (1, 200), (2, 302), (9, 309)])
        .into(),
    ]
}
