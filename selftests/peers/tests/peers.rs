//! The peers run what they share with the kernel, and reject the rest.

use bpf_isa::Insn;
use bpf_peers::{Agreement, Helper, Peer, PeerError, Program, agreement, prepare};

/// The instructions of a program without maps.
fn insns(source: &str) -> Vec<Insn> {
    bpf_object::compile(source).expect("compiles").programs[0].insns.clone()
}

/// r0 and memory afterwards, which must be the same in all peers, twice.
fn run(program: &Program, memory: &[u8]) -> (u64, Vec<u8>) {
    let mut results = Vec::new();
    for peer in Peer::ALL {
        let mut prepared = prepare(peer, program).unwrap_or_else(|err| panic!("{err}"));
        for _ in 0..2 {
            let mut memory = memory.to_vec();
            let r0 = prepared.run(&mut memory).unwrap_or_else(|err| panic!("{err}"));
            results.push((r0, memory));
        }
    }
    results.dedup();
    assert_eq!(results.len(), 1, "the peers do not agree");
    results.remove(0)
}

fn errors(program: &Program, memory: &[u8]) -> Vec<PeerError> {
    let errors = Peer::ALL.into_iter().map(|peer| {
        let mut memory = memory.to_vec();
        prepare(peer, program)
            .and_then(|mut prepared| prepared.run(&mut memory))
            .expect_err("fails")
    });
    errors.collect()
}

#[test]
fn memory_goes_in_and_out() {
    let source = "
        r0 = r2
        r3 = *(u32 *)(r1 +4)
        r3 += 1
        *(u32 *)(r1 +0) = r3
        *(u64 *)(r10 -8) = 7
        r4 = *(u64 *)(r10 -8)
        *(u8 *)(r1 +9) = r4
        exit";
    let memory = [0, 0, 0, 0, 0xfe, 0xff, 0, 0, 5, 5];
    let (r0, memory) = run(&Program::new(&insns(source), 10), &memory);
    assert_eq!(r0, 10);
    assert_eq!(memory, [0xff, 0xff, 0, 0, 0xfe, 0xff, 0, 0, 5, 7]);
}

#[test]
fn no_memory() {
    assert_eq!(run(&Program::new(&insns("r0 = r2\nexit"), 0), &[]).0, 0);
}

#[test]
fn loops_jumps_and_wide_immediates() {
    let source = "
        r0 = 0
        r1 = 0x123456789 ll
    again:
        r0 += r1
        w1 &= 0xff
        r2 += 1
        if w2 s< 10 goto again
        if r0 != 0 goto done
        r0 = 1
    done:
        exit";
    assert_eq!(run(&Program::new(&insns(source), 4), &[0; 4]).0, 0x1_2345_6789 + 5 * 0x89);
}

#[test]
fn calls() {
    let source = "
        .prog main syscall
            r6 = 5
            *(u64 *)(r10 -8) = 30
            r1 = r6
            call first
            r1 = *(u64 *)(r10 -8)
            r0 += r1
            r0 += r6
            exit
        .func first
            r6 = r1
            *(u64 *)(r10 -64) = 100
            call second
            r1 = *(u64 *)(r10 -64)
            r0 += r1
            r0 += r6
            exit
        .func second
            *(u64 *)(r10 -8) = 1000
            r0 = *(u64 *)(r10 -8)
            exit";
    assert_eq!(run(&Program::new(&insns(source), 0), &[]).0, 1000 + 100 + 5 + 30 + 5);
}

#[test]
fn a_helper() {
    let source = "
        r2 = 3
        r6 = r1
        call 1
        r0 = *(u8 *)(r0 +0)
        exit";
    let helper = Helper { id: 1, function: |a, b, _, _, _| a + b };
    let program = Program::new(&insns(source), 4);
    let lacks = errors(&program, &[0; 4]);
    assert!(lacks.iter().all(|err| matches!(err, PeerError::Lacks { slot: 2, .. })), "{lacks:?}");
    assert_eq!(run(&program.with_helper(helper), &[0, 1, 2, 42]).0, 42);
}

