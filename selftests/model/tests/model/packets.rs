//! Packet programs: context fields, direct access, `ld_abs` and `ld_ind`.

use bpf_isa::Insn;
use bpf_model::{Input, Outcome, Trap, TrapKind};

use crate::common::*;

/// 24 bytes, numbered; the protocol field makes it IPX, which nobody looks into.
fn packet() -> Vec<u8> {
    let mut packet: Vec<u8> = (0..24).collect();
    packet[12..14].copy_from_slice(&[0x81, 0x37]);
    packet
}

fn on_packet(prog_type: u32, insns: &[Insn]) -> Result<Outcome, Box<Trap>> {
    run(&plan_of(prog_type, insns), &Input { ctx: Vec::new(), packet: packet() })
}

fn field(prog_type: u32, off: i16) -> Result<u64, TrapKind> {
    on_packet(prog_type, &[insn(0x61, 0, 1, off, 0), EXIT])
        .map(|outcome| outcome.r0)
        .map_err(|trap| trap.kind)
}

#[test]
fn fields_of_the_context() {
    assert_eq!(field(SOCKET_FILTER, 0), Ok(10), "the Ethernet header has been pulled");
    assert_eq!(field(SCHED_CLS, 0), Ok(24));
    assert_eq!(field(SCHED_CLS, 16), Ok(0x3781));
    assert_eq!(field(SCHED_CLS, 40), Ok(1));
    assert_eq!(field(XDP, 12), Ok(1));
    for (prog_type, off) in [(SOCKET_FILTER, 76), (SCHED_CLS, 4), (SCHED_CLS, 88), (XDP, 20)] {
        assert!(matches!(field(prog_type, off), Err(TrapKind::Unsupported(_))), "{off}");
    }
    assert!(matches!(field(XDP, 24), Err(TrapKind::OutOfBounds { .. })));
}

#[test]
fn fields_go_in_and_out() {
    let mut ctx = vec![0; 192];
    ctx[8] = 5;
    ctx[48] = 6;
    let insns = [
        insn(0x61, 0, 1, 8, 0),
        insn(0x61, 2, 1, 48, 0),
        insn(0x0f, 0, 2, 0, 0),
        insn(0x63, 1, 0, 8, 0),
        insn(0x7b, 1, 0, 56, 0),
        EXIT,
    ];
    let input = Input { ctx: ctx.clone(), packet: packet() };
    let outcome = run(&plan_of(SCHED_CLS, &insns), &input).expect("runs");
    assert_eq!(outcome.r0, 11);
    assert_eq!(outcome.ctx.len(), 192);
    assert_eq!((outcome.ctx[8], outcome.ctx[48], outcome.ctx[56]), (11, 6, 11));
    assert_eq!(outcome.ctx[160], 24, "wire_len");
    ctx[0] = 1;
    let trap = run(&plan_of(SCHED_CLS, &insns), &Input { ctx, packet: packet() });
    assert!(matches!(trap.expect_err("traps").kind, TrapKind::Unsupported(_)));
}

/// r2 = data, r3 = data_end; `rest` from slot 2 on.
fn direct(prog_type: u32, rest: &[Insn]) -> Result<Outcome, Box<Trap>> {
    let (data, end) = if prog_type == XDP { (0, 4) } else { (76, 80) };
    let fields = [insn(0x61, 2, 1, data, 0), insn(0x61, 3, 1, end, 0)];
    on_packet(prog_type, &[&fields[..], rest].concat())
}

