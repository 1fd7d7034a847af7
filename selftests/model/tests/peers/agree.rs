//! What a peer shares with the kernel gives the same in both.

use bpf_isa::{Insn, Op, decode};
use bpf_peers::{Agreement, Peer, agreement};
use proptest::prelude::*;

use crate::generate::{BYTES, draft};
use crate::{in_model, in_peer};

fn shares(peer: Peer) -> impl Fn(&Op) -> bool {
    move |op| agreement(peer, op) == Agreement::Same
}

fn text(insns: &[Insn]) -> String {
    bpf_isa::disassemble(insns)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn any_program(draft in draft(), memory in proptest::collection::vec(any::<u8>(), BYTES as usize)) {
        for peer in Peer::ALL {
            let insns = draft.insns(shares(peer));
            let model = in_model(&insns, &memory);
            prop_assert!(model.is_ok(), "{:?}\n{}", model, text(&insns));
            let found = in_peer(peer, &insns, &memory);
            prop_assert_eq!(model, found, "{}\n{}", peer.name(), text(&insns));
        }
    }
}

/// The programs are what they are meant to be: jumps are taken, both ways, and every operation that
/// a peer shares is in some.
#[test]
fn programs_are_not_trivial() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};
    let config = Config {
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(1),
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let (mut kinds, mut longest) = (std::collections::BTreeSet::new(), 0);
    for _ in 0..200 {
        let draft = draft().new_tree(&mut runner).expect("a program").current();
        let insns = draft.insns(shares(Peer::Rbpf));
        let mut slot = 0;
        while slot < insns.len() {
            let (op, width) = decode(&insns, slot).expect("it is sound");
            kinds.insert(insns[slot].code);
            if let Op::JumpCond { off, .. } = op {
                longest = longest.max(off);
            }
            slot += width;
        }
    }
    // rbpf shares some 140: ALU of both widths, 45 jumps, 16 accesses to memory.
    assert!(kinds.len() > 100, "{} opcodes", kinds.len());
    assert!(longest >= 7, "{longest}");
}

#[test]
fn calls() {
    let source = "
        .prog main syscall
            r6 = r1
            *(u64 *)(r10 -8) = 30
            r1 = 5
            r2 = 7
            call first
            r1 = *(u64 *)(r10 -8)
            r0 += r1
            *(u64 *)(r6 +0) = r0
            exit
        .func first
            r6 = r1
            r7 = r2
            *(u64 *)(r10 -64) = 100
            r1 = r6
            call second
            r1 = *(u64 *)(r10 -64)
            r0 += r1
            r0 += r6
            r0 *= r7
            exit
        .func second
            *(u64 *)(r10 -8) = 1000
            r0 = *(u64 *)(r10 -8)
            r0 += r1
            exit";
    let insns = bpf_object::compile(source).expect("compiles").programs[0].insns.clone();
    let model = in_model(&insns, &[0; 8]);
    assert_eq!(model.as_ref().map(|(r0, _)| *r0), Ok((1000 + 5 + 100 + 5) * 7 + 30));
    for peer in Peer::ALL {
        assert_eq!(model, in_peer(peer, &insns, &[0; 8]), "{}", peer.name());
    }
}
