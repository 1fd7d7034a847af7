//! All program types that the suites run, not only `syscall`.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{accepts, cap, frame};

pub(super) fn cases() -> Vec<Case> {
    let by_length = |section: &str, length: &str| {
        format!(
            "
            .prog main {section}
            {length}
                r6 &= 1
                r6 <<= 3
                r2 = T ll
                r2 += r6
                r2 = *(u64 *)(r2 +0)
                callx r2
                exit
            .func even
                r0 = 2
                exit
            .func odd
                r0 = 1
                exit
            .data T .rodata: even, odd
            "
        )
    };
    let skb_length = "r6 = *(u32 *)(r1 +0)";
    let xdp_length = "
        r6 = *(u32 *)(r1 +4)
        r2 = *(u32 *)(r1 +0)
        r6 -= r2
    ";
    vec![
        accepts(
            "callx/in_socket_filter",
            "a socket filter calls a function of a table",
            by_length("socket", skb_length),
        )
        // The program sees the packet without its Ethernet header.
        .run_packet(frame(64, 0), 2)
        .run_packet(frame(65, 0), 1)
        .into(),
        accepts("callx/in_tc", "so does a classifier", by_length("tc", skb_length))
            .run_packet(frame(64, 0), 2)
            .run_packet(frame(65, 0), 1)
            .into(),
        accepts("callx/in_xdp", "so does an XDP program", by_length("xdp", xdp_length))
            .run_packet(frame(64, 0), 2)
            .run_packet(frame(65, 0), 1)
            .into(),
        accepts(
            "callx/cap_bpf_is_enough",
            "a pointer by ld_imm64 needs CAP_BPF only; without CAP_PERFMON the verifier also follows \
             the paths that only speculation takes",
            "
            .prog main socket
                r6 = *(u32 *)(r1 +0)
                r2 = a ll
                if r6 > 50 goto go
                r2 = b ll
            go:
                r1 = r6
                callx r2
                exit
            .func a
                r0 = 1
                exit
            .func b
                r0 = 2
                exit
            ",
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .run_packet(frame(64, 0), 2)
        .run_packet(frame(65, 0), 1)
        .into(),
        accepts(
            "callx/packet_pointers_as_arguments",
            "the callee reads a packet whose bounds the caller has checked",
            "
            .prog main xdp
                r2 = *(u32 *)(r1 +4)
                r1 = *(u32 *)(r1 +0)
                r3 = r1
                r3 += 16
                r0 = 0
                if r3 > r2 goto out
                r3 = f ll
                callx r3
            out:
                exit
            .func f
                r0 = *(u8 *)(r1 +14)
                exit
            ",
        )
        .run_packet(frame(64, 7), 7)
        .into(),
        accepts(
            "callx/packet_bounds_checked_by_callee",
            "the callee gets the context and checks for itself",
            "
            .prog main tc
                r2 = f ll
                callx r2
                exit
            .func f
                r2 = *(u32 *)(r1 +76)
                r3 = *(u32 *)(r1 +80)
                r0 = 0
                r4 = r2
                r4 += 16
                if r4 > r3 goto out
                r0 = *(u8 *)(r2 +15)
            out:
                exit
            ",
        )
        .run_packet(frame(64, 7), 8)
        .into(),
        accepts(
            "callx/packet_load_ends_only_the_callee",
            "a load from behind the packet's end returns 0 from the callee; the caller goes on",
            "
            .prog main socket
                r2 = f ll
                callx r2
                r0 += 100
                exit
            .func f
                r6 = r1
                r0 = *(u8 *)skb[9999]
                r0 = 5
                exit
            ",
        )
        .btf(BtfUse::Always)
        .run_packet(frame(64, 0), 100)
        .into(),
    ]
}
