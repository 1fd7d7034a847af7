//! Arithmetic and memory accesses on function pointers: a function can only be entered at its
//! start.

use crate::Case;
use crate::builder::{errno, rejects};

/// A program that calls f through r2 after `change`.
fn changed(change: &str) -> String {
    format!(
        "
            r7 = *(u64 *)(r1 +0)
            r2 = f ll
            {change}
            callx r2
            exit
        .func f
            r0 = 0
            exit
        "
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("added_constant", "r2 += 8", "dereference of modified func ptr R2 off=8 disallowed"),
        ("subtracted_constant", "r2 -= 8", "negative offset func ptr R2 off=-8 disallowed"),
        ("added_variable", "r7 &= 8\nr2 += r7", "variable func access var_off="),
        ("multiplied", "r2 *= 1", "R2 pointer arithmetic with *= operator prohibited"),
        ("masked", "r2 &= -1", "R2 bitwise operator &= on pointer prohibited"),
        ("shifted", "r2 <<= 0", "R2 pointer arithmetic with <<= operator prohibited"),
        (
            "half_read_from_stack",
            "*(u64 *)(r10 -8) = r2\nr2 = *(u32 *)(r10 -8)",
            "invalid size of register fill",
        ),
        ("half_stored", "*(u32 *)(r10 -8) = r2", "invalid size of register spill"),
        ("added_in_two_steps", "r2 += 4\nr2 += 4", "dereference of modified func ptr R2 off=8"),
    ]
    .map(|(name, change, log)| {
        rejects(
            format!("callx/pointer_{name}"),
            "a pointer into a function's middle, or part of one, is no function",
            changed(change),
        )
        .errno(errno::EACCES)
        .log(log)
        .into()
    })
    .into();
    cases.extend(
        [
            ("truncated", "w2 = w2"),
            ("negated_twice", "r2 = -r2\nr2 = -r2"),
            ("swapped_twice", "r2 = bswap64 r2\nr2 = bswap64 r2"),
            ("sign_extended", "r2 = (s32)r2"),
            ("difference_of_two", "r3 = f ll\nr2 -= r3"),
            (
                "partly_overwritten_on_stack",
                "*(u64 *)(r10 -8) = r2\n*(u8 *)(r10 -1) = 0\nr2 = *(u64 *)(r10 -8)",
            ),
            (
                "through_atomic_exchange",
                "*(u64 *)(r10 -8) = 0\nr3 = r2\nr3 = atomic64_xchg((u64 *)(r10 -8), r3)\nr2 = r3",
            ),
        ]
        .map(|(name, change)| {
            rejects(
                format!("callx/pointer_{name}"),
                "what arithmetic and partial copies make of a pointer is a number",
                changed(change),
            )
            .errno(errno::EACCES)
            .log("R2 has type scalar, expected func")
            .into()
        }),
    );
    cases.extend(
        [
            ("read", "r0 = *(u64 *)(r2 +0)"),
            ("written", "*(u64 *)(r2 +0) = 0"),
            ("modified_atomically", "r3 = 1\nlock *(u64 *)(r2 +0) += r3"),
        ]
        .map(|(name, access)| {
            rejects(
                format!("callx/function_{name}"),
                "a program neither reads nor writes its own code",
                changed(access),
            )
            .errno(errno::EACCES)
            .log("R2 invalid mem access 'func'")
            .into()
        }),
    );
    cases.push(
        rejects(
            "callx/function_as_key",
            "a helper neither",
            "
                r2 = f ll
                r1 = map M ll
                call bpf_map_lookup_elem
                r2 = f ll
                callx r2
                exit
            .func f
                r0 = 0
                exit
            .map M array key=4 value=8 entries=1
            ",
        )
        .errno(errno::EACCES)
        .log("R2 type=func expected=fp")
        .into(),
    );
    cases
}
