//! Objects compiled by clang 22: they link, and the writer writes the same.

use std::collections::BTreeSet;

use bpf_isa::disassemble;
use bpf_object::{
    Globals, Linking, LoadPlan, Object, SymbolPlace, compile_elf, link, link_each, read,
};

const SWITCH: &[u8] = include_bytes!("../data/switch.o");
const CALLS: &[u8] = include_bytes!("../data/calls.o");
const DATA: &[u8] = include_bytes!("../data/data.o");
const SWITCH_SOURCE: &str = include_str!("../data/switch.bpf");
const CALLS_SOURCE: &str = include_str!("../data/calls.bpf");
const DATA_SOURCE: &str = include_str!("../data/data.bpf");

/// The linker's view of an object: code, tables, symbols and relocations, by name.
fn facts(object: &Object<'_>) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for section in &object.sections {
        let interesting =
            section.flags & 4 != 0 || matches!(section.name, ".jumptables" | ".rodata");
        if !interesting {
            continue;
        }
        facts.insert(format!(
            "section {} type {} flags {:#x} data {:02x?}",
            section.name, section.section_type, section.flags, section.data
        ));
        for relocation in &section.relocations {
            let symbol = object.symbols[relocation.symbol];
            facts.insert(format!(
                "relocation {}+{:#x} type {} to `{}` type {} in {}",
                section.name,
                relocation.offset,
                relocation.relocation_type,
                symbol.name,
                symbol.symbol_type,
                place(object, symbol.place),
            ));
        }
    }
    for symbol in &object.symbols {
        // Unreferenced sections have symbols in neither or one; licenses are data.
        if symbol.name.is_empty() || symbol.name == "_license" || symbol.symbol_type == 4 {
            continue;
        }
        facts.insert(format!(
            "symbol `{}` type {} bind {} at {:#x} size {} in {}",
            symbol.name,
            symbol.symbol_type,
            symbol.bind,
            symbol.value,
            symbol.size,
            place(object, symbol.place),
        ));
    }
    facts
}

fn place(object: &Object<'_>, place: SymbolPlace) -> String {
    match place {
        SymbolPlace::Section(number) => object.sections[number].name.to_owned(),
        other => format!("{other:?}"),
    }
}

fn assert_same(clang: &[u8], source: &str) {
    let ours = compile_elf(source).unwrap();
    let (clang, ours) = (facts(&read(clang).unwrap()), facts(&read(&ours).unwrap()));
    let missing: Vec<_> = clang.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&clang).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
}

#[test]
fn the_writer_writes_what_clang_writes() {
    assert_same(SWITCH, SWITCH_SOURCE);
    assert_same(CALLS, CALLS_SOURCE);
    assert_same(DATA, DATA_SOURCE);
}

fn linked(bytes: &[u8]) -> LoadPlan {
    link(bytes).unwrap_or_else(|error| panic!("{error}"))
}

/// Program slots of a jump table.
fn targets(plan: &LoadPlan, map: usize) -> Vec<u32> {
    plan.maps[map]
        .contents
        .iter()
        .map(|element| u32::from_le_bytes(*element.value.first_chunk().unwrap()))
        .collect()
}

#[test]
fn jump_tables_of_clang_become_maps() {
    let plan = linked(SWITCH);
    assert_eq!(plan.maps.len(), 2);
    let program = &plan.programs[0];
    let starts: Vec<_> =
        program.functions.iter().map(|start| (start.name.as_str(), start.slot)).collect();
    assert_eq!(starts, [("prog", 0), ("sub", 55)]);
    assert_eq!(plan.maps[0].name, "BPF.JT.0.0");
    assert_eq!(targets(&plan, 0), [10, 34, 25, 28, 16, 37, 43, 31, 49, 22, 46, 13, 19, 40]);
    assert_eq!(plan.maps[1].name, "BPF.JT.1.0");
    // .text starts with the subprogram, which starts at slot 55 of the program.
    let sub = [35, 8, 18, 20, 12, 24, 28, 22, 32, 16, 30, 10, 14, 26].map(|slot| slot + 55);
    assert_eq!(targets(&plan, 1), sub);
    for map in &plan.maps {
        let sizes = (map.map_type, map.key_size, map.value_size, map.max_entries, map.flags);
        assert_eq!(sizes, (34, 4, 16, 14, 0));
        assert!(map.frozen);
        assert_eq!(map.contents[3].key, [3, 0, 0, 0]);
        assert_eq!(map.contents[3].value[4..], [0; 12]);
    }
    let refs: Vec<_> =
        program.map_refs.iter().map(|reference| (reference.slot, reference.map)).collect();
    assert_eq!(refs, [(5, 0), (55 + 3, 1)]);
    assert_eq!(program.insns[5].src, 2);
    assert_eq!(disassemble(&program.insns[52..53]), "   0: (85) call pc+2\n");
}

