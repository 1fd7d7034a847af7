//! Programs that Linux 7.3.4 handles wrongly.
//!
//! Each case states what should come of it, so that it shows a fix. They are kept out of the list
//! of cases because most of them crash or hang the kernel. What 7.3.4 did, compiled for x86-64, is
//! said with each group. The cause of the first two: the passes behind the verifier adjust direct
//! jumps, and not jump tables.

use crate::builder::{accepts, cap, ctx_u64s, errno, frame, rejects};
use crate::gotox::shape::dispatch;
use crate::{Case, Feature};

/// All known faults, the plainest first.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = removed_targets();
    cases.extend(repeated_prologues());
    cases.extend(frames());
    cases.extend(privileges());
    for case in &mut cases {
        case.needs.push(Feature::Gotox);
    }
    cases
}

/// `verifier_remove_insns` marks the entry as deleted although it is reached: its address stays
/// zero, `bpf_insn_array_ready` passes over it, and the program jumps to address 0.
///
/// Seen with each of them: `RIP: 0010:0x0`, panic.
fn removed_targets() -> Vec<Case> {
    let removed = |name: &str, about: &str, target: &str| -> Case {
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
        .into()
    };
    vec![
        removed(
            "gotox/target_is_a_nop",
            "the target is `goto +0`, which bpf_opt_remove_nops takes out",
            "goto +0\n if r4 == 0 goto dead",
        ),
        removed(
            "gotox/target_is_a_dead_branch",
            "the target is a conditional jump that is never taken: it is turned into a nop and taken \
             out",
            "if r4 != 1 goto dead",
        ),
        removed(
            "gotox/target_is_may_goto_0",
            "the target is `may_goto +0`, which bpf_opt_remove_nops takes out",
            "may_goto next\n next:\n if r4 == 0 goto dead",
        ),
    ]
}

/// What a pass puts in front of the first instruction runs again when a table leads there:
/// `adjust_jmp_off` moves direct jumps past it, and nothing moves the tables.
///
/// Seen: the prologue reads through r1 = 0, panic; the loop does not end within a minute.
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
        .into(),
    ]
}

/// `check_indirect_jump` does not ask whether the targets lie in the subprogram that runs.
///
/// Seen: the program is loaded.
fn frames() -> Vec<Case> {
    vec![
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
        .into(),
    ]
}

/// Without CAP_PERFMON.
///
/// Seen: the copying program is loaded. The large table is refused only where the verifier follows
/// mispredicted paths, which it does not in a kernel without CONFIG_CPU_MITIGATIONS; that fault is
/// read from the source and was not seen.
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
        .into(),
    ]
}
