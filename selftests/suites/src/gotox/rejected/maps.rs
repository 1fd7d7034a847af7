//! Invalid maps: shape, state, users (`kernel/bpf/bpf_insn_array.c`).

use bpf_object::plan::{LoadPlan, MapPlan};

use crate::builder::{errno, rejects};
use crate::{Case, RejectedAt};

/// A valid program; each case here changes one property of its map.
const GOOD: &str = r"
                r1 = JT ll
                r1 = *(u64 *)(r1 +8)
                gotox r1
            a:
                r0 = 0
                exit
            b:
                r0 = 1
                exit
            .jumptable JT: a, b
";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = creation();
    cases.extend(contents());
    cases.extend(users());
    cases.extend(helpers());
    cases
}

/// Changes the plan's first map.
fn with_map(plan: &mut LoadPlan, change: impl FnOnce(&mut MapPlan)) {
    if let Some(map) = plan.maps.first_mut() {
        change(map);
    }
}

fn creation() -> Vec<Case> {
    let create = |name: &str, about: &str, change: fn(&mut LoadPlan)| -> Case {
        rejects(name, about, GOOD).adjust(change).at(RejectedAt::CreateMap(0)).into()
    };
    vec![
        create("gotox/table_without_entries", "a table has entries", |plan| {
            with_map(plan, |map| {
                map.max_entries = 0;
                map.contents.clear();
            });
        }),
        create("gotox/key_of_eight_bytes", "keys have four bytes", |plan| {
            with_map(plan, |map| map.key_size = 8);
        }),
        create(
            "gotox/value_of_eight_bytes",
            "values are struct bpf_insn_array_value, 16 bytes, although programs see 8",
            |plan| with_map(plan, |map| map.value_size = 8),
        ),
        create("gotox/value_of_32_bytes", "larger values are refused as well", |plan| {
            with_map(plan, |map| map.value_size = 32)
        }),
        create("gotox/mappable_table", "no flags: not BPF_F_MMAPABLE", |plan| {
            with_map(plan, |map| map.flags = 1 << 10)
        }),
        create(
            "gotox/table_marked_read_only",
            "no flags: not even BPF_F_RDONLY_PROG, which the kernel sets itself",
            |plan| with_map(plan, |map| map.flags = 1 << 7),
        ),
    ]
}

fn contents() -> Vec<Case> {
    let update = |name: &str, about: &str, change: fn(&mut LoadPlan)| {
        rejects(name, about, GOOD).adjust(change).at(RejectedAt::UpdateElem(0))
    };
    vec![
        update(
            "gotox/xlated_offset_given",
            "user space states orig_off only: xlated_off must be zero",
            |plan| set_value_byte(plan, 4),
        )
        .into(),
        update("gotox/jitted_offset_given", "and jitted_off must be zero", |plan| {
            set_value_byte(plan, 8)
        })
        .into(),
        update(
            "gotox/key_behind_the_table",
            "a key that is not below the number of entries",
            |plan| {
                with_map(plan, |map| {
                    if let Some(element) = map.contents.first_mut() {
                        element.key = 2_u32.to_le_bytes().to_vec();
                    }
                });
            },
        )
        .errno(errno::E2BIG)
        .into(),
        rejects(
            "gotox/unfrozen_table",
            "user space could still change the table (bpf_insn_array: load-unfrozen-map)",
            GOOD,
        )
        .adjust(|plan| with_map(plan, |map| map.frozen = false))
        .log("Failed to properly initialize insn array")
        .into(),
    ]
}

/// Sets the byte at `at` of the first entry's value: 4 is in `xlated_off`, 8 in `jitted_off`.
fn set_value_byte(plan: &mut LoadPlan, at: usize) {
    with_map(plan, |map| {
        if let Some(byte) = map.contents.first_mut().and_then(|element| element.value.get_mut(at)) {
            *byte = 1;
        }
    });
}

fn users() -> Vec<Case> {
    vec![
        rejects(
            "gotox/table_of_another_program",
            "a table belongs to the first program that uses it \
             (bpf_insn_array: no-map-reuse)",
            r"
            .prog main syscall
                r1 = FIRST ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable FIRST: a
            .prog second syscall
                r1 = SECOND ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable SECOND: a
            ",
        )
        .adjust(|plan| {
            let Some(first) = plan
                .programs
                .first()
                .and_then(|program| program.map_refs.first())
                .map(|reference| reference.map)
            else {
                return;
            };
            if let Some(second) = plan.programs.get_mut(1) {
                for reference in &mut second.map_refs {
                    reference.map = first;
                }
            }
        })
        .at(RejectedAt::LoadProgram(1))
        .errno(errno::EBUSY)
        .log("Failed to properly initialize insn array")
        .into(),
        rejects(
            "gotox/ordinary_array_as_table",
            "an array map with the same bytes is no table: what is read from it is a number",
            r"
                r1 = table ll
                r1 = *(u64 *)(r1 +0)
                r2 = JT ll
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable JT: a
            .map table array key=4 value=8 entries=1 flags=0
            ",
        )
        .log("R1 has type scalar, expected PTR_TO_INSN")
        .into(),
    ]
}

/// The map is for direct access: helpers do not accept it (`check_map_func_compatibility`).
fn helpers() -> Vec<Case> {
    let helper = |name: &str, about: &str, call: &str, log: &str| {
        rejects(
            name,
            about,
            format!(
                "
                r6 = r1
                *(u32 *)(r10 -4) = 0
                *(u64 *)(r10 -16) = 0
                *(u64 *)(r10 -24) = 0
                r2 = r10
                r2 += -4
                r3 = r10
                r3 += -24
                r4 = 0
                r1 = map JT ll
                {call}
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable JT: a
                "
            ),
        )
        .log(log)
    };
    vec![
        helper(
            "gotox/helper_looks_up_entry",
            "not look-up (bpf_insn_array: bpf-side-ops)",
            "call bpf_map_lookup_elem",
            "cannot pass map_type 34 into func bpf_map_lookup_elem#1",
        )
        .into(),
        helper(
            "gotox/helper_updates_entry",
            "not update: the map is read-only for programs (record_func_map)",
            "call bpf_map_update_elem",
            "write into map forbidden",
        )
        .errno(errno::EACCES)
        .into(),
        helper(
            "gotox/helper_deletes_entry",
            "not delete, for the same reason",
            "call bpf_map_delete_elem",
            "write into map forbidden",
        )
        .errno(errno::EACCES)
        .into(),
        helper(
            "gotox/tail_call_through_table",
            "not the tail call, which takes an array of programs (record_func_key)",
            "r2 = r1\n r1 = r6\n r3 = 0\n call bpf_tail_call",
            "expected prog array map for tail call",
        )
        .into(),
        helper(
            "gotox/helper_peeks_into_table",
            "nor may it stand in for a map of another kind",
            "r2 = r3\n call bpf_map_peek_elem",
            "cannot pass map_type 34 into func bpf_map_peek_elem#89",
        )
        .into(),
        rejects(
            "gotox/table_as_string",
            "nor can the table be a constant string (check_arg_const_str)",
            r"
                *(u64 *)(r10 -8) = 0
                r1 = r10
                r1 += -8
                r2 = 8
                r3 = JT ll
                call bpf_strncmp
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .errno(errno::EACCES)
        .log("R3 points to insn_array map which cannot be used as const string")
        .into(),
    ]
}