#[test]
fn calls_of_clang_lead_to_their_functions() {
    let plan = linked(CALLS);
    let names: Vec<_> = plan.programs.iter().map(|program| program.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    let first = &plan.programs[0];
    assert_eq!((first.prog_type, first.flags), (31, 1 << 4));
    assert_eq!(first.license, "Dual BSD/GPL");
    let starts: Vec<_> =
        first.functions.iter().map(|start| (start.name.as_str(), start.slot)).collect();
    assert_eq!(
        starts,
        [("first", 0), ("callback", 20), ("leaf", 22), ("shown", 26), ("inner", 31)]
    );
    // The address of callback: the distance from the slot after the first of the two.
    assert_eq!((first.insns[2].src, first.insns[2].imm, first.insns[3].imm), (4, 17, 0));
    let target = |slot: usize| slot as i32 + 1 + first.insns[slot].imm;
    assert_eq!([9, 12, 16].map(target), [22, 26, 31]);
    assert_eq!([28, 32, 35].map(target), [22, 22, 26]);
    let second = &plan.programs[1];
    assert_eq!((second.prog_type, second.flags), (6, 0));
    let starts: Vec<_> =
        second.functions.iter().map(|start| (start.name.as_str(), start.slot)).collect();
    assert_eq!(starts, [("second", 0), ("shown", 3), ("leaf", 8)]);
}

#[test]
fn data_of_clang_points_to_functions() {
    let plan = linked(DATA);
    let program = &plan.programs[0];
    let starts: Vec<_> = program
        .functions
        .iter()
        .map(|start| (start.name.as_str(), start.slot, start.global))
        .collect();
    // A global function cannot be called through a pointer, and nothing else calls it.
    assert_eq!(starts, [("prog", 0, true), ("a", 33, false), ("b", 36, false)]);
    let [map] = plan.maps.as_slice() else { panic!("{:?}", plan.maps) };
    assert_eq!(
        (map.name.as_str(), map.value_size, map.flags, map.frozen),
        (".rodata", 72, 128, true)
    );
    let value = &map.contents[0].value;
    let words: Vec<u64> =
        value.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
    let shorts = 0x0003_0002_0001;
    assert_eq!(words, [1000, 0, 7, 33 * 8, 36 * 8, shorts, 2000, 33 * 8, 9]);
    let offsets = [4, 7, 11, 27].map(|slot| (program.insns[slot].src, program.insns[slot + 1].imm));
    assert_eq!(offsets, [(2, 48), (2, 0), (2, 24), (2, 40)]);
    let slots: Vec<u32> = program.func_info.iter().map(|info| info.slot).collect();
    assert_eq!(slots, [0, 33, 36]);
    let easy = Linking { globals: Globals::Static, ..Linking::default() };
    let plan = link_each(DATA, easy).unwrap().plan;
    let starts: Vec<_> = plan.programs[0]
        .functions
        .iter()
        .map(|start| (start.name.as_str(), start.global))
        .collect();
    assert_eq!(starts, [("prog", true), ("g", false), ("a", false), ("b", false)]);
    let value = &plan.maps[0].contents[0].value;
    assert_eq!(value[8..16], (33u64 * 8).to_le_bytes());
}
