//! Listings of cases that no kernel has seen, and of images made by hand.

use bpf_case::builder::accepts;
use bpf_isa::Insn;

use super::*;

const SOURCE: &str = "
    r1 = 7 ll
    r0 = 0
    r2 = 1
    exit
";

fn case() -> (Case, LoadPlan) {
    let case: Case = accepts("t/one", "shows one", SOURCE).run(vec![], 0).into();
    let plan = case.plan().unwrap();
    (case, plan)
}

fn line(xlated: u32, slot: u32, jited: u64) -> ProgramLine {
    ProgramLine { xlated, line_col: (slot + 1) << 10 | 5, jited }
}

/// The load of 7 is gone, the next became two, the third has no machine code.
fn image() -> Image {
    let insn = |imm| Insn { code: 0xb7, imm, ..Insn::default() };
    let program = ProgramImage {
        xlated: vec![insn(0), insn(9), insn(1), Insn { code: 0x95, ..Insn::default() }],
        // nop, nop, ret
        jited: vec![0x90, 0x90, 0xc3],
        functions: vec![(0x1000, 3)],
        lines: vec![line(0, 2, 0x1000), line(2, 3, 0x1002), line(3, 4, 0x1002)],
        maps: vec![],
    };
    Image { programs: vec![program], ..Image::default() }
}

fn listed(mode: Mode, found: &Found) -> Listing {
    let (case, plan) = case();
    before_load(&case, &plan).unwrap().with(&plan, mode, found, &Symbols::default())
}

#[test]
fn without_a_kernel_there_is_source_and_what_is_loaded() {
    let (case, plan) = case();
    let listing = before_load(&case, &plan).unwrap();
    let rows = &listing.programs[0].rows;
    let shape: Vec<(usize, usize)> = rows
        .iter()
        .map(|row| (row.source.as_ref().unwrap().number, row.loaded.as_ref().unwrap().slot))
        .collect();
    assert_eq!(shape, [(2, 0), (3, 2), (4, 3), (5, 4)]);
    assert_eq!(rows[0].function.as_deref(), Some("main"));
    assert_eq!((listing.notes.len(), listing.mode), (0, None));
}

/// Of every case: each instruction once, in order, and no line of the source left out.
#[test]
fn nothing_of_a_case_is_left_out() {
    for case in bpf_suites::all() {
        let plan = case.plan().unwrap();
        let listing = before_load(&case, &plan).unwrap();
        let mut lines = std::collections::BTreeSet::new();
        for (listed, program) in listing.programs.iter().zip(&plan.programs) {
            let rows = listed.rows.iter();
            let slots: Vec<usize> =
                rows.filter_map(|row| Some(row.loaded.as_ref()?.slot)).collect();
            let expected: Vec<usize> = plain(program, |slot| Slot { slot, text: String::new() })
                .into_iter()
                .filter_map(|row| Some(row.loaded?.slot))
                .collect();
            assert_eq!(slots, expected, "{}", case.name);
            lines.extend(listed.rows.iter().filter_map(|row| Some(row.source.as_ref()?.number)));
            lines.extend(listed.source.iter().map(|line| line.number));
        }
        let source = Source::of(&case).unwrap();
        let whole = source.whole().iter().filter(|line| !line.text.is_empty());
        let missing: Vec<_> = whole.filter(|line| !lines.contains(&line.number)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", case.name);
    }
}

#[test]
fn instructions_stand_beside_the_one_they_come_from() {
    let listing = listed(Mode::Jit, &Found::Loaded(image()));
    let shape: Vec<(Vec<usize>, Vec<u64>)> = listing.programs[0]
        .rows
        .iter()
        .map(|row| {
            let offsets = row.jited.iter().map(|machine| machine.offset);
            (row.xlated.iter().map(|slot| slot.slot).collect(), offsets.collect())
        })
        .collect();
    assert_eq!(
        shape,
        [(vec![], vec![]), (vec![0, 1], vec![0, 1]), (vec![2], vec![]), (vec![3], vec![2]),]
    );
    assert!(listing.aligned && listing.notes.is_empty(), "{listing:?}");
}

#[test]
fn what_is_not_aligned_says_why_and_is_all_there() {
    let unaligned = Some("no lines".to_owned());
    let listing = listed(Mode::Jit, &Found::Loaded(Image { unaligned, ..image() }));
    let program = &listing.programs[0];
    assert!(!listing.aligned);
    assert_eq!(listing.notes, ["not aligned: no lines"]);
    assert_eq!((program.xlated.len(), program.jited.len()), (4, 3));
    assert!(program.rows.iter().all(|row| row.xlated.is_empty() && row.jited.is_empty()));
}

#[test]
fn without_machine_code_the_listing_says_why() {
    let note = |mode| listed(mode, &Found::Loaded(Image::default())).notes;
    assert!(note(Mode::Interp)[0].contains("the interpreter runs"), "{:?}", note(Mode::Interp));
    assert!(note(Mode::Jit)[0].contains("fell back"), "{:?}", note(Mode::Jit));
}

#[test]
fn a_changed_program_is_listed_without_its_source_beside() {
    let (mut case, _) = case();
    case.adjust = Some(|plan| plan.programs[0].insns.insert(0, Insn::default()));
    let plan = case.plan().unwrap();
    let listing = before_load(&case, &plan).unwrap();
    let program = &listing.programs[0];
    assert_eq!((program.source.len(), program.rows.len()), (4, 5));
    assert!(listing.notes[0].contains("after it is assembled"), "{:?}", listing.notes);
}

#[test]
fn jump_tables_have_no_machine_code_in_the_interpreter() {
    let entry = Entry { loaded: 2, xlated: Some(1), jited: 0 };
    let mut image = image();
    image.tables = vec![(0, vec![entry])];
    let jited =
        |image: &Image| listed(Mode::Jit, &Found::Loaded(image.clone())).tables[0].entries[0].jited;
    assert_eq!(jited(&image), Some(0));
    image.programs[0].jited.clear();
    image.programs[0].functions.clear();
    assert_eq!(jited(&image), None);
}