#[test]
fn direct_packet_access() {
    for prog_type in [SCHED_CLS, XDP] {
        // r4 = data + 24; if r4 > data_end goto exit; data[23] += 1; r0 = data[23]
        let checked = [
            mov(0, 0),
            mov_reg(4, 2),
            insn(0x07, 4, 0, 0, 24),
            insn(0x2d, 4, 3, 3, 0),
            insn(0x71, 0, 2, 23, 0),
            insn(0x07, 0, 0, 0, 1),
            insn(0x73, 2, 0, 23, 0),
            EXIT,
        ];
        let outcome = direct(prog_type, &checked).expect("runs");
        assert_eq!((outcome.r0, outcome.packet[23]), (24, 24));
        assert!(!outcome.address_leaked);
        let trap = direct(prog_type, &[insn(0x71, 0, 2, 24, 0), EXIT]).expect_err("traps");
        assert!(matches!(trap.kind, TrapKind::OutOfBounds { offset: 24, len: 24, .. }), "{trap}");
    }
}

fn legacy(prog_type: u32, load: Insn) -> u64 {
    let insns = [mov_reg(6, 1), mov(7, 2), mov(0, 5), load, insn(0x07, 0, 0, 0, 1), EXIT];
    match on_packet(prog_type, &insns) {
        Ok(outcome) => outcome.r0,
        Err(trap) => panic!("{trap}"),
    }
}

#[test]
fn legacy_packet_access() {
    assert_eq!(legacy(SCHED_CLS, insn(0x30, 0, 0, 0, 3)), 4);
    assert_eq!(legacy(SCHED_CLS, insn(0x28, 0, 0, 0, 1)), 0x0103);
    assert_eq!(legacy(SCHED_CLS, insn(0x20, 0, 0, 0, 0)), 0x0001_0204);
    assert_eq!(legacy(SCHED_CLS, insn(0x50, 0, 7, 0, 3)), 6);
    // Socket filters start behind the Ethernet header; negative offsets reach it.
    assert_eq!(legacy(SOCKET_FILTER, insn(0x30, 0, 0, 0, 0)), 15);
    assert_eq!(legacy(SOCKET_FILTER, insn(0x30, 0, 0, 0, -0x20_0000 + 3)), 4);
    assert_eq!(legacy(SCHED_CLS, insn(0x30, 0, 0, 0, -0x10_0000)), 15);
    // Too short: the function returns 0 at once.
    assert_eq!(legacy(SCHED_CLS, insn(0x30, 0, 0, 0, 24)), 0);
    assert_eq!(legacy(SCHED_CLS, insn(0x20, 0, 0, 0, 21)), 0);
    assert_eq!(legacy(SCHED_CLS, insn(0x30, 0, 0, 0, i32::MAX)), 0);
    assert_eq!(legacy(SCHED_CLS, insn(0x30, 0, 0, 0, i32::MIN)), 0);
}

#[test]
fn legacy_packet_access_needs_the_context_in_r6() {
    let trap = on_packet(SCHED_CLS, &[insn(0x30, 0, 0, 0, 0), EXIT]).expect_err("traps");
    assert_eq!(trap.kind, TrapKind::UninitRegister { reg: 6 });
    let trap = on_packet(SCHED_CLS, &[mov_reg(6, 10), insn(0x30, 0, 0, 0, 0), EXIT]);
    let kind = trap.expect_err("traps").kind;
    assert!(matches!(kind, TrapKind::InvalidInstruction { .. }), "{kind}");
}

#[test]
fn test_runs_zero_the_header_behind_a_socket_filter() {
    let outcome = on_packet(SOCKET_FILTER, &[mov(0, 0), EXIT]).expect("runs");
    assert_eq!(outcome.packet[..14], [0; 14]);
    assert_eq!(outcome.packet[14..], packet()[14..]);
}

#[test]
fn packets_that_test_runs_refuse() {
    for len in [0, 13, 5000] {
        let input = Input { ctx: Vec::new(), packet: vec![0; len] };
        for prog_type in [SOCKET_FILTER, SCHED_CLS, XDP] {
            let trap = run(&plan_of(prog_type, &[mov(0, 0), EXIT]), &input).expect_err("traps");
            assert!(matches!(trap.kind, TrapKind::Unsupported(_)), "{trap}");
        }
    }
}
