//! Attempts to get at the address of a function, and to take a number for one.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{accepts, cap, errno, rejects};
use crate::callx::shape::typed_by;

/// Functions that nothing calls, and a table of them.
const TABLE: &str = "
    .func f
        r0 = 1
        exit
    .func g
        r0 = 2
        exit
    .func called
        r0 = 3
        exit
    .data T .rodata: f, g, called
";

pub(super) fn cases() -> Vec<Case> {
    [never_called(), unprivileged(), data(), types()].concat()
}

/// A call through a register, then `body`, which returns.
fn beside_a_call(body: &str) -> String {
    format!("r9 = r1\nr2 = called ll\ncallx r2\nr2 = T ll\n{body}\n{TABLE}")
}

/// Returns 1 if `condition` holds, 2 otherwise.
fn one_if(condition: &str, of: &str) -> String {
    beside_a_call(&format!("{of}\nr0 = 1\nif {condition} goto out\nr0 = 2\nout:\nexit"))
}

/// Pointers that are compared and not called.
fn never_called() -> Vec<Case> {
    let two = "r3 = *(u64 *)(r2 +0)\nr4 = *(u64 *)(r2 +8)";
    vec![
        accepts(
            "callx/never_called_in_data_are_two",
            "pointers to two functions that are never called are compared: they are not equal",
            one_if("r3 == r4", two),
        )
        .runs(&[(0, 2)])
        .into(),
        accepts(
            "callx/never_called_in_data_is_set",
            "if (ops->f), where f is never called",
            one_if("r3 == 0", "r3 = *(u64 *)(r2 +0)"),
        )
        .runs(&[(0, 2)])
        .into(),
        accepts(
            "callx/never_called_in_data_is_no_input",
            "the same against a 0 that the verifier does not know",
            one_if("r3 == r4", "r3 = *(u64 *)(r2 +0)\nr4 = *(u64 *)(r9 +0)"),
        )
        .runs(&[(0, 2)])
        .into(),
        accepts(
            "callx/never_called_in_data_and_by_address",
            "the pointer in data and the address in the program are those of one function",
            one_if("r3 == r4", "r3 = *(u64 *)(r2 +0)\nr4 = f ll"),
        )
        .runs(&[(0, 1)])
        .into(),
    ]
}

/// A socket filter without CAP_PERFMON does `body` with the address of f in r3 and a map in r2.
fn without_perfmon(name: &str, about: &str, body: &str, log: &str) -> Case {
    let source = format!(
        "
        .prog main socket
            r2 = called ll
            callx r2
            r2 = M ll
            r3 = f ll
            {body}
            r0 = 1
            exit
        {TABLE}
        .map M array key=4 value=8 entries=1
        "
    );
    rejects(name, about, source)
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .errno(errno::EACCES)
        .log(log)
        .into()
}

