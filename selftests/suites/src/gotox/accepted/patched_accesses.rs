//! Targets that move because the verifier expands helper calls and accesses to the context or to
//! packets.

use crate::Case;
use crate::builder::{accepts, ctx_u64s, frame};
use crate::gotox::shape::dispatch;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = helpers();
    cases.extend(context_accesses());
    cases
}

/// Helper calls that are inlined. Only the JIT modes do that (`prog->jit_requested`), so the
/// targets differ between modes.
fn helpers() -> Vec<Case> {
    let jump = dispatch("JT", 1);
    vec![
        accepts(
            "gotox/inlined_helper_before_and_behind",
            "bpf_jiffies64 becomes a load of three slots (bpf_gotox: adjust_insns; \
             bpf_insn_array: simple). The input steers around the calls, whose result is no constant",
            format!(
                "
                r6 = r1
                r7 = *(u64 *)(r1 +8)
                if r7 == 0 goto jump
                call bpf_jiffies64
                r1 = r6
            jump:
                {jump}
            a:
                if r7 == 0 goto a_out
                call bpf_jiffies64
            a_out:
                r0 = 1
                exit
            b:
                if r7 == 0 goto b_out
                call bpf_jiffies64
                call bpf_jiffies64
            b_out:
                r0 = 2
                exit
            c:
                call bpf_jiffies64
                r0 = 3
                exit
            .jumptable JT: a, b, c
                "
            ),
        )
        .run(ctx_u64s(&[0, 0]), 1)
        .run(ctx_u64s(&[1, 0]), 2)
        .into(),
        accepts(
            "gotox/inlined_map_lookup_as_target",
            "one target is itself the call of the look-up, its arguments set up before the jump",
            r"
                r6 = r1
                *(u32 *)(r10 -4) = 0
                r1 = numbers ll
                *(u64 *)(r1 +0) = 30
                r2 = *(u64 *)(r6 +0)
                r2 &= 1
                r2 <<= 3
                r5 = JT ll
                r5 += r2
                r5 = *(u64 *)(r5 +0)
                r2 = r10
                r2 += -4
                r1 = map numbers ll
                gotox r5
            a:
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r0 = *(u64 *)(r0 +0)
                exit
            out:
                r0 = 404
                exit
            b:
                r2 += -4
                *(u32 *)(r10 -8) = 9
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r0 = 1
                exit
            .jumptable JT: a, b
            .map numbers array key=4 value=8 entries=1 flags=0
            ",
        )
        .runs(&[(0, 30), (1, 404)])
        .into(),
        accepts(
            "gotox/inlined_map_lookup",
            "a look-up in an array map becomes its bounds check and address computation \
             (array_map_gen_lookup), in front of the jump and at both targets",
            format!(
                "
                r6 = r1
                *(u32 *)(r10 -4) = 1
                r2 = r10
                r2 += -4
                r1 = map counters ll
                call bpf_map_lookup_elem
                if r0 == 0 goto missing
                *(u64 *)(r0 +0) = 5
                r1 = r6
                {jump}
            a:
                r1 = map counters ll
                r2 = r10
                r2 += -4
                call bpf_map_lookup_elem
                if r0 == 0 goto missing
                r0 = *(u64 *)(r0 +0)
                exit
            b:
                *(u32 *)(r10 -4) = 9
                r1 = map counters ll
                r2 = r10
                r2 += -4
                call bpf_map_lookup_elem
                if r0 == 0 goto missing
                r0 = 66
                exit
            missing:
                r0 = 404
                exit
            .jumptable JT: a, b
            .map counters array key=4 value=8 entries=4 flags=0
                "
            ),
        )
        .runs(&[(0, 5), (1, 404)])
        .into(),
    ]
}

/// Context accesses of packet programs, which become loads from `struct sk_buff` and `struct
/// xdp_buff` (`bpf_convert_ctx_accesses`). The loaded values are not used: they depend on the
/// kernel.
fn context_accesses() -> Vec<Case> {
    const SOCKET_OR_TC: &str = r"
                r6 = r1
                r4 = *(u32 *)(r6 +40)
                r4 = *(u8 *)(r6 +1)
                r0 = *(u8 *)skb[SELECTOR]
                r0 &= 1
                r0 <<= 3
                r3 = JT ll
                r3 += r0
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r4 = *(u16 *)(r6 +8)
                r4 = *(u8 *)(r6 +9)
                r0 = 11
                exit
            b:
                r4 = *(u32 *)(r6 +40)
                r0 = 12
                exit
            .jumptable JT: a, b
    ";
    vec![
        accepts(
            "gotox/socket_context_access",
            "reads of ifindex, and of parts of len and mark, grow, before the jump and as targets",
            format!(".prog filter socket\n{}", SOCKET_OR_TC.replace("SELECTOR", "0")),
        )
        .run_packet(frame(40, 0), 11)
        .run_packet(frame(40, 1), 12)
        .into(),
        accepts(
            "gotox/tc_context_access",
            "the same in a tc program, where packets start with the Ethernet header",
            format!(".prog classify tc\n{}", SOCKET_OR_TC.replace("SELECTOR", "14")),
        )
        .run_packet(frame(40, 0), 11)
        .run_packet(frame(40, 1), 12)
        .into(),
        accepts(
            "gotox/packet_load_as_target",
            "ld_abs and ld_ind, each of which becomes six to eight instructions \
             (bpf_gen_ld_abs), as targets",
            r"
            .prog filter socket
                r6 = r1
                r0 = *(u8 *)skb[0]
                r0 &= 1
                r0 <<= 3
                r3 = JT ll
                r3 += r0
                r7 = 3
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = *(u16 *)skb[1]
                exit
            b:
                r0 = *(u8 *)skb[r7 + 2]
                exit
            .jumptable JT: a, b
            ",
        )
        .run_packet(frame(40, 0x10), 0x1112)
        .run_packet(frame(40, 0x11), 0x16)
        .into(),
        accepts(
            "gotox/xdp_context_access",
            "reads of rx_queue_index grow to two instructions, before the jump and as targets",
            r"
            .prog pass xdp
                r4 = *(u32 *)(r1 +16)
                r2 = *(u32 *)(r1 +0)
                r3 = *(u32 *)(r1 +4)
                r5 = r2
                r5 += 16
                if r5 > r3 goto short
                r2 = *(u8 *)(r2 +14)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r4 = *(u32 *)(r1 +16)
                r0 = 1
                exit
            b:
                r4 = *(u32 *)(r1 +16)
                r0 = 2
                exit
            short:
                r0 = 3
                exit
            .jumptable JT: a, b
            ",
        )
        .run_packet(frame(40, 0), 1)
        .run_packet(frame(40, 1), 2)
        .into(),
    ]
}
