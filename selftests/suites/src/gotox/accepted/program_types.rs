//! The program types that the harness runs, and the privileges of the loader.

use crate::Case;
use crate::builder::{accepts, cap, ctx_u64s, frame};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(privileges());
    cases
}

fn types() -> Vec<Case> {
    vec![
        accepts(
            "gotox/syscall_program",
            "a syscall program jumps by its context and writes the result there",
            r"
            .prog dispatch syscall
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                *(u64 *)(r1 +8) = 100
                r0 = 0
                exit
            b:
                *(u64 *)(r1 +8) = 200
                r0 = 0
                exit
            .jumptable JT: a, b
            ",
        )
        .run_writing(ctx_u64s(&[0, 1]), 0, ctx_u64s(&[0, 100]))
        .run_writing(ctx_u64s(&[1, 1]), 0, ctx_u64s(&[1, 200]))
        .into(),
        accepts(
            "gotox/socket_filter",
            "a socket filter jumps by the first byte behind the Ethernet header",
            r"
            .prog filter socket
                r6 = r1
                r0 = *(u8 *)skb[0]
                if r0 > 2 goto other
                r0 <<= 3
                r3 = JT ll
                r3 += r0
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 10
                exit
            b:
                r0 = 20
                exit
            c:
                r0 = 30
                exit
            other:
                r0 = 0
                exit
            .jumptable JT: a, b, c
            ",
        )
        .run_packet(frame(32, 0), 10)
        .run_packet(frame(32, 1), 20)
        .run_packet(frame(32, 2), 30)
        .run_packet(frame(32, 3), 0)
        .into(),
        accepts(
            "gotox/tc_classifier",
            "a tc program reads the packet directly, at every target",
            r"
            .prog classify tc
                r2 = *(u32 *)(r1 +76)
                r3 = *(u32 *)(r1 +80)
                r4 = r2
                r4 += 18
                if r4 > r3 goto short
                r4 = *(u8 *)(r2 +14)
                r4 &= 1
                r4 <<= 3
                r5 = JT ll
                r5 += r4
                r5 = *(u64 *)(r5 +0)
                gotox r5
            a:
                r0 = *(u8 *)(r2 +15)
                exit
            b:
                r0 = *(u8 *)(r2 +17)
                exit
            short:
                r0 = 99
                exit
            .jumptable JT: a, b
            ",
        )
        .run_packet(frame(64, 6), 7)
        .run_packet(frame(64, 7), 10)
        .run_packet(frame(17, 7), 99)
        .into(),
        accepts(
            "gotox/xdp_program",
            "an XDP program keeps the verified range of the packet across the jump",
            r"
            .prog pass xdp
                r2 = *(u32 *)(r1 +0)
                r3 = *(u32 *)(r1 +4)
                r4 = r2
                r4 += 18
                if r4 > r3 goto short
                r4 = *(u8 *)(r2 +14)
                r4 &= 3
                r4 <<= 3
                r5 = JT ll
                r5 += r4
                r5 = *(u64 *)(r5 +0)
                gotox r5
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            c:
                r0 = *(u8 *)(r2 +17)
                exit
            short:
                r0 = 0
                exit
            .jumptable JT: a, b, c, a
            ",
        )
        .run_packet(frame(64, 4), 1)
        .run_packet(frame(64, 5), 2)
        .run_packet(frame(64, 6), 9)
        .run_packet(frame(64, 7), 1)
        .run_packet(frame(17, 4), 0)
        .into(),
    ]
}

fn privileges() -> Vec<Case> {
    vec![
        accepts(
            "gotox/without_perfmon",
            "CAP_BPF is enough: without CAP_PERFMON the verifier follows mispredicted paths as well \
             and masks the index (sanitize_ptr_alu, which moves the targets), if the kernel has CPU \
             mitigations",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
        )
        .without_caps(&[cap::SYS_ADMIN, cap::PERFMON])
        .runs(&[(0, 1), (1, 2)])
        .into(),
        accepts(
            "gotox/unlike_programs_have_tables_of_their_own",
            "two programs with one table each are loaded side by side",
            r"
            .prog main syscall
                r3 = FIRST ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            .jumptable FIRST: a
            .prog second syscall
                r0 = 5
                r3 = SECOND ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 += 1
                exit
            .jumptable SECOND: a
            ",
        )
        .run(ctx_u64s(&[0]), 1)
        .into(),
    ]
}
