//! Images made by hand, each right for one kernel and wrong for another.

use std::collections::BTreeMap;

use super::emission::Symbols;
use super::*;

const AT: u64 = 0xffff_ffff_a000_0000;
const THUNK_RAX: u64 = 0xffff_ffff_8100_0000;
const ITS_RAX: u64 = 0xffff_ffff_8100_1000;
const PARANOID_RAX: u64 = ITS_RAX - 2;

const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
const JMP_RAX: &[u8] = &[0xff, 0xe0];
const CALL_RAX: &[u8] = &[0xff, 0xd0];
const LFENCE: &[u8] = &[0x0f, 0xae, 0xe8];
const INT3: &[u8] = &[0xcc];
const RET: &[u8] = &[0xc3];
const NOP: &[u8] = &[0x90];

const GOTOX: [u8; 8] = [0x0d, 0, 0, 0, 0, 0, 0, 0];
const CALLX: [u8; 8] = [0x8d, 0, 0, 0, 0, 0, 0, 0];
const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];
const TAIL_CALL: [u8; 8] = [0x85, 0, 0, 0, 12, 0, 0, 0];

const RETPOLINES: &str = "CONFIG_MITIGATION_RETPOLINE=y\n";
const SLS: &str = "CONFIG_MITIGATION_SLS=y\n";
const IBT: &str = "CONFIG_X86_KERNEL_IBT=y\n";

/// A direct `jmp` (0xe9) or `call` (0xe8) that stands at an offset of the image.
fn direct(opcode: u8, at: usize, target: u64) -> Vec<u8> {
    let next = AT + at as u64 + 5;
    let mut bytes = vec![opcode];
    bytes.extend((target.wrapping_sub(next) as i32).to_le_bytes());
    bytes
}

fn emission(config: &str, says: &[(&str, &str)]) -> Emission {
    let symbols = [
        (THUNK_RAX, "__x86_indirect_thunk_array"),
        (THUNK_RAX, "__x86_indirect_thunk_rax"),
        (ITS_RAX, "__x86_indirect_its_thunk_rax"),
        (PARANOID_RAX, "__x86_indirect_paranoid_thunk_rax"),
        (0xffff_ffff_8100_2000, "memcpy"),
    ];
    let symbols: Symbols =
        symbols.map(|(address, name)| (address, name.to_owned())).into_iter().collect();
    let says: BTreeMap<String, String> =
        says.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    Emission::from_parts(config, &says, symbols)
}

fn retpolines() -> Emission {
    emission(RETPOLINES, &[("spectre_v2", "Mitigation: Retpolines; STIBP: disabled")])
}

fn lfence() -> Emission {
    emission(RETPOLINES, &[("spectre_v2", "Vulnerable: LFENCE")])
}

fn its() -> Emission {
    let says = [("indirect_target_selection", "Mitigation: Aligned branch/return thunks")];
    emission(RETPOLINES, &says)
}

/// Checks one function that is made of these pieces, of a program of these instructions. The entry
/// of the jump table with slot 1 is taken.
fn problems(
    code: &[&[u8]],
    insns: &[[u8; 8]],
    targets: &[(u32, u32)],
    emission: &Emission,
) -> Vec<String> {
    let jited = code.concat();
    let funcs = [(AT, jited.len() as u32)];
    let targets: Vec<Target> =
        targets.iter().map(|&(orig, jitted)| Target { orig, jitted }).collect();
    let image = Image { jited: &jited, funcs: &funcs, xlated: &insns.concat(), targets: &targets };
    check(&image, emission, &|| BTreeSet::from([1]))
}

