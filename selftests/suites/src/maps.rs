//! Suite `maps`: effects and results of the helpers for arrays, per-CPU arrays and hash maps.
//!
//! No case needs an indirect branch: the suite shows that the model's maps behave like the
//! kernel's, which the other suites rely on.

use crate::Case;
use crate::builder::{accepts, ctx_u64s};

const ENOENT: i64 = 2;
const E2BIG: i64 = 7;
const EEXIST: i64 = 17;
const EINVAL: i64 = 22;

/// Updates the key in the context's first word with its second word, with the flags in its third.
const UPDATE: &str = "
    r6 = r1
    r2 = *(u64 *)(r6 +0)
    *(u64 *)(r10 -8) = r2
    r2 = *(u64 *)(r6 +8)
    *(u64 *)(r10 -16) = r2
    *(u64 *)(r10 -24) = 0
    r1 = map M ll
    r2 = r10
    r2 += -8
    r3 = r10
    r3 += -24
    r4 = *(u64 *)(r10 -16)
    *(u64 *)(r10 -24) = r4
    r4 = *(u64 *)(r6 +16)
    call bpf_map_update_elem
";

/// Arguments to update the key at `r10 - 8` with the value at `r10 - 24`; flags go into r4.
const ARGUMENTS: &str = "
    r1 = map M ll
    r2 = r10
    r2 += -8
    r3 = r10
    r3 += -24
";

pub(crate) fn cases() -> Vec<Case> {
    [arrays(), hashes(), elements()].concat()
}

/// A map of this type with keys of 4 and values of 8 bytes.
fn map(map_type: &str, entries: u32) -> String {
    format!(".map M {map_type} key=4 value=8 entries={entries}\n")
}

/// Context and result of an update.
type Update = ([u64; 3], i64);

fn updates(name: &str, about: &str, source: &str, runs: &[Update]) -> Case {
    runs.iter()
        .fold(accepts(name, about, source), |case, (words, returns)| {
            case.run(ctx_u64s(words), -returns as u32)
        })
        .into()
}

fn arrays() -> Vec<Case> {
    let runs: &[Update] = &[
        ([0, 5, 0], 0),
        ([1, 6, 2], 0),
        ([1, 7, 1], EEXIST),
        ([1, 8, 3], EINVAL),
        ([2, 9, 0], E2BIG),
        ([2, 9, 1], E2BIG),
        ([2, 9, 3], EINVAL),
        // BPF_F_LOCK, but the value has no lock.
        ([1, 9, 4], EINVAL),
        ([1, 9, 5], EEXIST),
        ([2, 9, 4], E2BIG),
        ([1, 9, 7], EINVAL),
        ([1, 9, 8], EINVAL),
        ([1, 9, 1 << 32], EINVAL),
        ([1, 9, 1 << 63], EINVAL),
        ([u64::MAX, 9, 0], E2BIG),
        // The key has 32 bits.
        ([1 << 32, 10, 0], 0),
    ];
    ["array", "percpu_array"]
        .map(|map_type| {
            updates(
                &format!("maps/{map_type}_updates"),
                "what an update of an array returns for each index and flag",
                &format!("{UPDATE}\nexit\n{}", map(map_type, 2)),
                runs,
            )
        })
        .to_vec()
}

fn hashes() -> Vec<Case> {
    let delete = "
        r1 = map M ll
        r2 = r10
        r2 += -8
        call bpf_map_delete_elem
        exit
    ";
    let runs: &[Update] = &[
        ([7, 1, 2], ENOENT),
        ([7, 1, 1], 0),
        ([7, 2, 1], EEXIST),
        ([7, 3, 2], 0),
        ([7, 4, 3], EINVAL),
        ([7, 4, 4], EINVAL),
        ([8, 4, 5], EINVAL),
        ([8, 5, 0], 0),
        ([9, 6, 0], E2BIG),
        ([9, 6, 1], E2BIG),
        ([9, 6, 2], ENOENT),
        ([8, 7, 0], 0),
        ([8, 7, 8], EINVAL),
        ([8, 7, 1 << 63], EINVAL),
    ];
    let fill = |first: &str| {
        format!(
            "
            {first}
            r6 = 0
            r7 = 0
        next:
            *(u64 *)(r10 -8) = r6
            *(u64 *)(r10 -16) = r6
            r1 = map M ll
            r2 = r10
            r2 += -8
            r3 = r10
            r3 += -16
            r4 = 0
            call bpf_map_update_elem
            if r0 != 0 goto full
            r7 += 1
        full:
            r6 += 1
            if r6 != 12 goto next
            r0 = r7
            exit
            .map M hash key=4 value=8 entries=8
            "
        )
    };
    vec![
        updates(
            "maps/hash_updates",
            "what an update of a hash map returns for each key and flag",
            &format!("{UPDATE}\nexit\n{}", map("hash", 2)),
            runs,
        ),
        updates(
            "maps/hash_deletes",
            "an update that is refused leaves nothing to delete, any other does",
            &format!("{UPDATE}\n{delete}\n{}", map("hash", 1)),
            &[
                ([1, 5, 2], ENOENT),
                ([1, 5, 0], 0),
                ([1, 5, 0], 0),
                ([2, 5, 1], 0),
                ([1, 5, 2], ENOENT),
            ],
        ),
        accepts(
            "maps/hash_takes_as_many_as_it_has_entries",
            "twelve keys for eight entries, twice: the second time eight are updated",
            fill(""),
        )
        .runs(&[(0, 8), (0, 8)])
        .into(),
    ]
}

