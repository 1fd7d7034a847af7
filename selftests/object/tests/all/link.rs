//! From source to load plan.

use bpf_isa::{Insn, disassemble};
use bpf_object::{Linked, Linking, LoadPlan, MapPlan, MapRef, compile, compile_elf, link_each};

fn plan(source: &str) -> LoadPlan {
    compile(source).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_program_is_its_instructions() {
    let plan = plan("r0 = 7\nexit");
    assert!(plan.maps.is_empty());
    let [program] = plan.programs.as_slice() else { panic!("{plan:?}") };
    assert_eq!((program.name.as_str(), program.license.as_str()), ("main", "GPL"));
    assert_eq!((program.prog_type, program.expected_attach_type, program.flags), (31, 0, 16));
    assert_eq!(disassemble(&program.insns), "   0: (b7) r0 = 7\n   1: (95) exit\n");
}

#[test]
fn the_section_gives_the_type() {
    let source = ["socket", "tc", "tc/ingress", "classifier", "xdp", "syscall/again"]
        .iter()
        .enumerate()
        .map(|(number, section)| format!(".prog p{number} {section}\nexit\n"))
        .collect::<String>();
    let plan = plan(&source);
    let types: Vec<_> =
        plan.programs.iter().map(|program| (program.prog_type, program.flags)).collect();
    assert_eq!(types, [(1, 0), (3, 0), (3, 0), (3, 0), (6, 0), (31, 16)]);
}

#[test]
fn subprograms_follow_in_the_order_in_which_they_are_reached() {
    let plan = plan(
        "
        .func unused
            exit
        .func late
            exit
        .func deep
            call deep
            exit
        .func early
            call deep
            call late
            exit
        .prog main syscall
            call early
            call late
            exit
        ",
    );
    let program = &plan.programs[0];
    let starts: Vec<_> =
        program.functions.iter().map(|start| (start.name.as_str(), start.slot)).collect();
    assert_eq!(starts, [("main", 0), ("early", 3), ("deep", 6), ("late", 8)]);
    assert_eq!(
        disassemble(&program.insns),
        "   0: (85) call pc+2\n   1: (85) call pc+6\n   2: (95) exit\n   \
            3: (85) call pc+2\n   4: (85) call pc+3\n   5: (95) exit\n   \
            6: (85) call pc-1\n   7: (95) exit\n   \
            8: (95) exit\n"
    );
}

#[test]
fn every_program_has_its_own_copy() {
    let plan = plan(
        "
        .prog one syscall
            r0 = 1
            call shared
            exit
        .prog two syscall
            call shared
            exit
        .global shared
            r1 = jt ll
            r1 = *(u64 *)(r1 +0)
            gotox r1
        here:
            exit
        .jumptable jt: here
        ",
    );
    assert_eq!(plan.programs.len(), 2);
    let refs: Vec<_> = plan.programs.iter().map(|program| program.map_refs.clone()).collect();
    assert_eq!(refs, [[MapRef { slot: 3, map: 0 }], [MapRef { slot: 2, map: 1 }]]);
    let targets: Vec<u8> = plan.maps.iter().map(|map| map.contents[0].value[0]).collect();
    assert_eq!(targets, [3 + 4, 2 + 4]);
}

#[test]
fn programs_of_one_shape_do_not_share_a_table() {
    // The subprogram starts at the same slot in both.
    let program = |name: &str| format!(".prog {name} syscall\ncall f\nexit\n");
    let source = program("one") + &program("two") + ".func f\nr1 = t ll\nexit\n.jumptable t: 2";
    let plan = plan(&source);
    assert_eq!(plan.maps.len(), 2);
    assert_eq!(plan.maps[0], plan.maps[1]);
    let maps: Vec<usize> = plan.programs.iter().map(|program| program.map_refs[0].map).collect();
    assert_eq!(maps, [0, 1]);
}

#[test]
fn a_call_in_the_last_slot_is_linked() {
    let plan = plan("r0 = 0\ncall f\n.func g\nexit\n.func f\ncall g\n");
    assert_eq!(
        disassemble(&plan.programs[0].insns[1..]),
        "   0: (85) call pc+0\n   1: (85) call pc+0\n   2: (95) exit\n"
    );
}

#[test]
fn maps_are_created_and_referred_to() {
    let plan = plan(
        "
        .map counts array key=4 value=16 entries=2 flags=0x80
        .map other hash key=8 value=8 entries=9
            r1 = map other ll
            r2 = counts + 8 ll
            exit
        ",
    );
    let map = |name: &str, map_type, key_size, value_size, max_entries, flags| MapPlan {
        name: name.to_owned(),
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        ..MapPlan::default()
    };
    assert_eq!(plan.maps, [map("counts", 2, 4, 16, 2, 0x80), map("other", 1, 8, 8, 9, 0)]);
    let program = &plan.programs[0];
    assert_eq!(program.map_refs, [MapRef { slot: 0, map: 1 }, MapRef { slot: 2, map: 0 }]);
    let wide = |src, dst, high| {
        [
            Insn { code: 0x18, dst, src, off: 0, imm: 0 },
            Insn { code: 0, dst: 0, src: 0, off: 0, imm: high },
        ]
    };
    assert_eq!(program.insns[..2], wide(1, 1, 0));
    assert_eq!(program.insns[2..4], wide(2, 2, 8));
}

#[test]
fn addresses_of_functions_are_distances() {
    let plan = plan("r1 = g ll\nr2 = f ll\nexit\n.func f\nexit\n.global g\nr3 = f ll\nexit");
    let insns = &plan.programs[0].insns;
    let target = |slot: usize| (insns[slot].src, slot as i32 + 1 + insns[slot].imm);
    // main has 5 slots, g has 3.
    assert_eq!([0, 2, 5].map(target), [(4, 5), (4, 8), (4, 8)]);
}

#[test]
fn what_the_kernel_shall_refuse_passes_through() {
    // An incomplete wide immediate, an unknown opcode, a call into the middle of the function.
    let plan = plan("call pc+1\n.insn 0xff 15 15 -1 -1\n.insn 0x85 0 1 0 -3\n.insn 0x18 1 0 0 5");
    assert_eq!(plan.programs[0].insns.len(), 4);
    assert_eq!(plan.programs[0].insns[2].imm, -3);
}

#[test]
fn deep_chains_do_not_exhaust_the_stack() {
    let mut source = "call f0\nexit\n".to_owned();
    for number in 0..20_000 {
        source.push_str(&format!(".func f{number}\ncall f{}\nexit\n", number + 1));
    }
    source.push_str(".func f20000\nexit\n");
    assert_eq!(plan(&source).programs[0].functions.len(), 20_002);
}

const PROGRAMS: &str = "
    .map progs prog_array key=4 value=4 entries=3: second, -, first
    .map guarded hash key=8 value=16 entries=2 lock=8
    .map plain array key=4 value=4 entries=1
    .prog first syscall
        r1 = map progs ll
        r2 = map guarded ll
        r3 = plain ll
        exit
    .prog second xdp
        exit
    .func f
        exit
";

#[test]
fn maps_hold_programs_and_locks() {
    let plan = plan(PROGRAMS);
    let [progs, guarded, plain] = plan.maps.as_slice() else { panic!("{:?}", plan.maps) };
    assert_eq!(progs.programs, [(0, 1), (2, 0)]);
    assert_eq!((progs.spin_lock, progs.types), (None, None));
    assert_eq!((guarded.spin_lock, plain.spin_lock), (Some(8), None));
    let types = guarded.types.unwrap();
    assert!(plain.types.is_none() && types.key > 0 && types.value > 0);
    // struct value { struct bpf_spin_lock lock at bit 64; } of 16 bytes.
    let word = |at: usize| u32::from_le_bytes(*plan.btf[at..].first_chunk().unwrap());
    let bytes = plan.btf.windows(4).rposition(|four| four == 16u32.to_le_bytes()).unwrap();
    assert_eq!((word(bytes - 4), word(bytes + 12)), ((4 << 24) | 1, 64));
    assert_eq!(word(bytes + 8), types.value - 1);
    assert!(plan.programs.iter().all(|program| program.func_info.is_empty()));
}

#[test]
fn prog_arrays_hold_programs_alone() {
    let refusal = |source: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut elf = bpf_object::compile_elf(source).unwrap();
        change(&mut elf);
        bpf_object::link(&elf).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(&PROGRAMS.replace("second, -", "f, -"), &|_| {}),
        "cannot link section `maps`, symbol `progs` at offset 0x18: the symbol `f` is no program; \
         prog arrays hold functions outside of `.text`"
    );
    let relocation = |at: usize, byte: u8| {
        refusal(PROGRAMS, &move |elf| crate::patch::section(elf, ".relmaps", at, &[byte]))
    };
    assert_eq!(
        relocation(0, 0x14),
        "cannot link section `maps`, symbol `progs` at offset 0x14: a relocation of type 2 at byte \
         20 of a map definition; R_BPF_64_ABS64 (2) of an entry of a prog array or a map of maps is expected"
    );
    assert_eq!(
        relocation(8, 1),
        "cannot link section `maps`, symbol `progs` at offset 0x18: a relocation of type 1 at byte \
         24 of a map definition; R_BPF_64_ABS64 (2) of an entry of a prog array or a map of maps is expected"
    );
    assert_eq!(
        relocation(16, 0x18),
        "cannot link section `maps`, symbol `progs` at offset 0x18: two relocations of one entry"
    );
}

