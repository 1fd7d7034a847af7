//! What is asked of the kernel, by executors that answer as it would; and, where asked for, what a
//! real one makes of every case.

use std::env;

use bpf_case::builder::accepts;
use bpf_wire::{BatchReport, Failure, Request};

use super::*;
use crate::listing::{Listing, before_load};
use crate::symbols::Symbols;
use harness_kernel::boot::BootOptions;
use harness_session::guest::Guest;
use harness_session::{Answer, Scripted, Work};
use harness_vm::MachineConfig;
use harness_vm::accel::Accel;

fn loaded(code: u8) -> Result<Output, Failure> {
    Ok(Output::Loaded {
        log: String::new(),
        jited_len: 0,
        xlated_len: 8,
        verified_insns: 1,
        xlated: Insn { code, ..Insn::default() }.to_bytes().to_vec(),
        jited: Vec::new(),
        jited_funcs: Vec::new(),
    })
}

fn refused() -> Result<Output, Failure> {
    Err(Failure { errno: 22, log: "first\nthe reason\n".to_owned() })
}

/// What is found where loads are answered with these, the plain one, then that with lines; and what was
/// asked.
fn asked(btf: BtfUse, answers: Vec<Result<Output, Failure>>) -> (Found, Vec<Vec<Step>>) {
    let source = "r1 = 7 ll\ncall there\nexit\n.func there\nexit";
    let case: Case = accepts("t/one", "x", source).btf(btf).run(vec![], 0).into();
    let plan = case.plan().unwrap();
    let mut answers = answers.into_iter();
    let mut asked = Vec::new();
    let mut kernel = Scripted::new(|mut work: Work, _| {
        let Some(Request::Batch(batch)) = work.requests.pop() else { panic!("no batch") };
        let answer = answers.next().expect("no more is asked than was foreseen");
        let mut steps = Vec::new();
        for step in &batch.steps {
            steps.push(match step {
                Step::LoadProgram(_) => answer.clone(),
                Step::DescribeProgram { .. } => {
                    Ok(Output::Described { lines: Vec::new(), maps: vec![1] })
                }
                _ => Ok(Output::Done),
            });
            if steps.last().is_some_and(Result::is_err) {
                break;
            }
        }
        asked.push(batch.steps);
        let (jit_enable, jit_harden) = batch.mode.sysctls();
        Ok(Answer::batch(BatchReport { steps, jit_enable, jit_harden }, Vec::new()))
    });
    let found = of(&case, &plan, Mode::Jit, &mut kernel).unwrap();
    (found, asked)
}

fn unaligned(found: &Found) -> Option<&str> {
    match found {
        Found::Loaded(image) => image.unaligned.as_deref(),
        Found::Refused { .. } => panic!("it was loaded: {found:?}"),
    }
}

#[test]
fn the_second_load_has_a_line_for_each_instruction() {
    let (found, asked) = asked(BtfUse::Auto, vec![loaded(0x95), loaded(0x95)]);
    assert_eq!(unaligned(&found), None);
    let [Step::LoadBtf { .. }, Step::LoadProgram(load), ..] = &asked[1][..] else {
        panic!("{asked:?}");
    };
    let words: Vec<u32> =
        load.line_info.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    // Slot 1 is the second half of the first instruction.
    let line = |slot: u32| [slot, 0, 0, (slot + 1) << 10];
    assert_eq!(words, [line(0), line(2), line(3), line(4)].concat());
    assert_eq!((load.btf, load.func_info.len()), (Some(0), 16));
    // A case is run by `test`, not here.
    assert!(!asked.iter().flatten().any(|step| matches!(step, Step::TestRun { .. })));
}

#[test]
fn lines_that_change_the_program_are_not_believed() {
    let (found, _) = asked(BtfUse::Auto, vec![loaded(0x95), loaded(0x05)]);
    assert!(unaligned(&found).unwrap().contains("something else"));
    let (found, _) = asked(BtfUse::Auto, vec![loaded(0x95), refused()]);
    let reason = unaligned(&found).unwrap();
    assert!(reason.ends_with("fails with EINVAL (22): the reason"), "{reason}");
}

