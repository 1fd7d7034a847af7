//! How the base's bugs are fixed: what a fix that works for the program that shows the bug may
//! still get wrong. Each case is the only one, or one of two, that kills a mutant of
//! `kernel-patches/mutants`.

use crate::Case;
use crate::builder::{accepts, cap, ctx_u64s, errno, frame, rejects};
use crate::gotox::base_faults::{
    BLINDING, PROLOGUE, REMOVED_NOP, TIMED_MAY_GOTO, UNBLINDABLE_RUNS, UNKNOWN_EDGE,
    redirect_foreign, unblindable,
};
use crate::gotox::shape::dispatch;

const BARRIER: &str = "bpf: Put a speculation barrier at targets of indirect jumps";

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = removed_targets();
    cases.extend(prologues());
    cases.extend(blinding());
    cases.push(foreign_target_between_own_ones());
    cases.push(table_that_spans());
    cases.push(barriers());
    cases
}

/// The mark that makes an instruction a target must move with the table's entry.
fn removed_targets() -> Vec<Case> {
    vec![
        accepts(
            "gotox/target_is_two_nops",
            "the target is a nop and so is the instruction behind it: one is kept, the other goes",
            format!(
                "
                r0 = 0
                {}
            a:
                goto +0
                goto +0
                r0 += 5
            b:
                r0 += 7
                exit
            .jumptable JT: a, b
                ",
                dispatch("JT", 1)
            ),
        )
        .runs(&[(0, 12), (1, 7)])
        .xlated("goto pc+0\nr0 += 5")
        .fixed_by(REMOVED_NOP)
        .into(),
        accepts(
            "gotox/nops_around_a_target",
            "of three nops in a row the first and the last are targets: the one between goes",
            format!(
                "
                r0 = 0
                {}
            a:
                goto +0
                goto +0
            b:
                goto +0
                r0 += 7
                exit
            .jumptable JT: a, b
                ",
                dispatch("JT", 1)
            ),
        )
        .runs(&[(0, 7), (1, 7)])
        .xlated("goto pc+0\ngoto pc+0\nr0 += 7")
        .fixed_by(REMOVED_NOP)
        .into(),
        accepts(
            "gotox/entry_that_no_jump_takes_is_a_nop",
            "an array that no jump goes through points to a nop: it goes, as on the base",
            format!(
                "
                r0 = 0
                r5 = OTHER ll
                {}
            a:
                r0 += 5
            tracked:
                goto +0
            b:
                r0 += 7
                exit
            .jumptable JT: a, b
            .jumptable OTHER: tracked
                ",
                dispatch("JT", 1)
            ),
        )
        .runs(&[(0, 12), (1, 7)])
        .xlated("r0 += 5\nr0 += 7")
        .into(),
        accepts(
            "gotox/nop_at_the_head_of_a_loop",
            "the nop in slot 0 is removed, and what follows it gets a prologue: the table has to lead \
             past it",
            r"
            head:
                goto +0
                may_goto out
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                r0 = 3
                exit
            .jumptable JT: head
            ",
        )
        .run(ctx_u64s(&[0]), 3)
        .fixed_by(PROLOGUE)
        .into(),
    ]
}

fn prologues() -> Vec<Case> {
    vec![
        accepts(
            "gotox/prologue_with_two_tables",
            "two tables lead back to slot 0, and both have to lead past the initialisation of the \
             counter of may_goto",
            r"
            head:
                may_goto out
                r2 = *(u64 *)(r1 +0)
                if r2 == 0 goto second
                r3 = ONE ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            second:
                r3 = TWO ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                r0 = 3
                exit
            .jumptable ONE: head
            .jumptable TWO: head
            ",
        )
        .runs(&[(0, 3), (1, 3)])
        .fixed_by(PROLOGUE)
        .into(),
        accepts(
            "gotox/may_goto_behind_the_first_instruction",
            "each round begins with the first instruction: a jump that skips more than the prologue \
             leaves r0 to add up",
            r"
            head:
                r0 = 0
                r2 = *(u64 *)(r1 +0)
                r2 += 1
                *(u64 *)(r1 +0) = r2
                r0 += r2
                if r2 > 5 goto out
                may_goto out
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                exit
            .jumptable JT: head
            ",
        )
        .run_writing(ctx_u64s(&[0]), 6, ctx_u64s(&[6]))
        .fixed_by(TIMED_MAY_GOTO)
        .into(),
    ]
}

