//! The objects of the programs in Rust contain the opcodes that they are meant to.

use bpf_programs::{Opcode, programs};
use bpf_suites::Source;

const GOTOX: u8 = 0x0d;
const CALLX: u8 = 0x8d;

#[test]
fn objects_have_the_opcodes_of_their_program() {
    for case in bpf_suites::all() {
        let Source::Rust(program) = case.source else { continue };
        let plan = case.plan().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let has = |code: u8| plan.programs[0].insns.iter().any(|insn| insn.code == code);
        for (opcode, code) in [(Opcode::Gotox, GOTOX), (Opcode::Callx, CALLX)] {
            let stated = program.opcodes.contains(&opcode);
            assert_eq!(has(code), stated, "{}: {opcode:?}", case.name);
        }
    }
}

#[test]
fn inputs_lead_to_many_results() {
    for program in programs() {
        let results: std::collections::BTreeSet<_> = (0..48)
            .map(|number| {
                let ran = program.run(&program.input(number));
                (ran.returns, ran.context, ran.packet)
            })
            .collect();
        assert!(results.len() > 8, "{}: {} results", program.name, results.len());
    }
}

#[test]
fn programs_are_sorted_and_say_what_they_are() {
    assert!(programs().is_sorted_by_key(|program| program.name));
    for program in programs() {
        assert!(!program.opcodes.is_empty(), "{}", program.name);
        assert!(bpf_programs::find(program.name).is_some());
    }
}
