//! Restrictions without CAP_BPF and CAP_PERFMON.

use crate::Case;
use crate::builder::{cap, errno, rejects};

pub(super) fn cases() -> Vec<Case> {
    let no_perfmon = [cap::SYS_ADMIN, cap::PERFMON];
    let no_bpf = [cap::SYS_ADMIN, cap::PERFMON, cap::BPF];
    vec![
        rejects(
            "callx/without_cap_bpf",
            "functions need CAP_BPF",
            ".prog main socket\nr2 = f ll\ncallx r2\nexit\n.func f\nr0 = 0\nexit",
        )
        .errno(errno::EPERM)
        .without_caps(&no_bpf)
        .into(),
        rejects(
            "callx/opcode_without_cap_bpf",
            "the opcode needs it, whatever the register holds",
            ".prog main socket\nr2 = 0\ncallx r2\nexit",
        )
        .errno(errno::EPERM)
        .without_caps(&no_bpf)
        .log("loading/calling other bpf or kernel functions are allowed for CAP_BPF")
        .into(),
        rejects(
            "callx/data_without_cap_perfmon",
            "a pointer from data is an address of the kernel",
            "
            .prog main socket
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                callx r2
                exit
            .func f
                r0 = 0
                exit
            .data T .rodata: f
            ",
        )
        .without_caps(&no_perfmon)
        .errno(errno::EINVAL)
        .log("is not searched for pointers to functions, which requires CAP_PERFMON")
        .into(),
        rejects(
            "callx/pointer_returned_to_user",
            "without CAP_PERFMON the program must not return an address",
            ".prog main socket\nr0 = f ll\nr2 = f ll\nexit\n.func f\nr2 = f ll\ncallx r2\nexit",
        )
        .without_caps(&no_perfmon)
        .errno(errno::EACCES)
        .log("R0 leaks addr as return value")
        .into(),
        rejects(
            "callx/pointer_stored_in_map",
            "nor store it in a map that user space reads",
            "
            .prog main socket
                *(u32 *)(r10 -4) = 0
                r1 = map M ll
                r2 = r10
                r2 += -4
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r2 = f ll
                *(u64 *)(r0 +0) = r2
                callx r2
            out:
                r0 = 0
                exit
            .func f
                r0 = 0
                exit
            .map M array key=4 value=8 entries=1
            ",
        )
        .without_caps(&no_perfmon)
        .errno(errno::EACCES)
        .log("R2 leaks addr into map")
        .into(),
        rejects(
            "callx/pointer_stored_in_packet",
            "nor in the packet's metadata",
            "
            .prog main tc
                r2 = f ll
                *(u32 *)(r1 +8) = r2
                callx r2
                exit
            .func f
                r0 = 0
                exit
            ",
        )
        .without_caps(&no_perfmon)
        .errno(errno::EACCES)
        .log("R2 leaks addr into ctx")
        .into(),
        rejects(
            "callx/pointer_compared_with_number",
            "nor find it out by comparing",
            "
            .prog main socket
                r2 = f ll
                r0 = 0
                if r2 > 4096 goto out
                callx r2
            out:
                exit
            .func f
                r0 = 0
                exit
            ",
        )
        .without_caps(&no_perfmon)
        .errno(errno::EACCES)
        .log("R2 pointer comparison prohibited")
        .into(),
        rejects(
            "callx/half_of_pointer",
            "nor by taking half of it",
            "
            .prog main socket
                r2 = f ll
                w0 = w2
                callx r2
                exit
            .func f
                r0 = 0
                exit
            ",
        )
        .without_caps(&no_perfmon)
        .errno(errno::EACCES)
        .log("R2 partial copy of pointer")
        .into(),
        rejects(
            "callx/spilled_pointer_corrupted",
            "nor by mixing it with bytes on the stack",
            "
            .prog main socket
                r2 = f ll
                *(u64 *)(r10 -8) = r2
                *(u8 *)(r10 -8) = 0
                r2 = *(u64 *)(r10 -8)
                callx r2
                exit
            .func f
                r0 = 0
                exit
            ",
        )
        .without_caps(&no_perfmon)
        .errno(errno::EACCES)
        .log("attempt to corrupt spilled pointer on stack")
        .into(),
    ]
}
