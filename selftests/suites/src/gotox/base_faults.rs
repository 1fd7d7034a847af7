//! Programs that Linux 7.3.4 handles incorrectly: most of them crash or hang it.
//!
//! Each names the patch of our series that fixes the kernel, and is skipped without it. Most have a
//! common cause: the passes after the verifier adjust direct jumps, but not jump tables.

use bpf_case::TABLES_IN_DUMPS;
use bpf_object::LoadPlan;

use crate::Case;
use crate::builder::{accepts, cap, ctx_u64s, errno, frame, rejects};
use crate::gotox::shape::dispatch;

pub(super) const REMOVED_NOP: &str = "bpf: Keep jump table entries that point to a removed nop";
pub(super) const PROLOGUE: &str =
    "bpf: Do not run a prologue again on a jump to the first instruction";
pub(super) const UNKNOWN_EDGE: &str = "bpf: Reject indirect jumps that the CFG does not know";
pub(super) const TIMED_MAY_GOTO: &str = "bpf: Do not use timed may_goto in the interpreter";
const HELPERS: &str = "bpf: Do not let helpers read instruction arrays";
const ARRAY_SIZE: &str = "bpf: Bound pointers into instruction arrays by the size of the array";
pub(super) const BLINDING: &str =
    "bpf: Restore instruction arrays when constant blinding is rolled back";
/// All of them, the simplest first.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = removed_targets();
    cases.extend(repeated_prologues());
    cases.extend(foreign_tables());
    cases.extend(privileges());
    cases.extend(blinding());
    cases.extend(dumps());
    cases
}

/// `verifier_remove_insns` marks the entry as deleted although it is reachable: its address stays
/// zero, `bpf_insn_array_ready` skips it, and the program jumps to address 0.
fn removed_targets() -> Vec<Case> {
    let removed = |name: &str, about: &str, target: &str, kept: &str| -> Case {
        accepts(
            name,
            about,
            format!(
                "
                r0 = 0
                r4 = 1
                {}
            a:
                {target}
            b:
                r0 += 7
                exit
            dead:
                r0 = 99
                exit
            .jumptable JT: a, b
                ",
                dispatch("JT", 1)
            ),
        )
        .runs(&[(1, 7), (0, 7)])
        .xlated(kept)
        .fixed_by(REMOVED_NOP)
        .into()
    };
    vec![
        removed(
            "gotox/target_is_a_nop",
            "the target is `goto +0`, which bpf_opt_remove_nops takes out",
            "goto +0\n if r4 == 0 goto dead",
            "goto pc+0",
        ),
        removed(
            "gotox/target_is_a_dead_branch",
            "the target is a conditional jump that is never taken: it is turned into a nop and taken \
             out. Compilers make such code",
            "if r4 != 1 goto dead",
            "goto pc+0",
        ),
        removed(
            "gotox/target_is_may_goto_0",
            "the target is `may_goto +0`, which bpf_opt_remove_nops takes out",
            "may_goto next\n next:\n if r4 == 0 goto dead",
            "r12 -= 1",
        ),
    ]
}

