//! What needs privileges: loading, and leaking kernel addresses from the program.
//!
//! Maps are created with privileges; the program is loaded without.

use crate::Case;
use crate::builder::{cap, errno, rejects};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = loading();
    cases.extend(leaks());
    cases
}

/// Without CAP_BPF `bpf_prog_load` fails before the verifier starts, so there is no log.
fn loading() -> Vec<Case> {
    const PROGRAM: &str = r"
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 0
                exit
            .jumptable JT: a
    ";
    let without = |name: &str, about: &str, section: &str, caps: &[u8]| -> Case {
        rejects(name, about, format!(".prog main {section}\n{PROGRAM}"))
            .without_caps(caps)
            .errno(errno::EPERM)
            .into()
    };
    let all = [cap::SYS_ADMIN, cap::PERFMON, cap::BPF];
    vec![
        without(
            "gotox/syscall_program_without_cap_bpf",
            "a syscall program without CAP_BPF",
            "syscall",
            &all,
        ),
        without("gotox/tc_program_without_cap_bpf", "a tc program without CAP_BPF", "tc", &all),
        without(
            "gotox/xdp_program_with_cap_perfmon_only",
            "an XDP program with CAP_PERFMON, but without CAP_BPF",
            "xdp",
            &[cap::SYS_ADMIN, cap::BPF],
        ),
    ]
}

/// With CAP_BPF, but without CAP_PERFMON, an instruction's address must not leave the program.
fn leaks() -> Vec<Case> {
    let leak = |name: &str, about: &str, how: &str, log: &str| -> Case {
        rejects(
            name,
            about,
            format!(
                "
                r6 = r1
                r3 = JT ll
                r4 = *(u64 *)(r3 +8)
                r3 = *(u64 *)(r3 +0)
                {how}
                gotox r3
            a:
                r0 = 0
                exit
            b:
                r0 = 1
                exit
            .jumptable JT: a, b
            .map store array key=4 value=8 entries=1 flags=0
                "
            ),
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .errno(errno::EACCES)
        .log(log)
        .into()
    };
    vec![
        leak(
            "gotox/leak_into_context",
            "the address cannot be written to the context",
            "*(u64 *)(r6 +0) = r3",
            "R3 leaks addr into ctx",
        ),
        leak(
            "gotox/leak_into_map",
            "nor to a map",
            "r2 = store ll\n *(u64 *)(r2 +0) = r3",
            "R3 leaks addr into map",
        ),
        leak(
            "gotox/leak_by_comparison",
            "nor compared with a number other than zero",
            "if r3 > 5 goto a",
            "R3 pointer comparison prohibited",
        ),
        leak(
            "gotox/leak_by_difference",
            "nor subtracted from another address",
            "r4 -= r3",
            "R4 pointer -= pointer prohibited",
        ),
        leak("gotox/leak_by_half", "nor taken by halves", "w4 = w3", "R3 partial copy of pointer"),
        leak(
            "gotox/leak_by_negation",
            "nor negated",
            "r4 = -r4",
            "R4 pointer arithmetic prohibited",
        ),
        rejects(
            "gotox/leak_as_return_value",
            "nor returned",
            r"
                r6 = JT ll
                r0 = *(u64 *)(r6 +0)
                gotox r0
            a:
                exit
            .jumptable JT: a
            ",
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .errno(errno::EACCES)
        .log("R0 leaks addr as return value")
        .into(),
    ]
}
