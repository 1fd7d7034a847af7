//! Maps: look-up, update and deletion, elements as objects of their own, flags, contents.

use bpf_isa::Insn;
use bpf_model::{Input, Machine, ModelError, TrapKind};
use bpf_object::{LoadPlan, MapElement, MapPlan};

use crate::common::*;

fn element(key: u32, value: &[u8]) -> MapElement {
    MapElement { key: key.to_le_bytes().to_vec(), value: value.to_vec() }
}

/// Key at fp-4, value at fp-16 (all from immediates), r1 the map, r4 flags; then helper `id`.
/// Slots 0 to 9; `rest` starts at 10.
fn helper(map: MapPlan, key: i32, value: i32, flags: i32, id: i32, rest: &[Insn]) -> LoadPlan {
    let mut insns = vec![insn(0x62, 10, 0, -4, key), insn(0x7a, 10, 0, -16, value)];
    insns.extend(pseudo(1, 1, 0, 0));
    insns.extend([
        mov_reg(2, 10),
        insn(0x07, 2, 0, 0, -4),
        mov_reg(3, 10),
        insn(0x07, 3, 0, 0, -16),
    ]);
    insns.extend([mov(4, flags), insn(0x85, 0, 0, 0, id)]);
    insns.extend(rest);
    with_map(plan(&insns), map, &[2])
}

const LOOKUP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;

fn array() -> MapPlan {
    MapPlan {
        contents: vec![element(0, &[1; 8]), element(1, &[2, 0, 0, 0, 0, 0, 0, 0])],
        ..map(ARRAY, 4, 8, 2)
    }
}

fn hash() -> MapPlan {
    MapPlan { contents: vec![element(7, &[3, 0, 0, 0, 0, 0, 0, 0])], ..map(HASH, 4, 8, 2) }
}

#[test]
fn look_ups() {
    let read = [insn(0x15, 0, 0, 1, 0), insn(0x79, 0, 0, 0, 0), EXIT];
    assert_eq!(r0(&helper(array(), 1, 0, 0, LOOKUP, &read)), 2);
    assert_eq!(r0(&helper(array(), 2, 0, 0, LOOKUP, &read)), 0);
    assert_eq!(r0(&helper(hash(), 7, 0, 0, LOOKUP, &read)), 3);
    assert_eq!(r0(&helper(hash(), 1, 0, 0, LOOKUP, &read)), 0);
}

#[test]
fn an_element_ends_where_the_next_begins() {
    for (off, offset) in [(8, 8), (1, 1), (-8, -8)] {
        let plan = helper(array(), 1, 0, 0, LOOKUP, &[insn(0x79, 0, 0, off, 0), EXIT]);
        let (slot, kind) = trap(&plan);
        let object = "element 1 of map 0".into();
        assert_eq!((slot, kind), (10, TrapKind::OutOfBounds { object, offset, size: 8, len: 8 }));
    }
    let null = helper(array(), 2, 0, 0, LOOKUP, &[insn(0x79, 0, 0, 0, 0), EXIT]);
    assert!(matches!(trap(&null), (10, TrapKind::NotAPointer { .. })));
}

#[test]
fn updates_and_deletions() {
    let rest = [EXIT];
    for (map, key, flags, id, expected) in [
        (array(), 1, 0, UPDATE, 0),
        (array(), 2, 0, UPDATE, -7),
        (array(), 1, 1, UPDATE, -17),
        (array(), 1, 9, UPDATE, -22),
        (array(), 1, 0, DELETE, -22),
        (hash(), 7, 0, UPDATE, 0),
        (hash(), 8, 0, UPDATE, 0),
        (hash(), 8, 2, UPDATE, -2),
        (hash(), 7, 1, UPDATE, -17),
        (hash(), 7, 3, UPDATE, -22),
        (hash(), 7, 0, DELETE, 0),
        (hash(), 8, 0, DELETE, -2),
    ] {
        let plan = helper(map, key, 9, flags, id, &rest);
        assert_eq!(r0(&plan) as i64, expected, "key {key} flags {flags} helper {id}");
    }
}

#[test]
fn maps_keep_their_contents_from_run_to_run() {
    let plan = helper(hash(), 8, 9, 0, UPDATE, &[EXIT]);
    let mut machine = Machine::new(&plan).expect("a sound plan");
    let before = machine.map(0).expect("a map").elements();
    assert_eq!(before, [(vec![7, 0, 0, 0], vec![3, 0, 0, 0, 0, 0, 0, 0])]);
    machine.run(0, &Input::default(), 100).expect("runs");
    let map = machine.map(0).expect("a map");
    assert_eq!(map.lookup(&[8, 0, 0, 0]), Some(&[9, 0, 0, 0, 0, 0, 0, 0][..]));
    assert_eq!(map.lookup(&[9, 0, 0, 0]), None);
    assert_eq!(map.elements().len(), 2);
    assert!(machine.map(1).is_none());
}

#[test]
fn a_full_hash_map_takes_no_more() {
    let mut map = hash();
    map.max_entries = 1;
    assert_eq!(r0(&helper(map.clone(), 8, 0, 0, UPDATE, &[EXIT])) as i64, -7);
    assert_eq!(r0(&helper(map, 7, 0, 0, UPDATE, &[EXIT])), 0);
}

