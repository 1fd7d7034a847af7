//! Tables that do not fit the program's control flow (`kernel/bpf/cfg.c`), and loops.

use crate::Case;
use crate::builder::{errno, rejects};
use crate::gotox::accepted::tables::{chain_of_tables, counting_targets};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = targets();
    cases.extend(reach());
    cases.extend(limits());
    cases
}

const NOT_INITIALISED: &str = "Failed to properly initialize insn array";

fn targets() -> Vec<Case> {
    let target = |name: &str, about: &str, table: &str, log: &str| -> Case {
        rejects(
            name,
            about,
            format!(
                "
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            a:
                r0 = 0
                call other
                exit
            .jumptable JT: {table}
            .func other
                r0 = 1
                r1 = 0x1122334455667788 ll
                exit
                "
            ),
        )
        .log(log)
        .into()
    };
    vec![
        target(
            "gotox/target_past_the_end",
            "an entry that names the slot right behind the program (bpf_insn_array: incorrect-index)",
            "a, 11",
            NOT_INITIALISED,
        ),
        target(
            "gotox/target_far_past_the_end",
            "an entry with all 32 bits set",
            "a, 0xffffffff",
            NOT_INITIALISED,
        ),
        target(
            "gotox/target_in_wide_instruction",
            "an entry that names the second half of the ld_imm64 at the start of the program \
             (bpf_insn_array: incorrect-index)",
            "a, 1",
            NOT_INITIALISED,
        ),
        target(
            "gotox/target_in_wide_instruction_elsewhere",
            "an entry that names the second half of a ld_imm64 in the other subprogram",
            "a, 9",
            NOT_INITIALISED,
        ),
        target(
            "gotox/target_in_another_subprogram",
            "the first entry is in the program, the second in its subprogram \
             (verifier_gotox: jump_table_outside_subprog)",
            "a, 7",
            "jump table for insn 3 points outside of the subprog [0,7]",
        ),
        target(
            "gotox/all_targets_in_another_subprogram",
            "the program jumps, but the only table belongs to its subprogram",
            "7, 10",
            "no jump tables found for subprog starting at 0",
        ),
        rejects(
            "gotox/target_before_the_subprogram",
            "an entry of the subprogram's table lies in the program, before the subprogram: the \
             lowest entry decides whose table it is, so the subprogram has none",
            r"
                r0 = 0
                call pick
                exit
            .func pick
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            a:
                r0 = 1
                exit
            .jumptable JT: a, a
            ",
        )
        .adjust(|plan| {
            let entry = plan
                .maps
                .first_mut()
                .and_then(|map| map.contents.first_mut())
                .and_then(|element| element.value.first_chunk_mut::<4>());
            if let Some(orig_off) = entry {
                *orig_off = 1_u32.to_le_bytes();
            }
        })
        .log("no jump tables found for subprog starting at 3")
        .into(),
    ]
}

fn reach() -> Vec<Case> {
    vec![
        rejects(
            "gotox/no_table",
            "a jump in a program without any table (verifier_gotox: jump_table_no_jump_table)",
            r"
                r0 = 5
                gotox r0
                r0 = 1
                exit
            ",
        )
        .log("no jump tables found for subprog starting at 0")
        .into(),
        rejects(
            "gotox/subprogram_without_table",
            "the program has a table, its subprogram jumps without one",
            r"
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            a:
                call other
                exit
            .jumptable JT: a
            .func other
                r0 = 0
                gotox r0
                exit
            ",
        )
        .log("no jump tables found for subprog starting at 6")
        .into(),
        rejects(
            "gotox/code_in_no_table",
            "code behind the jump that no entry names is unreachable",
            r"
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
                r0 = 1
                exit
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .log("unreachable insn 4")
        .into(),
        rejects(
            "gotox/jump_to_itself",
            "the table's only entry is the jump",
            r"
                r0 = 0
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                if r0 != 0 goto out
            head:
                gotox r1
            out:
                exit
            .jumptable JT: head
            ",
        )
        .log("infinite loop detected at insn 5")
        .into(),
        rejects(
            "gotox/unbounded_loop",
            "the context decides at each round whether the loop goes on",
            r"
            head:
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                r0 = 0
                exit
            .jumptable JT: head, out
            ",
        )
        .log("infinite loop detected at insn")
        .into(),
        rejects(
            "gotox/two_jumps_in_a_circle",
            "two jumps lead to each other",
            r"
                r6 = JT ll
                r2 = *(u64 *)(r6 +0)
                r3 = *(u64 *)(r6 +8)
                r0 = 0
                if r0 != 0 goto out
            one:
                gotox r3
            two:
                gotox r2
            out:
                exit
            .jumptable JT: one, two
            ",
        )
        .log("infinite loop detected at insn")
        .into(),
        rejects(
            "gotox/fault_behind_one_target",
            "every target is verified: the one that few inputs reach reads behind the stack",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 3
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            good:
                r0 = 0
                exit
            bad:
                r0 = *(u64 *)(r10 +8)
                exit
            .jumptable JT: good, good, bad, good
            ",
        )
        .errno(errno::EACCES)
        .log("invalid read from stack R10 off=8 size=8")
        .into(),
        rejects(
            "gotox/register_missing_at_one_target",
            "a register is set on the direct way into a target only",
            r"
                r2 = *(u64 *)(r1 +0)
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                if r2 == 0 goto jump
                r6 = 5
                goto a
            jump:
                gotox r3
            a:
                r0 = r6
                exit
            .jumptable JT: a
            ",
        )
        .errno(errno::EACCES)
        .log("R6 !read_ok")
        .into(),
    ]
}

fn limits() -> Vec<Case> {
    vec![
        rejects(
            "gotox/too_many_tables",
            "65 tables are one more than the maps that a program may use",
            chain_of_tables(65),
        )
        .errno(errno::E2BIG)
        .log("The total number of maps per program has reached the limit of 64")
        .into(),
        rejects(
            "gotox/index_one_too_large_for_many_targets",
            "1,024 targets, and an index that may be 1,024",
            counting_targets(1024).replacen("r2 &= 1023", "r2 &= 1023\n r2 += 1", 1),
        )
        .errno(errno::EACCES)
        .log("invalid access to map value, value_size=8192 off=8192 size=8")
        .into(),
    ]
}