fn blinding() -> Vec<Case> {
    // When blinded, the constant before them moves the entries of both tables.
    let second = "
        r6 = 0x1234567
        r5 = SECOND + 8 ll
        r5 = *(u64 *)(r5 +0)
        gotox r5
    on:
    ";
    let may_goto = "
        r6 = 0x1234567
    again:
        r6 += -1
        if r6 s< 0x1234560 goto on
        may_goto on
        goto again
    on:
    ";
    vec![
        accepts(
            "gotox/blinding_fails_with_two_tables",
            "as blinding_fails: the entries of every table have to move back",
            unblindable(second, ".jumptable SECOND: far, on"),
        )
        .blinding_fails()
        .runs(&UNBLINDABLE_RUNS)
        .fixed_by(BLINDING)
        .into(),
        accepts(
            "gotox/blinding_fails_with_may_goto",
            "where the JIT was asked for, may_goto has a form that the interpreter cannot run: \
             there is no falling back",
            unblindable(may_goto, ""),
        )
        .blinding_refused(errno::ENOTSUPP)
        .runs(&UNBLINDABLE_RUNS)
        .fixed_by(TIMED_MAY_GOTO)
        .into(),
    ]
}

fn foreign_target_between_own_ones() -> Case {
    rejects(
        "gotox/foreign_target_between_own_ones",
        "as edge_that_hides_a_value_from_constant_folding, where the table of the subprogram has \
         targets before and behind the foreign one: it is no target of the subprogram all the same",
        r"
            call sub
            exit
        .func sub
            r7 = *(u32 *)(r1 +0)
            r4 = OWN ll
            r6 = 5
            if r7 > 100 goto own
            r5 = FOREIGN + 8 ll
            r5 = *(u64 *)(r5 +0)
            gotox r5
        own:
            r6 = 0
        branch:
            if r6 == 5 goto good
            r0 = 666
            exit
        good:
            r0 = 42
            exit
        .jumptable FOREIGN: branch, branch
        .jumptable OWN: own, good
        ",
    )
    .adjust(|plan| redirect_foreign(plan, 1))
    .log("spans multiple subprogs")
    .fixed_by(UNKNOWN_EDGE)
    .into()
}

/// Like `gotox/target_in_another_subprogram`, but checks the log.
fn table_that_spans() -> Case {
    rejects(
        "gotox/table_spans_subprograms",
        "a table that begins in the program ends in its subprogram",
        r"
            r1 = JT ll
            r1 = *(u64 *)(r1 +0)
            gotox r1
        a:
            r0 = 0
            call other
            exit
        .jumptable JT: a, 7
        .func other
            r0 = 1
            exit
        ",
    )
    .log("points outside of the subprog [0,7], it spans multiple subprogs")
    .fixed_by(UNKNOWN_EDGE)
    .into()
}

/// The branch predictor may go to any target with the register values of another.
fn barriers() -> Case {
    accepts(
        "gotox/barrier_at_targets_without_perfmon",
        "without CAP_PERFMON the processor is stopped at each target",
        format!(
            "
            .prog main socket
            {}
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
            dispatch("JT", 1).replace("u64 *)(r1", "u32 *)(r1")
        ),
    )
    .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
    .run_packet(frame(64, 0), 1)
    .run_packet(frame(65, 0), 2)
    .xlated_mitigated("nospec\nr0 = 1\n")
    .xlated_mitigated("nospec\nr0 = 2\n")
    .fixed_by(BARRIER)
    .into()
}
