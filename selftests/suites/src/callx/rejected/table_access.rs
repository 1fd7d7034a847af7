//! Accesses to a map with pointers to functions: a pointer may only be read as a whole and by
//! itself, by the program, through the address of the map's value.

use crate::Case;
use crate::builder::{errno, rejects};

/// A program with the table `.. 1000, a, b` and the context's word in r6.
fn table(body: &str) -> String {
    format!(
        "
            r6 = *(u64 *)(r1 +0)
            {body}
            exit
        .func a
            r0 = 1
            exit
        .func b
            r0 = 2
            exit
        .func user
            r2 = T + 8 ll
            r2 = *(u64 *)(r2 +0)
            callx r2
            exit
        .data T .rodata: 1000, a, b
        "
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("8_bits", "r2 = T ll\nr0 = *(u8 *)(r2 +8)", "1 bytes at offset 8"),
        ("8_bits_in_the_middle", "r2 = T ll\nr0 = *(u8 *)(r2 +13)", "1 bytes at offset 13"),
        ("16_bits", "r2 = T ll\nr0 = *(u16 *)(r2 +10)", "2 bytes at offset 10"),
        ("32_bits", "r2 = T ll\nr0 = *(u32 *)(r2 +8)", "4 bytes at offset 8"),
        ("upper_32_bits", "r2 = T ll\nr0 = *(u32 *)(r2 +20)", "4 bytes at offset 20"),
        ("sign_extended", "r2 = T ll\nr0 = *(s32 *)(r2 +8)", "4 bytes at offset 8"),
        ("parts_of_two", "r2 = T ll\nr0 = *(u64 *)(r2 +12)", "8 bytes at offset 12"),
        ("number_and_pointer", "r2 = T ll\nr0 = *(u64 *)(r2 +4)", "8 bytes at offset 4"),
    ]
    .map(|(name, access, log)| {
        rejects(
            format!("callx/table_read_of_{name}"),
            "part of a pointer is neither a number nor a function",
            table(&format!("{access}\ncall user")),
        )
        .errno(errno::EACCES)
        .log(format!("read of {log} overlaps with a pointer to a function"))
        .into()
    })
    .into();
    cases.extend([
        rejects(
            "callx/table_index_of_pointer_or_number",
            "the index selects a number or a pointer",
            table(
                "r6 &= 1\nr6 <<= 3\nr2 = T ll\nr2 += r6\nr2 = *(u64 *)(r2 +0)\nr0 = 0\ncall user",
            ),
        )
        .errno(errno::EACCES)
        .log("overlaps with a pointer to a function")
        .into(),
        rejects(
            "callx/table_index_unaligned",
            "the index may select parts of two pointers",
            table("r6 &= 4\nr2 = T + 8 ll\nr2 += r6\nr2 = *(u64 *)(r2 +0)\nr0 = 0\ncall user"),
        )
        .errno(errno::EACCES)
        .log("overlaps with a pointer to a function")
        .into(),
        rejects(
            "callx/table_index_too_large",
            "the index may lead behind the table",
            table("r6 &= 3\nr6 <<= 3\nr2 = T + 8 ll\nr2 += r6\nr2 = *(u64 *)(r2 +0)\ncallx r2"),
        )
        .errno(errno::EACCES)
        .log("invalid access to map value")
        .into(),
        rejects(
            "callx/table_index_unbounded",
            "nothing is known of the index",
            table("r6 <<= 3\nr2 = T ll\nr2 += r6\nr2 = *(u64 *)(r2 +0)\ncallx r2"),
        )
        .log("math between map_value pointer and register with unbounded min value")
        .into(),
        rejects(
            "callx/table_read_behind_end",
            "the element behind the last one",
            table("r2 = T ll\nr2 = *(u64 *)(r2 +24)\ncallx r2"),
        )
        .errno(errno::EACCES)
        .log("invalid access to map value")
        .into(),
        rejects(
            "callx/table_read_in_front_of_start",
            "the element in front of the first one",
            table("r2 = T ll\nr2 = *(u64 *)(r2 -8)\ncallx r2"),
        )
        .errno(errno::EACCES)
        .log("invalid access to map value")
        .into(),
        rejects(
            "callx/table_written",
            "the program must not change what it calls",
            table("r2 = T ll\nr3 = b ll\n*(u64 *)(r2 +8) = r3\ncall user"),
        )
        .errno(errno::EACCES)
        .log("write into map forbidden")
        .into(),
        rejects(
            "callx/table_modified_atomically",
            "nor in one step",
            table("r2 = T ll\nr3 = 8\nlock *(u64 *)(r2 +8) += r3\ncall user"),
        )
        .errno(errno::EACCES)
        .log("map forbidden")
        .into(),
        rejects(
            "callx/table_looked_up",
            "a look-up would find offsets where the address of the value finds pointers",
            table(
                "
                *(u32 *)(r10 -4) = 0
                r1 = map T ll
                r2 = r10
                r2 += -4
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r0 = *(u64 *)(r0 +8)
            out:
                r0 = 0
                call user
                ",
            ),
        )
        .log("only read through the address of its value")
        .into(),
        rejects(
            "callx/table_read_by_helper",
            "a helper that reads the map's memory would see addresses",
            table(
                "
                r1 = T ll
                r2 = 24
                r3 = 0
                r4 = r10
                r4 += -8
                call bpf_strtol
                call user
                ",
            ),
        )
        .errno(errno::EACCES)
        .log("overlaps with a pointer to a function")
        .into(),
        rejects(
            "callx/table_as_key",
            "so would one that takes a key from it",
            table(
                "
                r1 = map M ll
                r2 = T + 8 ll
                call bpf_map_lookup_elem
                call user
                ",
            ) + ".map M array key=4 value=8 entries=1",
        )
        .errno(errno::EACCES)
        .log("overlaps with a pointer to a function")
        .into(),
    ]);
    cases
}