#[test]
fn a_plan_can_be_restricted_to_some_of_its_programs() {
    let plan = plan(
        "
        .map a array key=4 value=8 entries=1
        .map b array key=4 value=8 entries=1
        .map jumps prog_array key=4 value=4 entries=2: first, second
        .prog first syscall
            r1 = a ll
            r1 = jumps ll
            exit
        .prog second syscall
            r1 = b ll
            r1 = jumps ll
            exit
        ",
    );
    let second = plan.restricted_to(&[1]);
    let names = |plan: &LoadPlan| plan.maps.iter().map(|map| map.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&second), ["b", "jumps"]);
    assert_eq!(second.programs[0].name, "second");
    let refs: Vec<_> = second.programs[0].map_refs.iter().map(|it| it.map).collect();
    assert_eq!(refs, [0, 1]);
    assert_eq!(second.maps[1].programs, [(1, 0)]);
    assert_eq!(plan.restricted_to(&[0, 1]), plan);
    assert!(plan.restricted_to(&[7]).programs.is_empty());
}

#[test]
fn programs_that_cannot_be_linked_can_be_left_out() {
    let elf = compile_elf(
        "
        .map jumps prog_array key=4 value=4 entries=3: first, second, third
        .prog first mine
            exit
        .prog second syscall
            r1 = jumps ll
            exit
        .prog third fentry/x
            exit
        ",
    )
    .unwrap();
    let Linked { plan, refused, .. } = link_each(&elf, Linking::default()).unwrap();
    assert_eq!(plan.programs.len(), 1);
    assert_eq!(plan.maps[0].programs, [(1, 0)]);
    let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["first", "third"]);
    assert!(refused[1].1.to_string().contains("BTF of the kernel"), "{refused:?}");
}