#[test]
fn accesses_out_of_bounds_end_the_program() {
    for access in ["r0 = *(u64 *)(r1 +1)", "*(u8 *)(r1 +8) = 1", "*(u8 *)(r1 -1) = 1"] {
        let program = Program::new(&insns(&format!("r0 = 0\n{access}\nexit")), 8);
        let failed = errors(&program, &[0; 8]);
        assert!(failed.iter().all(|err| matches!(err, PeerError::Failed { .. })), "{failed:?}");
    }
}

#[test]
fn memory_of_another_length_is_refused() {
    let program = Program::new(&insns("r0 = 0\nexit"), 8);
    let wrong = PeerError::Memory { expected: 8, found: 7 };
    assert_eq!(errors(&program, &[0; 7]), [wrong.clone(), wrong]);
}

#[test]
fn what_the_peers_lack_is_refused() {
    for lacking in [
        "r0 = (s8)r1",
        "r0 = 1\nr0 s/= 2",
        "r0 = 1\nr0 = bswap16 r0",
        "r0 = *(s8 *)(r1 +0)",
        "r0 = 1\nlock *(u64 *)(r1 +0) += r0",
        "r0 = 0\nmay_goto +0",
        "gotol +0",
        "callx r1",
        "gotox r1",
    ] {
        let program = Program::new(&insns(&format!("{lacking}\nexit")), 8);
        let lacks = errors(&program, &[0; 8]);
        assert!(lacks.iter().all(|err| matches!(err, PeerError::Lacks { .. })), "{lacks:?}");
    }
}

#[test]
fn programs_that_leave_their_end_are_refused() {
    let exit = Insn { code: 0x95, ..Insn::default() };
    let mov = Insn { code: 0xb7, ..Insn::default() };
    let call = |imm| Insn { code: 0x85, src: 1, imm, ..Insn::default() };
    let wide = [Insn { code: 0x18, ..Insn::default() }, Insn::default()];
    for bad in [
        vec![],
        vec![mov],
        vec![exit, mov],
        vec![call(5), exit],
        vec![call(-2), exit],
        vec![call(1), wide[0], wide[1], exit],
        vec![Insn::default()],
        vec![wide[0]],
    ] {
        assert_eq!(errors(&Program::new(&bad, 0), &[]).len(), 2, "{bad:?}");
    }
}

#[test]
fn arithmetic_wraps() {
    let source = "
        r0 = 0x8000000000000000 ll
        r0 = -r0
        r0 -= 1
        r0 *= r0
        w0 = -w0
        exit";
    assert_eq!(run(&Program::new(&insns(source), 0), &[]).0, 0xffff_ffff);
}

/// Each difference reported by [`agreement()`] is observed, so a release that removes it is
/// noticed.
#[test]
fn known_differences() {
    let source = |line: &str| format!("r0 = -1\nr1 = 0\n{line}\nexit\nyes: r0 = 1\nexit");
    let r0 = |peer, insns: &[Insn]| prepare(peer, &Program::new(insns, 0))?.run(&mut []);
    for (peer, line, found) in [
        (Peer::Rbpf, "if r0 == -1 goto yes", Some(u64::MAX)),
        (Peer::Rbpf, "w0 %= w1", Some(u64::MAX)),
        (Peer::Sbpf, "w0 -= w1", Some(u64::MAX)),
        (Peer::Sbpf, "w0 += 0", Some(u64::MAX)),
        (Peer::Sbpf, "w0 *= 1", Some(u64::MAX)),
        (Peer::Sbpf, "r0 /= r1", None),
        (Peer::Sbpf, "w0 %= w1", None),
    ] {
        let insns = insns(&source(line));
        let (op, _) = bpf_isa::decode(&insns, 2).expect("decodes");
        assert!(matches!(agreement(peer, &op), Agreement::Differs(_)), "{line}");
        assert_eq!(r0(peer, &insns).ok(), found, "{line} in {}", peer.name());
    }
}
