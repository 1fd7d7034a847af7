//! Targets that move because the verifier removes instructions.
//!
//! `bpf_opt_hard_wire_dead_code_branches`, `bpf_opt_remove_dead_code` and `bpf_opt_remove_nops` in
//! `kernel/bpf/fixups.c` run one after another; each removal goes through
//! `bpf_insn_array_adjust_after_remove`. For reachable targets that are removed themselves see
//! `base_faults`.

use crate::Case;
use crate::builder::{accepts, cap, ctx_u64s, frame};
use crate::gotox::shape::dispatch;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = nops();
    cases.extend(dead_code());
    cases
}

/// `goto +0`, which `bpf_opt_remove_nops` removes.
fn nops() -> Vec<Case> {
    let jump = dispatch("JT", 1);
    vec![
        accepts(
            "gotox/nops_before_the_jump",
            "nops in front of the jump are removed: all targets move down",
            format!(
                "
                goto +0
                goto +0
                goto +0
                {jump}
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/nops_between_targets",
            "a nop between the targets is removed: one target moves, the other does not",
            format!(
                "
                {jump}
            a:
                r0 = 1
                goto +0
                goto +0
                r0 += 10
                exit
            b:
                r0 = 2
                goto +0
                r0 += 20
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .runs(&[(0, 11), (1, 22)])
        .into(),
        accepts(
            "gotox/nops_behind_targets",
            "nops behind the last target are removed: no target moves \
             (bpf_insn_array: deletions, where jumps are made of it)",
            format!(
                "
                {jump}
            a:
                r0 = 1
                goto out
            b:
                r0 = 2
                goto out
            out:
                goto +0
                goto +0
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/jump_over_nothing",
            "a direct jump to the next instruction stands right in front of a target: it becomes a \
             nop and goes, the target stays",
            format!(
                "
                {jump}
            a:
                r0 = 1
                goto b
            b:
                r0 = r10
                r0 = 5
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .runs(&[(0, 5), (1, 5)])
        .into(),
        accepts(
            "gotox/nops_in_caller_and_callee",
            "nops go from the program and from its subprogram, so the subprogram's start moves too \
             (bpf_insn_array: deletions-with-functions)",
            r"
                goto +0
                r1 = *(u64 *)(r1 +0)
                goto +0
                call pick
                goto +0
                exit
            .func pick
                goto +0
                r1 &= 1
                r1 <<= 3
                goto +0
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                goto +0
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
    ]
}

/// Unreachable code, which `bpf_opt_remove_dead_code` removes.
fn dead_code() -> Vec<Case> {
    let jump = dispatch("JT", 1);
    vec![
        accepts(
            "gotox/dead_branch_before_the_jump",
            "a branch that is never taken goes, with the code behind it (hard-wired, then removed)",
            format!(
                "
                r4 = 1
                if r4 == 1 goto live
                r4 = 2
                r4 += 3
                r4 *= 4
            live:
                {jump}
            a:
                r0 = r4
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
                "
            ),
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/dead_branch_in_target",
            "dead code inside one target and behind another: the third moves by both",
            format!(
                "
                {}
            a:
                r0 = 0
                if r0 != 0 goto dead
                r0 += 1
                exit
            dead:
                r0 = 100
                r0 += 100
                exit
            b:
                r0 = 2
                if r0 == 2 goto b_out
                r0 = 300
            b_out:
                exit
            c:
                r0 = 3
                exit
            d:
                r0 = 4
                exit
            .jumptable JT: a, b, c, d
                ",
                dispatch("JT", 3)
            ),
        )
        .runs(&[(0, 1), (1, 2), (2, 3), (3, 4)])
        .into(),
        accepts(
            "gotox/dead_target_between_live_ones",
            "the index never selects the middle entry: its code is removed, its entry is marked as \
             deleted, the others move",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                if r2 == 0 goto jump_a
                r3 = JT ll
                r3 = *(u64 *)(r3 +16)
                gotox r3
            jump_a:
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            dead:
                r0 = 200
                r0 += 200
                r0 += 200
                exit
            c:
                r0 = 3
                exit
            .jumptable JT: a, dead, c
            ",
        )
        .runs(&[(0, 1), (1, 3)])
        .into(),
        accepts(
            "gotox/dead_first_target",
            "the code of the first entry is removed, the rest of the table moves down",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT + 8 ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            dead:
                r0 = 100
                r0 += 1
                r0 += 2
                exit
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: dead, a, b
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/dead_jump",
            "the jump itself is never reached: it is removed, and its table with all targets",
            r"
                r0 = 6
                if r0 == 6 goto out
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            out:
                exit
            .jumptable JT: a, b
            ",
        )
        .run(ctx_u64s(&[0]), 6)
        .into(),
        accepts(
            "gotox/target_shared_by_dead_code",
            "a target is also reached by a branch that is dead",
            r"
                r6 = 1
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                if r6 != 1 goto target
                gotox r3
            skipped:
                r0 = 9
                exit
            target:
                r0 = 4
                exit
            .jumptable JT: target, skipped
            ",
        )
        .run(ctx_u64s(&[0]), 4)
        .into(),
        accepts(
            "gotox/long_dead_code",
            "1,000 dead instructions stand between two targets",
            format!(
                "
                {jump}
            a:
                r0 = 1
                if r0 == 1 goto out
                {}
            out:
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
                ",
                "r0 += 1\n".repeat(1000)
            ),
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/dead_subprogram",
            "a subprogram that only dead code calls is removed; the next one, which has a table, \
             moves down",
            r"
                r6 = *(u64 *)(r1 +0)
                r2 = 0
                if r2 == 0 goto live
                call unused
            live:
                r1 = r6
                call pick
                exit
            .func unused
                r0 = 1
                r0 += 2
                r0 += 3
                exit
            .func pick
                r1 &= 1
                r1 <<= 3
                r3 = JT ll
                r3 += r1
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/dead_target_of_a_speculative_jump",
            "without CAP_PERFMON the verifier also follows what the processor may mispredict; a \
             target reached only so is dead code and must not live on in the table",
            r"
            .prog main socket
                r2 = *(u32 *)(r1 +0)
                r2 &= 1
                if r2 > 5 goto never
                r0 = 0
                exit
            dead:
                r0 = 1
                exit
            never:
                r5 = JT ll
                r5 = *(u64 *)(r5 +0)
                gotox r5
            .jumptable JT: dead
            ",
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .run_packet(frame(64, 0), 0)
        .into(),
    ]
}
