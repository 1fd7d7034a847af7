//! Jump tables: the maps they become and their targets.

use bpf_object::{LoadPlan, compile, compile_elf, link};

use crate::patch;

fn plan(source: &str) -> LoadPlan {
    compile(source).unwrap_or_else(|error| panic!("{error}"))
}

/// Name and targets of each map.
fn tables(plan: &LoadPlan) -> Vec<(&str, Vec<u32>)> {
    plan.maps
        .iter()
        .map(|map| {
            let target = |value: &[u8]| u32::from_le_bytes(*value.first_chunk().unwrap());
            (map.name.as_str(), map.contents.iter().map(|it| target(&it.value)).collect())
        })
        .collect()
}

const TWO: &str = "
    .func before
        exit
    .prog main syscall
        r1 = one ll
        r2 = two ll
        r3 = one + 8 ll
        r4 = two - 16 ll
        call sub
    a:  exit
    .jumptable one: a, 0, a
    .jumptable two: 1
    .func sub
        r1 = inner ll
        r0 = 0
    b:  exit
    .jumptable inner: b, 0
";

#[test]
fn entries_move_with_their_function() {
    let plan = plan(TWO);
    // `before` puts `sub` at slot 1 of `.text`; in the program it starts at slot 10.
    assert_eq!(
        tables(&plan),
        [("one", vec![9, 0, 9]), ("two", vec![1]), ("inner", vec![10 + 3, 10])]
    );
    let program = &plan.programs[0];
    let refs: Vec<_> = program
        .map_refs
        .iter()
        .map(|it| (it.slot, it.map, program.insns[it.slot + 1].imm))
        .collect();
    assert_eq!(refs, [(0, 0, 0), (2, 1, 0), (4, 0, 8), (6, 1, -16), (10, 2, 0)]);
    for (slot, ..) in refs {
        assert_eq!((program.insns[slot].src, program.insns[slot].imm), (2, 0));
    }
    assert!(plan.maps.iter().all(|map| map.frozen && map.map_type == 34));
}

#[test]
fn a_table_itself_can_be_passed_as_a_map() {
    let plan = plan("r1 = map t ll\nr2 = t ll\nexit\n.jumptable t: 4");
    let program = &plan.programs[0];
    assert_eq!(program.map_refs.len(), 2);
    assert_eq!(plan.maps.len(), 1);
    assert_eq!((program.insns[0].src, program.insns[2].src), (1, 2));
}

#[test]
fn tables_without_a_reference_are_not_made() {
    assert!(plan("exit\n.jumptable t: 0").maps.is_empty());
}

#[test]
fn tables_may_be_empty_or_point_out_of_their_function() {
    let plan = plan(
        "
        .func before
            exit
            exit
        .prog main syscall
            r1 = none ll
            r1 = far ll
            call sub
            exit
        .jumptable none:
        .jumptable far: 1000, 0xffffffff
        .func sub
            r1 = back ll
            exit
        .jumptable back: -1, -2, 3
        ",
    );
    // `sub` starts at slot 2 of `.text` and at slot 6 of the program.
    assert_eq!(
        tables(&plan),
        [("none", vec![]), ("far", vec![1000, u32::MAX]), ("back", vec![5, 4, 9])]
    );
    assert_eq!(plan.maps[0].max_entries, 0);
}

#[test]
fn a_table_that_two_functions_use_becomes_two_maps() {
    let plan = plan(
        "
        .prog main syscall
            call f
            call g
            exit
        .func f
            r1 = t ll
            exit
        .jumptable t: 0, 2
        .func g
            r1 = t ll
            exit
        ",
    );
    // f starts at slot 3 of the program and 0 of .text, g at 6 and 3.
    assert_eq!(tables(&plan), [("t", vec![3, 5]), ("t", vec![3, 5])]);
    assert_eq!(plan.programs[0].map_refs.len(), 2);
}

#[test]
fn large_tables_keep_every_entry() {
    let mut source = "r1 = t ll\n".to_owned();
    source.push_str(&"r0 = 0\n".repeat(5000));
    source.push_str("exit\n.jumptable t: ");
    let targets: Vec<String> = (2..5002).map(|slot| slot.to_string()).collect();
    source.push_str(&targets.join(","));
    let plan = plan(&source);
    assert_eq!(tables(&plan)[0].1, (2..5002).collect::<Vec<u32>>());
}

/// Labels in inline assembly: `.size` gives them a size but no type.
#[test]
fn a_label_with_a_size_is_a_table() {
    let mut elf = compile_elf(TWO).unwrap();
    let typed = link(&elf).unwrap();
    for table in ["one", "two", "inner"] {
        // 0 = STB_LOCAL and STT_NOTYPE.
        patch::symbol(&mut elf, table, 4, &[0]);
    }
    assert_eq!(link(&elf).unwrap(), typed);
    patch::symbol(&mut elf, "one", 16, &[0; 8]);
    let error = link(&elf).unwrap_err().to_string();
    assert!(error.contains("no jump table has a symbol that covers offset 0x0"), "{error}");
}