fn one_problem(code: &[&[u8]], insns: &[[u8; 8]], emission: &Emission) -> String {
    let problems = problems(code, insns, &[], emission);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

#[test]
fn a_bare_jump_is_right_only_without_mitigations() {
    let code = [NOP, JMP_RAX, RET];
    assert_eq!(problems(&code, &[GOTOX, EXIT], &[], &Emission::default()), [""; 0]);
    let problem = one_problem(&[NOP, JMP_RAX, RET], &[GOTOX, EXIT], &retpolines());
    assert!(problem.starts_with("bare indirect jump at +0x1 of function 0: "), "{problem}");
    assert!(problem.contains("\n> +0x0001  jmp rax"), "{problem}");
    let problem = one_problem(&code, &[GOTOX, EXIT], &lfence());
    assert!(problem.starts_with("indirect jump without LFENCE at +0x1"), "{problem}");
}

#[test]
fn a_thunk_has_to_be_the_right_one() {
    let through = |thunk| [direct(0xe9, 0, thunk), INT3.to_vec()].concat();
    let given = |thunk, emission: &Emission| problems(&[&through(thunk)], &[GOTOX], &[], emission);
    assert_eq!(given(THUNK_RAX, &retpolines()), [""; 0]);
    assert_eq!(given(ITS_RAX, &its()).iter().filter(|p| p.contains("indirect")).count(), 0);
    for (thunk, emission) in [
        (ITS_RAX, retpolines()),
        (THUNK_RAX, its()),
        (THUNK_RAX, lfence()),
        (THUNK_RAX, emission("", &[])),
    ] {
        let problems = given(thunk, &emission);
        assert!(problems[0].starts_with("indirect jump through __x86_indirect_"), "{problems:?}");
    }
}

#[test]
fn a_call_goes_through_thunks_as_a_jump_does() {
    let thunk = direct(0xe8, 0, THUNK_RAX);
    assert_eq!(problems(&[&thunk], &[CALLX], &[], &retpolines()), [""; 0]);
    assert_eq!(problems(&[CALL_RAX], &[CALLX], &[], &Emission::default()), [""; 0]);
    assert_eq!(problems(&[LFENCE, CALL_RAX], &[CALLX], &[], &lfence()), [""; 0]);
    let problem = one_problem(&[CALL_RAX], &[CALLX], &retpolines());
    assert!(problem.starts_with("bare indirect call at +0x0"), "{problem}");
}

#[test]
fn lfence_is_no_retpoline() {
    assert_eq!(problems(&[LFENCE, JMP_RAX], &[GOTOX], &[], &lfence()), [""; 0]);
    let problem = one_problem(&[LFENCE, JMP_RAX], &[GOTOX], &retpolines());
    assert!(problem.starts_with("bare indirect jump after LFENCE"), "{problem}");
}

#[test]
fn int3_stands_behind_bare_jumps_and_returns_where_it_is_configured() {
    let sls = emission(SLS, &[]);
    assert_eq!(problems(&[JMP_RAX, INT3, RET, INT3], &[GOTOX, EXIT], &[], &sls), [""; 0]);
    let problem = one_problem(&[JMP_RAX, NOP, RET, INT3], &[GOTOX, EXIT], &sls);
    assert!(problem.starts_with("no INT3 after the indirect jump"), "{problem}");
    let problem = one_problem(&[JMP_RAX, INT3, RET, NOP], &[GOTOX, EXIT], &sls);
    assert!(problem.starts_with("no INT3 after the return"), "{problem}");
}

#[test]
fn returns_go_through_the_thunk_that_is_known() {
    let problem = one_problem(&[RET], &[EXIT], &its());
    assert!(problem.contains("its_return_thunk"), "{problem}");
}

#[test]
fn endbr_is_at_every_entry_or_nowhere() {
    let ibt = emission(IBT, &[]);
    assert_eq!(problems(&[ENDBR64, RET], &[EXIT], &[], &ibt), [""; 0]);
    let problem = one_problem(&[NOP, RET], &[EXIT], &ibt);
    assert!(problem.starts_with("no ENDBR64 at the entry"), "{problem}");
    let problem = one_problem(&[ENDBR64, RET], &[EXIT], &Emission::default());
    assert!(problem.starts_with("ENDBR64 at +0x0"), "{problem}");
}

#[test]
fn endbr_is_where_a_jump_table_leads_to() {
    let ibt = emission(IBT, &[]);
    let code = [ENDBR64, JMP_RAX, ENDBR64, RET, RET];
    assert_eq!(problems(&code, &[GOTOX, EXIT], &[(1, 6)], &ibt), [""; 0]);
    let without = problems(&code, &[GOTOX, EXIT], &[(0, 6), (1, 11)], &ibt);
    let start = "no ENDBR64 where an indirect jump went to at +0xb";
    assert!(without[0].starts_with(start), "{without:?}");
    // Nothing jumps there.
    assert_eq!(problems(&code, &[GOTOX, EXIT], &[(1, 6), (2, 11)], &ibt), [""; 0]);
    let between = problems(&code, &[GOTOX, EXIT], &[(2, 7)], &ibt);
    assert!(between[0].contains("+0x7, where no instruction starts"), "{between:?}");
}

#[test]
fn every_branch_of_the_program_is_there_and_no_other() {
    let none = Emission::default();
    let count = |code: &[&[u8]], insns: &[[u8; 8]]| problems(code, insns, &[], &none).len();
    assert_eq!(count(&[JMP_RAX], &[GOTOX]), 0);
    assert_eq!(count(&[JMP_RAX], &[TAIL_CALL]), 0);
    assert_eq!(count(&[NOP], &[TAIL_CALL]), 0);
    assert_eq!(count(&[NOP], &[GOTOX]), 1);
    assert_eq!(count(&[JMP_RAX], &[EXIT]), 1);
    assert_eq!(count(&[CALL_RAX], &[GOTOX]), 2);
    // The second slot of ld_imm64 is data.
    let load = [0x18, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(count(&[NOP], &[load, GOTOX, EXIT]), 0);
}

#[test]
fn an_image_that_is_kept_back_is_a_problem() {
    let image = Image { jited: &[], funcs: &[(AT, 10)], xlated: &[], targets: &[] };
    assert!(check(&image, &Emission::default(), &BTreeSet::new)[0].contains("hands out 0 bytes"));
}

#[test]
fn an_entry_of_a_removed_instruction_leads_nowhere() {
    let value = |xlated: u32, jitted: u32| {
        [9, xlated, jitted, 0_u32].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
    };
    assert_eq!(Target::from_value(&value(3, 0x40)), Some(Target { orig: 9, jitted: 0x40 }));
    assert_eq!(Target::from_value(&value(INSN_DELETED, 0)), None);
}

#[test]
fn counting_retpolines_are_told_apart() {
    let says = |file| {
        let says = [("spectre_v2", "Mitigation: Retpolines"), (file, "Mitigation: Stuffing")];
        emission(RETPOLINES, &says)
    };
    for file in ["retbleed", "indirect_target_selection"] {
        assert_eq!(says(file).thunk(false), Some("__x86_indirect_jump_thunk_"));
        assert_eq!(says(file).thunk(true), Some("__x86_indirect_call_thunk_"));
    }
}