#[test]
fn a_case_without_btf_gets_none() {
    let (found, asked) = asked(BtfUse::Never, vec![loaded(0x95)]);
    assert!(unaligned(&found).unwrap().contains("without BTF"));
    assert_eq!(asked.len(), 1);
}

#[test]
fn a_refusal_ends_it_and_keeps_the_log() {
    let (found, asked) = asked(BtfUse::Auto, vec![refused()]);
    let Found::Refused { step, errno, log } = found else { panic!("{found:?}") };
    assert_eq!((step.as_str(), errno.as_str()), ("BPF_PROG_LOAD of program 0", "EINVAL (22)"));
    assert_eq!((log.as_str(), asked.len()), ("first\nthe reason\n", 1));
}

#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn a_real_guests_programs_are_aligned() {
    let vmlinux = env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX names a kernel");
    let dir = tempfile::tempdir().unwrap();
    let initramfs = harness_vm::image::build().unwrap();
    let log = dir.path().join("console.log");
    let config = MachineConfig::new(vmlinux.clone().into(), initramfs, Accel::Tcg, log);
    let mut guest = Guest::new(config, &BootOptions::default());
    let symbols = Symbols::of(vmlinux.as_ref()).unwrap();
    let mut list = |case: &Case, mode| -> Option<Listing> {
        let plan = case.plan().unwrap();
        let before = before_load(case, &plan).unwrap();
        let found = of(case, &plan, mode, &mut guest).unwrap();
        let loaded = matches!(found, Found::Loaded(_));
        loaded.then(|| before.with(&plan, mode, &found, &symbols))
    };

    let source = "
        .map numbers array key=4 value=8 entries=1
        *(u32 *)(r10 -4) = 0
        r9 = 1
        if r9 == 1 goto alive
        r9 = 0x1122334455667788 ll
    alive:
        r2 = r10
        r2 += -4
        r1 = map numbers ll
        call map_lookup_elem
        call there
        exit
    .func there
        r0 = 4
        exit
    ";
    let case = accepts("t/aligned", "x", source).run(vec![], 4).into();
    let listing = list(&case, Mode::Jit).unwrap();
    assert!(listing.aligned, "{:?}", listing.notes);
    let row = |text: &str| {
        let source = |row: &&crate::listing::Row| {
            row.source.as_ref().is_some_and(|line| line.text.trim() == text)
        };
        listing.programs[0].rows.iter().find(source).unwrap()
    };
    assert!(row("r9 = 0x1122334455667788 ll").xlated.is_empty());
    assert!(row("r1 = map numbers ll").xlated[0].text.ends_with("r1 = map[numbers]"));
    // The look-up is inlined: several instructions, and no call.
    assert!(row("call map_lookup_elem").xlated.len() > 2);
    assert!(row("call there").xlated[0].text.ends_with("#there"));
    assert!(row("call there").jited.iter().any(|code| code.text == "call there"));
    assert!(row("r0 = 4").jited.iter().any(|code| code.text == "mov eax, 4"));

    let mut aligned = 0;
    // Each load is two, and each load of hundreds of cases takes its time under TCG: a part of them.
    for (number, case) in bpf_suites::all().into_iter().enumerate().step_by(10) {
        for mode in [Mode::ALL[number % Mode::ALL.len()]] {
            let Some(listing) = list(&case, mode) else { continue };
            aligned += usize::from(listing.aligned);
            let why = format!("{} in {}: {:?}", case.name, mode.name(), listing.notes);
            for program in &listing.programs {
                let loose = program.xlated.len() + program.jited.len();
                assert!(!listing.aligned || loose == 0, "{why}: {loose} instructions left over");
                // What the kernel keeps it keeps in order.
                let slots: Vec<usize> = program
                    .rows
                    .iter()
                    .flat_map(|row| row.xlated.iter().map(|slot| slot.slot))
                    .collect();
                assert!(slots.is_sorted(), "{why}: {slots:?}");
            }
        }
    }
    // Most are; those that are not say why.
    assert!(aligned > 20, "only {aligned} aligned");
    guest.end().unwrap();
}
