//! Where the peers are known to differ, and that they do: an entry that is no longer true fails.

use std::collections::BTreeSet;

use bpf_isa::{AluOp, Cond, Insn, Op, Operand, Width};
use bpf_peers::{Agreement, Helper, Peer, Program, agreement, prepare};

use crate::{in_model, in_peer};

/// One known difference.
struct Difference {
    peer: Peer,
    /// The reason as [`agreement()`] has it.
    reason: &'static str,
    /// Why the model is right.
    source: &'static str,
    /// A program that shows it.
    program: &'static str,
    /// r0 in the model, or a piece of what the trap says.
    model: Result<u64, &'static str>,
    /// r0 in the peer, or a piece of its error.
    found: Result<u64, &'static str>,
}

const CALLS: &str = "r1 to r5 stay as they are, and the callee sees r0 and r6 to r9";
const CALLS_SOURCE: &str =
    "clear_caller_saved_regs() and init_func_state() of kernel/bpf/verifier.c: not readable";
const CALLER: &str =
    ".prog main syscall\n r1 = 7\n call f\n r0 = r1\n exit\n.func f\n r0 = 0\n exit";
const CALLEE: &str = ".prog main syscall\n r6 = 7\n call f\n exit\n.func f\n r0 = r6\n exit";

const DIFFERENCES: &[Difference] = &[
    Difference {
        peer: Peer::Rbpf,
        reason: "the immediate is zero-extended to 64 bits",
        source: "COND_JMP of ___bpf_prog_run() in kernel/bpf/core.c: IMM is an s32",
        program: "r3 = -1\n r0 = 1\n if r3 == -1 goto +1\n r0 = 0\n exit",
        model: Ok(1),
        found: Ok(0),
    },
    Difference {
        peer: Peer::Rbpf,
        reason: "the upper half of dst stays where the divisor is 0",
        source: "RFC 9669 section 4.1: for ALU the upper 32 bits are zeroed",
        program: "r0 = 0x100000005 ll\n r3 = 0\n w0 %= w3\n exit",
        model: Ok(5),
        found: Ok(0x1_0000_0005),
    },
    Difference {
        peer: Peer::Rbpf,
        reason: CALLS,
        source: CALLS_SOURCE,
        program: CALLER,
        model: Err("r1 is read but was not written"),
        found: Ok(7),
    },
    Difference {
        peer: Peer::Rbpf,
        reason: CALLS,
        source: CALLS_SOURCE,
        program: CALLEE,
        model: Err("r6 is read but was not written"),
        found: Ok(7),
    },
    Difference {
        peer: Peer::Sbpf,
        reason: "the 32-bit result is sign-extended to 64 bits",
        source: "RFC 9669 section 4.1: ALU zeroes the upper 32 bits",
        program: "r0 = 0\n w0 -= 1\n exit",
        model: Ok(0xffff_ffff),
        found: Ok(u64::MAX),
    },
    Difference {
        peer: Peer::Sbpf,
        reason: "a divisor that is 0 ends the program with an error",
        source: "RFC 9669 section 4.1: division by zero gives zero",
        program: "r0 = 5\n r3 = 0\n r0 /= r3\n exit",
        model: Ok(0),
        found: Err("divide by zero"),
    },
    Difference {
        peer: Peer::Sbpf,
        reason: CALLS,
        source: CALLS_SOURCE,
        program: CALLER,
        model: Err("r1 is read but was not written"),
        found: Ok(7),
    },
    Difference {
        peer: Peer::Sbpf,
        reason: CALLS,
        source: CALLS_SOURCE,
        program: CALLEE,
        model: Err("r6 is read but was not written"),
        found: Ok(7),
    },
];

fn insns(source: &str) -> Vec<Insn> {
    bpf_object::compile(source).expect("compiles").programs[0].insns.clone()
}

fn matches(outcome: Result<u64, String>, expected: Result<u64, &str>) -> bool {
    match (outcome, expected) {
        (Ok(r0), Ok(expected)) => r0 == expected,
        (Err(text), Err(piece)) => text.contains(piece),
        _ => false,
    }
}

#[test]
fn each_is_real() {
    for Difference { peer, reason, source, program, model, found } in DIFFERENCES {
        let insns = insns(program);
        let ours = in_model(&insns, &[]).map(|(r0, _)| r0);
        let theirs = in_peer(*peer, &insns, &[]).map(|(r0, _)| r0);
        assert!(matches(ours.clone(), *model), "{reason}: {source}: the model gives {ours:?}");
        assert!(matches(theirs.clone(), *found), "{}: {reason}: {theirs:?}", peer.name());
        assert_ne!(ours, theirs);
    }
}

/// Every reason that [`agreement()`] gives is in the table, and no other.
#[test]
fn the_table_is_complete() {
    let operands = [0, 1, -1, 31, 63].map(Operand::Imm).into_iter().chain([Operand::Reg(3)]);
    let mut ops = vec![Op::CallHelper { id: 1 }, Op::CallLocal { off: 1 }, Op::Exit];
    for src in operands {
        for width in [Width::W32, Width::W64] {
            use AluOp::*;
            for op in [Add, Sub, Mul, Div, SDiv, Mod, SMod, Or, And, Xor, Lsh, Rsh, Arsh, Mov] {
                ops.push(Op::Alu { op, width, dst: 2, src });
            }
            use Cond::*;
            for cond in [Eq, Ne, Gt, Ge, Lt, Le, SGt, SGe, SLt, SLe, Set] {
                ops.push(Op::JumpCond { width, cond, dst: 2, src, off: 1 });
            }
        }
    }
    for peer in Peer::ALL {
        let given: BTreeSet<&str> = ops
            .iter()
            .filter_map(|op| match agreement(peer, op) {
                Agreement::Differs(reason) => Some(reason),
                _ => None,
            })
            .collect();
        let listed: BTreeSet<&str> =
            DIFFERENCES.iter().filter(|d| d.peer == peer).map(|d| d.reason).collect();
        assert_eq!(given, listed, "{}", peer.name());
    }
}

/// Behind a helper's call the peers can read r1, too.
#[test]
fn helpers_do_not_clobber_in_the_peers() {
    let insns = insns("r1 = 7\n call 1\n r0 = r1\n exit");
    for peer in Peer::ALL {
        let helper = Helper { id: 1, function: |_, _, _, _, _| 0 };
        let program = Program::new(&insns, 0).with_helper(helper);
        let found = prepare(peer, &program).and_then(|mut run| run.run(&mut []));
        assert_eq!(found, Ok(7), "{}", peer.name());
    }
}
