//! Registers that `gotox` must not jump through.
//!
//! `check_indirect_jump` in `kernel/bpf/verifier.c` prints the type that it found.

use crate::builder::{errno, rejects};
use crate::{Case, Feature};

/// A program with a valid table that jumps through r1 as set by `setup`. Before it, r0 is the
/// table's address and r1 the context.
fn jump_through(setup: &str) -> String {
    format!(
        "
            r0 = JT ll
            {setup}
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
    let mut cases = wrong_types();
    cases.extend(changed_addresses());
    cases.extend(uses_of_addresses());
    cases
}

fn wrong_types() -> Vec<Case> {
    let wrong = |name: &str, about: &str, setup: &str, found: &str| -> Case {
        rejects(name, about, jump_through(setup))
            .log(format!("R1 has type {found}, expected PTR_TO_INSN"))
            .into()
    };
    vec![
        wrong(
            "gotox/scalar",
            "a number is no jump target (verifier_gotox: jump_table_incorrect_dst_reg_type)",
            "r1 = 42",
            "scalar",
        ),
        wrong(
            "gotox/input_as_target",
            "a number from the context is no jump target",
            "r1 = *(u64 *)(r1 +0)",
            "scalar",
        ),
        wrong("gotox/frame_pointer", "the frame pointer is no jump target", "r1 = r10", "fp"),
        wrong("gotox/context", "the context is no jump target", "", "ctx"),
        wrong(
            "gotox/table_address",
            "the address of the table is not yet an entry of it",
            "r1 = r0",
            "map_value",
        ),
        wrong("gotox/map", "the map itself is no jump target", "r1 = map JT ll", "map_ptr"),
        wrong(
            "gotox/lost_in_a_map",
            "an address that went through another map came back as a number",
            "
            r1 = *(u64 *)(r0 +0)
            r2 = store ll
            *(u64 *)(r2 +0) = r1
            r1 = *(u64 *)(r2 +0)
            .map store array key=4 value=8 entries=1 flags=0
            ",
            "scalar",
        ),
        wrong(
            "gotox/lower_half",
            "a 32-bit move of an address gives a number",
            "r1 = *(u64 *)(r0 +0)\n w1 = w1",
            "scalar",
        ),
        wrong(
            "gotox/sign_extended",
            "a sign-extending move of an address gives a number",
            "r1 = *(u64 *)(r0 +0)\n r1 = (s32)r1",
            "scalar",
        ),
        wrong(
            "gotox/negated",
            "the negation of an address is a number",
            "r1 = *(u64 *)(r0 +0)\n r1 = -r1",
            "scalar",
        ),
        wrong(
            "gotox/difference_of_addresses",
            "the difference of two addresses is a number",
            "r1 = *(u64 *)(r0 +8)\n r2 = *(u64 *)(r0 +0)\n r1 -= r2",
            "scalar",
        ),
        wrong(
            "gotox/one_path_without_an_address",
            "on one of two paths the register holds a number",
            "
            r2 = *(u64 *)(r1 +0)
            r1 = *(u64 *)(r0 +0)
            if r2 == 0 goto jump
            r1 = 8
        jump:
            ",
            "scalar",
        ),
        rejects(
            "gotox/frame_pointer_register",
            "r10 can be encoded, but holds the frame pointer",
            r"
                r0 = JT ll
                gotox r10
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .log("R10 has type fp, expected PTR_TO_INSN")
        .into(),
        rejects(
            "gotox/uninitialised",
            "a register that was never written: check_indirect_jump looks at the type alone, and \
             the type of such a register prints as a question mark",
            r"
                r0 = JT ll
                gotox r7
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .log("R7 has type ?, expected PTR_TO_INSN")
        .into(),
        rejects(
            "gotox/scratched_by_a_call",
            "a call of a helper makes r1 to r5 unreadable, an address in r1 included",
            r"
                r1 = JT ll
                r1 = *(u64 *)(r1 +0)
                call bpf_jiffies64
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .log("R1 has type ?, expected PTR_TO_INSN")
        .into(),
        rejects(
            "gotox/packet",
            "a packet pointer is no jump target",
            r"
            .prog pass xdp
                r0 = JT ll
                r1 = *(u32 *)(r1 +0)
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .log("R1 has type pkt, expected PTR_TO_INSN")
        .into(),
    ]
}

fn changed_addresses() -> Vec<Case> {
    let changed = |name: &str, about: &str, change: &str, log: &str| -> Case {
        rejects(name, about, jump_through(&format!("r1 = *(u64 *)(r0 +0)\n {change}")))
            .errno(errno::EACCES)
            .log(log)
            .into()
    };
    vec![
        changed(
            "gotox/target_plus_constant",
            "the address of an instruction cannot be moved by a constant",
            "r1 += 8",
            "R1 pointer arithmetic on insn prohibited",
        ),
        changed(
            "gotox/target_plus_zero",
            "not even zero can be added to it",
            "r1 += 0",
            "R1 pointer arithmetic on insn prohibited",
        ),
        changed(
            "gotox/target_minus_register",
            "nor can a number be subtracted from it",
            "r2 = 8\n r1 -= r2",
            "R1 pointer arithmetic on insn prohibited",
        ),
        changed(
            "gotox/register_plus_target",
            "nor can it be added to a number",
            "r2 = r1\n r1 = 8\n r1 += r2",
            "R1 pointer arithmetic on insn prohibited",
        ),
        changed(
            "gotox/target_masked",
            "bitwise operations on it are refused",
            "r1 &= -1",
            "R1 pointer arithmetic on insn prohibited",
        ),
        changed(
            "gotox/target_shifted",
            "shifts of it are refused",
            "r1 <<= 0",
            "R1 pointer arithmetic on insn prohibited",
        ),
        changed(
            "gotox/target_in_32_bits",
            "32-bit arithmetic on it is refused",
            "w1 += 0",
            "R1 32-bit pointer arithmetic prohibited",
        ),
        changed(
            "gotox/two_targets_added",
            "two addresses cannot be added",
            "r2 = *(u64 *)(r0 +8)\n r1 += r2",
            "R1 pointer += pointer prohibited",
        ),
    ]
}

fn uses_of_addresses() -> Vec<Case> {
    vec![
        rejects(
            "gotox/read_through_target",
            "the instructions themselves cannot be read",
            jump_through("r1 = *(u64 *)(r0 +0)\n r2 = *(u64 *)(r1 +0)"),
        )
        .errno(errno::EACCES)
        .log("R1 invalid mem access 'insn'")
        .into(),
        rejects(
            "gotox/write_through_target",
            "the instructions themselves cannot be written",
            jump_through("r1 = *(u64 *)(r0 +0)\n *(u64 *)(r1 +0) = 0"),
        )
        .errno(errno::EACCES)
        .log("R1 invalid mem access 'insn'")
        .into(),
        rejects(
            "gotox/target_as_helper_argument",
            "the address of an instruction is no memory that a helper could read",
            r"
                r6 = JT ll
                r2 = *(u64 *)(r6 +0)
                r1 = map store ll
                call bpf_map_lookup_elem
                r1 = *(u64 *)(r6 +0)
                gotox r1
            a:
                r0 = 0
                exit
            .jumptable JT: a
            .map store array key=4 value=8 entries=1 flags=0
            ",
        )
        .errno(errno::EACCES)
        .log("R2 type=insn expected=fp")
        .into(),
        rejects(
            "gotox/half_of_spilled_target",
            "of a spilled address only all eight bytes can be filled",
            jump_through("r1 = *(u64 *)(r0 +0)\n *(u64 *)(r10 -8) = r1\n r1 = *(u32 *)(r10 -8)"),
        )
        .errno(errno::EACCES)
        .log("invalid size of register fill")
        .needs(Feature::SpilledTarget)
        .into(),
        rejects(
            "gotox/half_of_target_spilled",
            "of an address only all eight bytes can be spilled",
            jump_through("r1 = *(u64 *)(r0 +0)\n *(u32 *)(r10 -8) = r1\n r1 = *(u64 *)(r10 -8)"),
        )
        .errno(errno::EACCES)
        .log("invalid size of register spill")
        .needs(Feature::SpilledTarget)
        .into(),
        rejects(
            "gotox/spilled_target_overwritten",
            "one byte written into the spilled address makes a number of it",
            jump_through(
                "r1 = *(u64 *)(r0 +0)
                *(u64 *)(r10 -8) = r1
                *(u8 *)(r10 -8) = 0
                r1 = *(u64 *)(r10 -8)",
            ),
        )
        .log("R1 has type scalar, expected PTR_TO_INSN")
        .into(),
        rejects(
            "gotox/one_load_of_table_and_context",
            "one load reads the table on one path and the context on the other: context accesses are \
             rewritten, so it cannot be both (save_aux_ptr_type)",
            r"
                r2 = *(u64 *)(r1 +0)
                r3 = r1
                if r2 == 0 goto load
                r3 = JT ll
            load:
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 0
                exit
            .jumptable JT: a
            ",
        )
        .log("same insn cannot be used with different pointers")
        .into(),
    ]
}