fn unprivileged() -> Vec<Case> {
    let leak = "*(u64 *)(r2 +0) = r3";
    vec![
        without_perfmon(
            "callx/leak_by_swapped_bytes",
            "bytes of the address in another order",
            &format!("r3 = bswap64 r3\n{leak}"),
            "R3",
        ),
        without_perfmon(
            "callx/leak_by_offset",
            "the address with a constant added",
            &format!("r3 += 8\n{leak}"),
            "R3 leaks addr into map",
        ),
        without_perfmon(
            "callx/leak_by_half_of_spill",
            "half of the spilled address",
            "*(u64 *)(r10 -8) = r3\nr3 = *(u32 *)(r10 -8)",
            "fp-8=func()",
        ),
        without_perfmon(
            "callx/leak_by_broken_spill",
            "a byte of the spilled address is overwritten, the rest is read",
            &format!("*(u64 *)(r10 -8) = r3\n*(u8 *)(r10 -8) = 0\nr3 = *(u64 *)(r10 -8)\n{leak}"),
            "attempt to corrupt spilled pointer on stack",
        ),
        without_perfmon(
            "callx/leak_by_exchange",
            "the address goes to the stack as a number, by an exchange",
            "*(u64 *)(r10 -8) = 0\nr3 = atomic64_xchg((u64 *)(r10 -8), r3)",
            "R3 leaks addr into mem",
        ),
        without_perfmon(
            "callx/leak_by_release",
            "a store with release semantics",
            "store_release((u64 *)(r2 +0), r3)",
            "R3 leaks addr into",
        ),
        without_perfmon(
            "callx/leak_by_comparison",
            "which function comes first",
            "r4 = g ll\nif r3 > r4 goto +1\nr2 = 0",
            "R4 pointer comparison prohibited",
        ),
        without_perfmon(
            "callx/leak_by_update_of_map",
            "the helper copies the spilled address",
            "*(u64 *)(r10 -8) = r3\n*(u32 *)(r10 -12) = 0\nr1 = map M ll\nr2 = r10\nr2 += -12\n\
             r3 = r10\nr3 += -8\nr4 = 0\ncall bpf_map_update_elem",
            "invalid read from stack R3",
        ),
        rejects(
            "callx/leak_by_callee",
            "the callee returns its own address, the caller stores it",
            "
            .prog main socket
                r2 = self ll
                callx r2
                r2 = M ll
                *(u64 *)(r2 +0) = r0
                r0 = 1
                exit
            .func self
                r0 = self ll
                exit
            .map M array key=4 value=8 entries=1
            ",
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .errno(errno::EACCES)
        .log("R0 leaks addr into map")
        .into(),
        rejects(
            "callx/leak_by_callers_stack",
            "the callee leaves its address on the caller's stack",
            "
            .prog main socket
                r1 = r10
                r1 += -8
                r2 = self ll
                callx r2
                r1 = *(u64 *)(r10 -8)
                r2 = M ll
                *(u64 *)(r2 +0) = r1
                r0 = 1
                exit
            .func self
                r2 = self ll
                *(u64 *)(r1 +0) = r2
                r0 = 0
                exit
            .map M array key=4 value=8 entries=1
            ",
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .errno(errno::EACCES)
        .log("R1 leaks addr into map")
        .into(),
    ]
}

fn data() -> Vec<Case> {
    vec![
        accepts(
            "callx/pointer_loaded_with_acquire",
            "a load with acquire semantics is a load of a pointer",
            "
                r2 = T ll
                r2 = load_acquire((u64 *)(r2 +8))
                callx r2
                exit
            .func f
                r0 = 1
                exit
            .func g
                r0 = 2
                exit
            .data T .rodata: f, g
            ",
        )
        .runs(&[(0, 2)])
        .into(),
        rejects(
            "callx/pointer_copied_into_map",
            "a helper is to copy a pointer out of the data, with CAP_PERFMON",
            format!(
                "{}\n.map M array key=4 value=8 entries=1\n",
                beside_a_call(
                    "*(u32 *)(r10 -4) = 0\nr3 = r2\nr1 = map M ll\nr2 = r10\nr2 += -4\nr4 = 0\n\
                     call bpf_map_update_elem\nr0 = 0\nexit"
                )
            ),
        )
        .errno(errno::EACCES)
        .log("overlaps with a pointer to a function")
        .into(),
    ]
}

/// Calls what the one word of T points to, as its type has it: it is the offset of f.
const WORD: &str = "
        r2 = T ll
        r2 = *(u64 *)(r2 +0)
        r3 = f ll
        callx r2
        exit
    .func f
        r0 = 5
        exit
    .data T .rodata: u64 56
";

/// Reads a number out of 12 bytes, of which the last 8 are a pointer by their type.
const UNALIGNED: &str = "
        r3 = f ll
        callx r3
        r2 = T ll
        r0 = *(u32 *)(r2 +4)
        exit
    .func f
        r0 = 5
        exit
    .data T .rodata: u32 7, u32 56, u32 0
";

/// Types that lie.
fn types() -> Vec<Case> {
    vec![
        accepts(
            "callx/typed_by_overlapping_members",
            "a number and a pointer at one offset of a struct: it may be a pointer",
            WORD,
        )
        .btf(BtfUse::Never)
        .adjust(|plan| {
            typed_by(plan, |btf| {
                let long = btf.int("long", 8, false);
                let pointer = btf.pointer(0);
                btf.structure("both", 8, &[("number", long, 0), ("pointer", pointer, 0)])
            });
        })
        .runs(&[(0, 5)])
        .into(),
        accepts("callx/typed_by_union_with_number", "the same as a union", WORD)
            .btf(BtfUse::Never)
            .adjust(|plan| {
                typed_by(plan, |btf| {
                    let long = btf.int("long", 8, false);
                    let pointer = btf.pointer(0);
                    btf.union("both", 8, &[("number", long, 0), ("pointer", pointer, 0)])
                });
            })
            .runs(&[(0, 5)])
            .into(),
        accepts(
            "callx/typed_but_not_aligned",
            "a pointer at an odd half of a word: what is there stays a number",
            UNALIGNED,
        )
        .btf(BtfUse::Never)
        .adjust(|plan| {
            typed_by(plan, |btf| {
                let int = btf.int("int", 4, true);
                let pointer = btf.pointer(0);
                btf.structure("packed", 12, &[("number", int, 0), ("pointer", pointer, 4)])
            });
        })
        .runs(&[(0, 56)])
        .into(),
    ]
}
