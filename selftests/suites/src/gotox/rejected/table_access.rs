//! Invalid reads of the table's memory, and writes, which are never allowed.

use crate::Case;
use crate::builder::{errno, rejects};

/// A program that reads r1 from the table at r0 with `access`, and jumps. r2 is the context's first
/// word.
fn access(access: &str) -> String {
    format!(
        "
            r2 = *(u64 *)(r1 +0)
            r0 = JT ll
            {access}
            gotox r1
        a:
            r0 = 0
            exit
        b:
            r0 = 1
            exit
        .jumptable JT: a, b
        "
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = ranges();
    cases.extend(widths());
    cases.extend(writes());
    cases
}

fn refused(name: &str, about: &str, how: &str, log: &str) -> Case {
    rejects(name, about, access(how)).errno(errno::EACCES).log(log).into()
}

fn ranges() -> Vec<Case> {
    vec![
        refused(
            "gotox/entry_behind_the_table",
            "a constant index behind the last entry \
             (verifier_gotox: jump_table_invalid_mem_acceess_pos)",
            "r0 += 24\n r1 = *(u64 *)(r0 +0)",
            "invalid access to map value, value_size=16 off=24 size=8",
        ),
        refused(
            "gotox/first_entry_behind_the_table",
            "the entry right behind the last one, with the offset in the load",
            "r1 = *(u64 *)(r0 +16)",
            "invalid access to map value, value_size=16 off=16 size=8",
        ),
        refused(
            "gotox/entry_before_the_table",
            "a constant index before the first entry \
             (verifier_gotox: jump_table_invalid_mem_acceess_neg)",
            "r0 -= 24\n r1 = *(u64 *)(r0 +0)",
            "R0 min value is negative",
        ),
        refused(
            "gotox/negative_offset",
            "a negative offset in the load",
            "r1 = *(u64 *)(r0 -8)",
            "invalid access to map value, value_size=16 off=-8 size=8",
        ),
        refused(
            "gotox/index_too_large",
            "a variable index that may be one too large",
            "r2 &= 3\n r2 <<= 3\n r0 += r2\n r1 = *(u64 *)(r0 +0)",
            "invalid access to map value, value_size=16 off=24 size=8",
        ),
        refused(
            "gotox/index_too_large_by_offset",
            "a variable index that fits, and an offset that makes it too large",
            "r2 &= 1\n r2 <<= 3\n r0 += r2\n r1 = *(u64 *)(r0 +8)",
            "R0 max value is outside of the allowed memory range",
        ),
        refused(
            "gotox/index_may_be_negative",
            "a variable index that is bounded from above only",
            "
            r2 &= 1
            r2 <<= 3
            r2 -= 8
            r0 += r2
            r1 = *(u64 *)(r0 +0)",
            "R0 min value is negative",
        ),
        rejects(
            "gotox/index_without_bound",
            "a variable index without any bound: the addition is refused",
            access("r2 <<= 3\n r0 += r2\n r1 = *(u64 *)(r0 +0)"),
        )
        .log("math between map_value pointer and register with unbounded min value is not allowed")
        .into(),
        refused(
            "gotox/index_with_unchecked_maximum",
            "an index of 32 bits without a comparison",
            "w2 = w2\n r2 <<= 3\n r0 += r2\n r1 = *(u64 *)(r0 +0)",
            "R0 unbounded memory access, make sure to bounds check any such access",
        ),
        rejects(
            "gotox/address_in_the_middle_of_an_entry",
            "the address of a table can be taken at entries only",
            r"
                r0 = JT + 4 ll
                r1 = *(u64 *)(r0 +4)
                gotox r1
            a:
                r0 = 0
                exit
            b:
                r0 = 1
                exit
            .jumptable JT: a, b
            ",
        )
        .errno(errno::EACCES)
        .log("invalid access to map value pointer, value_size=16 off=4")
        .into(),
        rejects(
            "gotox/address_behind_the_table",
            "the address behind the last entry cannot be taken, although it would not be read there",
            r"
                r0 = JT + 16 ll
                r1 = *(u64 *)(r0 -8)
                gotox r1
            a:
                r0 = 0
                exit
            b:
                r0 = 1
                exit
            .jumptable JT: a, b
            ",
        )
        .errno(errno::EACCES)
        .log("invalid access to map value pointer, value_size=16 off=16")
        .into(),
    ]
}

fn widths() -> Vec<Case> {
    vec![
        refused(
            "gotox/load_of_four_bytes",
            "half an entry cannot be read (verifier_gotox: jump_table_invalid_read_size_u32)",
            "r1 = *(u32 *)(r0 +8)",
            "Invalid read of 4 bytes from insn_array",
        ),
        refused(
            "gotox/load_of_two_bytes",
            "nor a quarter (verifier_gotox: jump_table_invalid_read_size_u16)",
            "r1 = *(u16 *)(r0 +8)",
            "Invalid read of 2 bytes from insn_array",
        ),
        refused(
            "gotox/load_of_one_byte",
            "nor a byte (verifier_gotox: jump_table_invalid_read_size_u8)",
            "r1 = *(u8 *)(r0 +9)",
            "Invalid read of 1 bytes from insn_array",
        ),
        refused(
            "gotox/sign_extending_load",
            "nor four bytes with their sign",
            "r1 = *(s32 *)(r0 +8)",
            "Invalid read of 4 bytes from insn_array",
        ),
        refused(
            "gotox/misaligned_load",
            "eight bytes that do not start at an entry \
             (verifier_gotox: jump_table_misaligned_access)",
            "r0 += 1\n r1 = *(u64 *)(r0 +0)",
            "misaligned value access off 1+0 size 8",
        ),
        refused(
            "gotox/misaligned_offset_in_load",
            "the same with the offset in the load",
            "r1 = *(u64 *)(r0 +4)",
            "misaligned value access off 0+4 size 8",
        ),
        refused(
            "gotox/misaligned_index",
            "a variable index that is not scaled by the size of an entry",
            "r2 &= 7\n r0 += r2\n r1 = *(u64 *)(r0 +0)",
            "misaligned value access off (0x0; 0x7)+0 size 8",
        ),
        refused(
            "gotox/index_scaled_by_four",
            "a variable index that is scaled by half the size of an entry",
            "r2 &= 1\n r2 <<= 2\n r0 += r2\n r1 = *(u64 *)(r0 +0)",
            "misaligned value access off (0x0; 0x4)+0 size 8",
        ),
    ]
}

fn writes() -> Vec<Case> {
    const FORBIDDEN: &str = "write into map forbidden, value_size=16 off=8 size=8";
    vec![
        refused(
            "gotox/store_of_register",
            "a program cannot write an entry (verifier_gotox: jump_table_no_writes)",
            "r0 += 8\n r1 = 0xbeef\n *(u64 *)(r0 +0) = r1\n r1 = *(u64 *)(r0 +0)",
            FORBIDDEN,
        ),
        refused(
            "gotox/store_of_constant",
            "nor write a constant to it",
            "*(u64 *)(r0 +8) = 0\n r1 = *(u64 *)(r0 +0)",
            FORBIDDEN,
        ),
        refused(
            "gotox/store_of_another_entry",
            "nor copy one entry over another",
            "r1 = *(u64 *)(r0 +0)\n *(u64 *)(r0 +8) = r1",
            FORBIDDEN,
        ),
        refused(
            "gotox/store_of_one_byte",
            "nor write a byte of it",
            "*(u8 *)(r0 +8) = 0\n r1 = *(u64 *)(r0 +0)",
            "write into map forbidden, value_size=16 off=8 size=1",
        ),
        refused(
            "gotox/atomic_add",
            "nor add to it atomically",
            "lock *(u64 *)(r0 +8) += r2\n r1 = *(u64 *)(r0 +0)",
            FORBIDDEN,
        ),
        refused(
            "gotox/atomic_exchange",
            "nor exchange it: the read half alone would have given an address",
            "r1 = 8\n r1 = atomic64_xchg((u64 *)(r0 +8), r1)",
            FORBIDDEN,
        ),
        refused(
            "gotox/atomic_store",
            "nor store to it with release semantics",
            "store_release((u64 *)(r0 +8), r2)\n r1 = *(u64 *)(r0 +0)",
            FORBIDDEN,
        ),
        rejects(
            "gotox/helper_writes_table",
            "nor let a helper write it",
            r"
            .prog classify tc
                r6 = JT ll
                r2 = 0
                r3 = r6
                r4 = 8
                call bpf_skb_load_bytes
                r1 = *(u64 *)(r6 +0)
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .errno(errno::EACCES)
        .log("write into map forbidden, value_size=16 off=0 size=8")
        .into(),
    ]
}