/// Looks up the key in the context's first word; the element, or 0, is in r0.
const LOOKUP: &str = "
    r6 = r1
    r2 = *(u64 *)(r6 +0)
    *(u64 *)(r10 -8) = r2
    r1 = map M ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
";

fn elements() -> Vec<Case> {
    let mut cases: Vec<Case> = ["array", "percpu_array"]
        .map(|map_type| {
            accepts(
                format!("maps/{map_type}_elements"),
                "a look-up gives the element, which keeps what is written; past the end there is none",
                format!(
                    "
                    {LOOKUP}
                    if r0 != 0 goto found
                    r0 = 77
                    exit
                found:
                    r1 = *(u64 *)(r0 +0)
                    r1 += 1
                    *(u64 *)(r0 +0) = r1
                    *(u8 *)(r0 +7) = 3
                    r0 = r1
                    exit
                    {}",
                    map(map_type, 3)
                ),
            )
            .runs(&[(0, 1), (2, 1), (2, 2), (3, 77), (0, 2), (u64::MAX, 77), (1 << 32, 3)])
            .into()
        })
        .to_vec();
    cases.push(
        accepts(
            "maps/hash_element_after_its_update",
            "an update puts the new value elsewhere: a pointer to the old one reads the old one",
            format!(
                "
                {UPDATE}
                r1 = map M ll
                r2 = r10
                r2 += -8
                call bpf_map_lookup_elem
                if r0 != 0 goto found
                r0 = 77
                exit
            found:
                r7 = r0
                *(u64 *)(r10 -16) = 1000
                r1 = map M ll
                r2 = r10
                r2 += -8
                r3 = r10
                r3 += -16
                r4 = 2
                call bpf_map_update_elem
                r0 = *(u64 *)(r7 +0)
                exit
                {}",
                map("hash", 2)
            ),
        )
        .run(ctx_u64s(&[3, 5, 0]), 5)
        .run(ctx_u64s(&[3, 6, 0]), 6)
        .run(ctx_u64s(&[4, 7, 1]), 7)
        .into(),
    );
    cases.push(
        accepts(
            "maps/hash_keys_are_all_their_bytes",
            "keys that differ in the last byte alone are different",
            "
            r2 = *(u64 *)(r1 +0)
            *(u64 *)(r10 -16) = 0
            *(u64 *)(r10 -24) = r2
            *(u64 *)(r10 -8) = 0
            *(u8 *)(r10 -12) = r2
            r1 = map M ll
            r2 = r10
            r2 += -16
            r3 = r10
            r3 += -24
            r4 = 1
            call bpf_map_update_elem
            exit
            .map M hash key=5 value=3 entries=4
            ",
        )
        .runs(&[(1, 0), (2, 0), (1, -EEXIST as u32), (0x101, -EEXIST as u32), (0, 0)])
        .into(),
    );
    for (name, map_type) in [("array_lock", "array"), ("hash_lock", "hash")] {
        cases.push(
            accepts(
                format!("maps/{name}_is_left_alone"),
                "an update, with BPF_F_LOCK or without, does not write over the lock of an element",
                format!(
                    "
                    .prog main tc
                        *(u64 *)(r10 -8) = 0
                        *(u64 *)(r10 -24) = 258
                        *(u64 *)(r10 -16) = -1
                        {ARGUMENTS}
                        r4 = 0
                        call bpf_map_update_elem
                        r6 = r0
                        *(u64 *)(r10 -24) = 772
                        {ARGUMENTS}
                        r4 = 4
                        call bpf_map_update_elem
                        r6 |= r0
                        r1 = map M ll
                        r2 = r10
                        r2 += -8
                        call bpf_map_lookup_elem
                        if r0 != 0 goto found
                        r0 = 77
                        exit
                    found:
                        r7 = r0
                        r1 = r7
                        r1 += 8
                        call bpf_spin_lock
                        *(u8 *)(r7 +7) = 9
                        r1 = r7
                        r1 += 8
                        call bpf_spin_unlock
                        r0 = r6
                        exit
                        .map M {map_type} key=4 value=16 entries=1 lock=8
                    "
                ),
            )
            .run_packet(crate::builder::frame(64, 0), 0)
            .into(),
        );
    }
    cases
}