#[test]
fn an_update_of_a_hash_map_leaves_the_old_value_to_its_pointers() {
    // r6 = lookup(7); update(7, 9); r0 = *r6: alloc_htab_elem() takes another element.
    let mut rest = vec![mov_reg(6, 0)];
    rest.extend(pseudo(1, 1, 0, 0));
    rest.extend([
        mov_reg(2, 10),
        insn(0x07, 2, 0, 0, -4),
        mov_reg(3, 10),
        insn(0x07, 3, 0, 0, -16),
    ]);
    rest.extend([mov(4, 0), insn(0x85, 0, 0, 0, UPDATE), insn(0x79, 0, 6, 0, 0), EXIT]);
    let mut plan = helper(hash(), 7, 9, 0, LOOKUP, &rest);
    plan.programs[0].map_refs.push(bpf_object::MapRef { slot: 11, map: 0 });
    let mut machine = Machine::new(&plan).expect("a sound plan");
    assert_eq!(machine.run(0, &Input::default(), 100).expect("runs").r0, 3);
    let value = machine.map(0).expect("a map").lookup(&[7, 0, 0, 0]).map(<[u8]>::to_vec);
    assert_eq!(value, Some(vec![9, 0, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn helpers_check_their_arguments() {
    let mut not_a_map = helper(array(), 0, 0, 0, LOOKUP, &[EXIT]);
    not_a_map.programs[0].insns[8] = mov(1, 0);
    assert!(matches!(trap(&not_a_map), (9, TrapKind::HelperArgument { helper: 1, reg: 1, .. })));
    let mut not_a_key = helper(array(), 0, 0, 0, LOOKUP, &[EXIT]);
    not_a_key.programs[0].insns[8] = mov(2, 0);
    assert!(matches!(trap(&not_a_key), (9, TrapKind::HelperArgument { helper: 1, reg: 2, .. })));
    let mut unwritten_key = helper(array(), 0, 0, 0, LOOKUP, &[EXIT]);
    unwritten_key.programs[0].insns[0] = mov(0, 0);
    assert_eq!(trap(&unwritten_key), (9, TrapKind::UninitStack { offset: -4, size: 4 }));
    let clobbered = helper(array(), 0, 0, 0, LOOKUP, &[mov_reg(0, 2), EXIT]);
    assert_eq!(trap(&clobbered), (10, TrapKind::UninitRegister { reg: 2 }));
}

/// `ld_imm64` of the address of byte `off` of the value, then `rest` from slot 2 on.
fn direct(map: MapPlan, off: i32, rest: &[Insn]) -> LoadPlan {
    let mut insns = pseudo(1, 2, 0, off).to_vec();
    insns.extend(rest);
    with_map(plan(&insns), map, &[0])
}

#[test]
fn direct_access_to_a_value_and_its_flags() {
    let data =
        |flags| MapPlan { flags, contents: vec![element(0, &[5; 8])], ..map(ARRAY, 4, 8, 1) };
    let read = [insn(0x69, 0, 1, 0, 0), EXIT];
    let write = [mov(0, 0), insn(0x72, 1, 0, 0, 0), EXIT];
    assert_eq!(r0(&direct(data(0), 6, &read)), 0x0505);
    assert!(matches!(
        trap(&direct(data(0), 7, &read)),
        (2, TrapKind::OutOfBounds { offset: 7, .. })
    ));
    let (rdonly, wronly) = (1 << 7, 1 << 8);
    assert_eq!(r0(&direct(data(rdonly), 6, &read)), 0x0505);
    assert!(matches!(trap(&direct(data(rdonly), 6, &write)), (3, TrapKind::ReadOnly { .. })));
    assert_eq!(r0(&direct(data(wronly), 6, &write)), 0);
    assert!(matches!(trap(&direct(data(wronly), 6, &read)), (2, TrapKind::WriteOnly { .. })));
    let update = helper(data(rdonly), 0, 0, 0, UPDATE, &[EXIT]);
    assert!(matches!(trap(&update), (9, TrapKind::ReadOnly { .. })));
}

#[test]
fn plans_that_cannot_be_set_up() {
    let error = |map| Machine::new(&with_map(plan(&[EXIT]), map, &[])).err();
    assert!(matches!(error(map(ARRAY, 8, 8, 1)), Some(ModelError::Map { map: 0, .. })));
    assert!(matches!(error(map(HASH, 4, 0, 1)), Some(ModelError::Map { map: 0, .. })));
    assert!(matches!(error(map(INSN_ARRAY, 4, 8, 1)), Some(ModelError::Map { map: 0, .. })));
    let huge = map(ARRAY, 4, u32::MAX, u32::MAX);
    assert_eq!(error(huge), Some(ModelError::TooLarge { map: 0 }));
    let outside = MapPlan { contents: vec![element(2, &[0; 8])], ..map(ARRAY, 4, 8, 2) };
    assert!(matches!(error(outside), Some(ModelError::Element { map: 0, element: 0, .. })));
    let short = MapPlan { contents: vec![element(0, &[0; 7])], ..map(ARRAY, 4, 8, 2) };
    assert!(matches!(error(short), Some(ModelError::Element { map: 0, element: 0, .. })));
}

#[test]
fn map_types_that_the_model_does_not_know_are_unsupported_where_used() {
    let stack_map = map(23, 0, 8, 1);
    let (slot, kind) = trap(&helper(stack_map, 0, 0, 0, LOOKUP, &[EXIT]));
    assert_eq!(slot, 9);
    assert!(matches!(kind, TrapKind::Unsupported(_)));
}
