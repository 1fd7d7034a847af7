//! Suite `programs`: programs in Rust, compiled by rustc. Expected results are those of the same
//! source on the host.

use bpf_programs::{Opcode, Program, Ran};

use crate::builder::accepts_rust;
use crate::{Case, Feature, Run};

/// Runs of each program.
const RUNS: u64 = 48;

/// A case for each program.
pub(crate) fn cases() -> Vec<Case> {
    bpf_programs::programs().iter().map(case).collect()
}

fn case(program: &'static Program) -> Case {
    let name = format!("programs/{}", program.name);
    let mut case = (0..RUNS).fold(accepts_rust(name, program), |case, number| {
        let input = program.input(number);
        let Ran { returns, context, packet } = program.run(&input);
        case.run_giving(Run {
            ctx_after: (!input.context.is_empty()).then_some(context),
            packet_after: (!input.packet.is_empty()).then_some(packet),
            ctx: input.context,
            packet: input.packet,
            returns,
        })
    });
    for opcode in program.opcodes {
        case = case.needs(match opcode {
            Opcode::Gotox => Feature::Gotox,
            Opcode::Callx => Feature::Callx,
        });
    }
    case.into()
}