/// Code that a pass inserts before the first instruction runs again when a table leads there:
/// `adjust_jmp_off` moves direct jumps past it, but not table entries.
fn repeated_prologues() -> Vec<Case> {
    vec![
        accepts(
            "gotox/prologue_of_direct_write",
            "a tc program that writes to the packet starts with bpf_unclone_prologue, which reads \
             r1 as the context and overwrites r6",
            r"
            .prog classify tc
                r0 = 7
                if r1 == 0 goto out
                r6 = 5
                r2 = *(u32 *)(r1 +76)
                r3 = *(u32 *)(r1 +80)
                r4 = r2
                r4 += 18
                if r4 > r3 goto out
                *(u8 *)(r2 +14) = 1
                r1 = 0
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                exit
            .jumptable JT: 0
            ",
        )
        .run_packet(frame(64, 0), 7)
        .fixed_by(PROLOGUE)
        .into(),
        accepts(
            "gotox/may_goto_counts_anew",
            "the initialisation of the counter of may_goto stands in front of slot 0: a loop back to \
             slot 0 never ends",
            r"
            head:
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
        accepts(
            "gotox/may_goto_in_the_interpreter",
            "after 65535 rounds the interpreter calls arch_bpf_timed_may_goto, which is made to be \
             called by machine code",
            r"
            head:
                r0 = *(u64 *)(r1 +0)
                r0 += 1
                *(u64 *)(r1 +0) = r0
                if r0 > 70000 goto out
                may_goto out
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                exit
            .jumptable JT: head
            ",
        )
        .run_writing(ctx_u64s(&[0]), 70_001, ctx_u64s(&[70_001]))
        .fixed_by(TIMED_MAY_GOTO)
        .into(),
    ]
}

/// `check_indirect_jump` does not check that the CFG, on which all earlier analyses are based, has
/// the edges that the program takes.
fn foreign_tables() -> Vec<Case> {
    vec![
        rejects(
            "gotox/edge_that_hides_a_fastcall_fill",
            "a table that begins in the caller leads into the middle of a bpf_fastcall pattern: the \
             spill is removed, and r1, verified as 0, is 0x10000000 where it is written through",
            r"
            .prog main xdp
                call sub
                exit
            .func sub
                r7 = *(u32 *)(r1 +12)
                r4 = OWN ll
                r1 = 0
                *(u64 *)(r10 -16) = r1
                call bpf_get_smp_processor_id
            fill:
                r1 = *(u64 *)(r10 -16)
                if r7 > 100 goto store
                r7 = 200
                r1 = 0x10000000
                r5 = FOREIGN + 8 ll
                r5 = *(u64 *)(r5 +0)
                gotox r5
            own:
                r2 = *(u64 *)(r10 -16)
                r2 += r7
            store:
                r3 = r10
                r3 += r1
                *(u8 *)(r3 -8) = 0x41
                r0 = 42
                exit
            .jumptable FOREIGN: fill, fill
            .jumptable OWN: own
            ",
        )
        .adjust(|plan| redirect_foreign(plan, 1))
        .log("spans multiple subprogs")
        .fixed_by(UNKNOWN_EDGE)
        .into(),
        rejects(
            "gotox/edge_that_hides_a_value_from_constant_folding",
            "a table that begins in the caller leads to a branch with r6 = 5, while the CFG only \
             knows of r6 = 0: the branch is taken for decided",
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
            .jumptable OWN: own
            ",
        )
        .adjust(|plan| redirect_foreign(plan, 1))
        .log("spans multiple subprogs")
        .fixed_by(UNKNOWN_EDGE)
        .into(),
        rejects(
            "gotox/table_of_another_subprogram",
            "the program has a table of its own, and jumps through one whose only target is in a \
             subprogram: it would go on in the middle of foreign machine code",
            r"
                r5 = FOREIGN ll
                r5 = *(u64 *)(r5 +0)
                gotox r5
            own:
                r6 = OWN ll
                call sub
                exit
            .jumptable FOREIGN: own
            .jumptable OWN: own
            .func sub
                r0 = 1
                r0 = 42
                exit
            ",
        )
        .adjust(|plan| redirect_foreign(plan, 9))
        .log("leaves the subprog [0,")
        .fixed_by(UNKNOWN_EDGE)
        .into(),
        rejects(
            "gotox/callers_target_in_callee",
            "the program hands an entry of its own table to a subprogram, which jumps back into the \
             program with its own frame still in place",
            r"
                r6 = *(u64 *)(r1 +0)
                r1 = OUTER ll
                r1 = *(u64 *)(r1 +0)
                if r6 == 0 goto back
                call jump
                exit
            back:
                r0 = 2
                exit
            .jumptable OUTER: back
            .func jump
                *(u64 *)(r10 -256) = 0
                r2 = INNER ll
                r2 = *(u64 *)(r2 +0)
                if r1 == 0 goto own
                gotox r1
            own:
                r0 = 3
                exit
            .jumptable INNER: own
            ",
        )
        .log("leaves the subprog [")
        .fixed_by(UNKNOWN_EDGE)
        .into(),
    ]
}

/// Makes the first entry of the table `FOREIGN` point to this slot, in another function. An object
/// cannot express this, as the entries of a table all belong to the section of one function.
pub(super) fn redirect_foreign(plan: &mut LoadPlan, slot: u32) {
    let tables = plan.maps.iter_mut().filter(|map| map.name.starts_with("FOREIGN"));
    for element in tables.filter_map(|map| map.contents.first_mut()) {
        element.value[..4].copy_from_slice(&slot.to_le_bytes());
    }
}

/// Without CAP_PERFMON.
fn privileges() -> Vec<Case> {
    let caps = [cap::SYS_ADMIN, cap::PERFMON];
    vec![
        accepts(
            "gotox/large_table_without_perfmon",
            "retrieve_ptr_limit takes the size of the map's value, 16 bytes, for the size of the \
             table: tables of more than two entries are refused",
            format!(
                "
                {}
            a:
                r0 = 1
                exit
            b:
                r0 = 2
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
        .without_caps(&caps)
        .runs(&[(0, 1), (1, 2), (2, 3), (3, 4)])
        .fixed_by(ARRAY_SIZE)
        .into(),
        rejects(
            "gotox/helper_copies_addresses_without_perfmon",
            "a helper that reads memory copies the table into a map: kernel addresses get out of the \
             program",
            r"
                r6 = JT ll
                *(u32 *)(r10 -4) = 0
                r1 = map store ll
                r2 = r10
                r2 += -4
                r3 = r6
                r4 = 0
                call bpf_map_update_elem
                r3 = *(u64 *)(r6 +0)
                gotox r3
            a:
                r0 = 0
                exit
            .jumptable JT: a
            .map store array key=4 value=8 entries=1 flags=0
            ",
        )
        .without_caps(&caps)
        .errno(errno::EACCES)
        .log("points to insn_array map which cannot be read by helpers")
        .fixed_by(HELPERS)
        .into(),
    ]
}

/// The kernel gives up blinding half-way, after it has moved the table's entries, and interprets
/// the program.
fn blinding() -> Vec<Case> {
    vec![
        accepts(
            "gotox/blinding_fails",
            "constants cannot be blinded: the table's entries, already moved, have to move back",
            unblindable("", ""),
        )
        .blinding_fails()
        .runs(&UNBLINDABLE_RUNS)
        .fixed_by(BLINDING)
        .into(),
        accepts(
            "gotox/blinding_fails_with_subprograms",
            "as blinding_fails, where jit_subprogs has to give up",
            unblindable("r6 = r1\n call twice\n r1 = r6", ".func twice\n r0 = 0x1234567\n exit"),
        )
        .blinding_fails()
        .runs(&UNBLINDABLE_RUNS)
        .fixed_by(BLINDING)
        .into(),
    ]
}

/// What user space sees of a program is checked after each load; this case represents the addresses
/// of jump tables.
fn dumps() -> Vec<Case> {
    vec![
        accepts(
            "gotox/dump_shows_table_as_map",
            "the translated program names the jump table by the map's id, not by its address",
            format!(
                "{}
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
                ",
                dispatch("JT", 1)
            ),
        )
        .runs(&[(0, 1), (1, 2)])
        .fixed_by(TABLES_IN_DUMPS)
        .into(),
    ]
}

/// Results of [`unblindable`] by first context word.
pub(super) const UNBLINDABLE_RUNS: [(u64, u32); 4] = [(0, 1), (1, 2), (2, 200), (9, 4)];

/// A program with a jump so long that, with a few hundred more instructions for blinded constants,
/// its offset does not fit 16 bits. `before` is inserted before it, `after` after it.
pub(super) fn unblindable(before: &str, after: &str) -> String {
    let constants = "r0 += 1\n".repeat(200);
    let distance = "r0 += r2\n".repeat(32_300);
    format!(
        "
            {before}
            r4 = *(u64 *)(r1 +0)
            if r4 == 9 goto far
            {dispatch}
        a:
            r0 = 1
            exit
        b:
            r0 = 2
            exit
        c:
            r0 = 0
            r2 = 0
            {constants}
            {distance}
            exit
        far:
            r0 = 4
            exit
        .jumptable JT: a, b, c, c
            {after}
        ",
        dispatch = dispatch("JT", 3)
    )
}
