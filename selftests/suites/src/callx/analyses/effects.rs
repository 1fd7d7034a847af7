//! Effects of callees: an effect of any possible callee is an effect of the call.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{accepts, errno, frame, rejects};

/// A tc program with 14 bytes of packet at r7 and the context in r6.
const CHECKED: &str = "
    .prog main tc
        r6 = r1
        r7 = *(u32 *)(r1 +76)
        r8 = *(u32 *)(r1 +80)
        r2 = r7
        r2 += 14
        if r2 > r8 goto out
";

/// Reads the packet, whose pointers must still be valid.
const READ: &str = "
        r0 = *(u8 *)(r7 +12)
        exit
    out:
        r0 = 0
        exit
";

/// Functions that do and do not move the packet data.
const STAYS_MOVES: &str = "
    .func stays
        r0 = 0
        exit
    .func moves
        r2 = 0
        call bpf_skb_pull_data
        r0 = 0
        exit
";

fn packet_moved(name: &str, about: &str, source: String) -> Case {
    rejects(name, about, source).errno(errno::EACCES).log("R7 invalid mem access 'scalar'").into()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = packet();
    cases.extend(returns());
    cases
}

fn packet() -> Vec<Case> {
    let through_global = |call: &str, g: &str| {
        format!(
            "
            {CHECKED}
                {call}
                call g
            {READ}
            .global g
            {g}
                r0 = 0
                exit
            .func stays
                r0 = 0
                exit
            .func moves
                r0 = 0
                if r1 == 0 goto out
                r2 = 0
                call bpf_skb_pull_data
            out:
                exit
            "
        )
    };
    vec![
        accepts(
            "callx/packet_stays",
            "no callee moves the packet: what the caller has checked stays valid",
            format!("{CHECKED}r1 = r6\nr2 = stays ll\ncallx r2\n{READ}.func stays\nr0 = 0\nexit"),
        )
        .run_packet(frame(64, 0), 0x88)
        .into(),
        packet_moved(
            "callx/packet_moved_by_callee",
            "pointers to the packet die when the callee moves it",
            format!("{CHECKED}r1 = r6\nr2 = moves ll\ncallx r2\n{READ}{STAYS_MOVES}"),
        ),
        packet_moved(
            "callx/packet_moved_by_second_callee",
            "one of two callees moves it",
            format!(
                "{CHECKED}
                    r0 = *(u32 *)(r6 +0)
                    r2 = stays ll
                    if r0 == 64 goto go
                    r2 = moves ll
                go:
                    r1 = r6
                    callx r2
                {READ}{STAYS_MOVES}"
            ),
        ),
        packet_moved(
            "callx/packet_moved_by_callee_of_callee",
            "a callee, called by name, calls through a table one that moves it",
            format!(
                "{CHECKED}
                    r1 = r6
                    call middle
                {READ}
                .func middle
                    r2 = T ll
                    r2 = *(u64 *)(r2 +8)
                    callx r2
                    r0 = 0
                    exit
                {STAYS_MOVES}
                .data T .rodata: stays, moves"
            ),
        ),
        packet_moved(
            "callx/packet_moved_through_global",
            "a global function is not followed at its calls: its effects must be known before, and \
             with them those of all that it may call",
            through_global("r1 = 1", "r1 = 0\nr2 = moves ll\ncallx r2"),
        ),
        packet_moved(
            "callx/packet_moved_through_global_by_data",
            "the function that moves the packet is in a table",
            through_global("r1 = 1", "r1 = 0\nr2 = T ll\nr2 = *(u64 *)(r2 +8)\ncallx r2")
                + ".data T .rodata: stays, moves",
        ),
        packet_moved(
            "callx/packet_moved_two_calls_behind_global",
            "the global function calls one by name, and that one what only data points to: effects \
             have to be carried on to all callers",
            through_global("r1 = 1", "call between")
                + "
            .func between
                r1 = 0
                r2 = T ll
                r2 = *(u64 *)(r2 +8)
                callx r2
                exit
            .data T .rodata: stays, moves",
        ),
        accepts(
            "callx/packet_stays_through_global",
            "a global function whose indirect callee moves nothing",
            format!(
                "{CHECKED}r1 = 1\ncall g\n{READ}
                .global g
                    r2 = stays ll
                    callx r2
                    r0 = 0
                    exit
                .func stays
                    r0 = 0
                    exit"
            ),
        )
        .run_packet(frame(64, 0), 0x88)
        .into(),
        rejects(
            "callx/packet_moved_in_xdp",
            "bpf_xdp_adjust_head in the callee",
            "
            .prog main xdp
                r6 = r1
                r7 = *(u32 *)(r1 +0)
                r8 = *(u32 *)(r1 +4)
                r2 = r7
                r2 += 14
                if r2 > r8 goto out
                r2 = moves ll
                callx r2
                r0 = *(u8 *)(r7 +0)
                exit
            out:
                r0 = 0
                exit
            .func moves
                r2 = -4
                call bpf_xdp_adjust_head
                r0 = 0
                exit
            ",
        )
        .errno(errno::EACCES)
        .log("R7 invalid mem access 'scalar'")
        .into(),
    ]
}

/// A packet load that fails ends the function that contains it.
fn returns() -> Vec<Case> {
    vec![
        accepts(
            "callx/packet_load_may_end_callee",
            "the callee's result is 0 when the load fails, known to the caller as an int",
            "
            .prog main socket
                r6 = r1
                r2 = f ll
                callx r2
                r7 = r0
                r1 = r6
                r2 = g ll
                callx r2
                r0 += r7
                exit
            .func f
                r6 = r1
                r0 = *(u8 *)skb[0]
                r0 = 5
                exit
            .func g
                r6 = r1
                r0 = *(u8 *)skb[1000]
                r0 = 50
                exit
            ",
        )
        .btf(BtfUse::Always)
        .run_packet(frame(64, 0), 5)
        .into(),
        rejects(
            "callx/packet_load_without_btf",
            "a function that may end so needs BTF, called through a register too",
            "
            .prog main socket
                r2 = f ll
                callx r2
                exit
            .func f
                r6 = r1
                r0 = *(u8 *)skb[0]
                exit
            ",
        )
        .btf(BtfUse::Never)
        .log("LD_ABS is not allowed in subprogs without BTF")
        .into(),
    ]
}
