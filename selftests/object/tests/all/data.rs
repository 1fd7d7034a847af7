//! Data sections: maps, pointers to functions, and the functions they refer to.

use bpf_isa::{Insn, disassemble};
use bpf_object::{
    BtfUse, Linking, LoadPlan, MapElement, MapPlan, MapRef, compile, compile_elf, compile_with,
    link, link_each, read,
};

use crate::patch;

fn plan(source: &str) -> LoadPlan {
    compile(source).unwrap_or_else(|error| panic!("{error}"))
}

/// Name and slot of each function of a program.
fn starts(plan: &LoadPlan, program: usize) -> Vec<(&str, usize)> {
    plan.programs[program].functions.iter().map(|start| (start.name.as_str(), start.slot)).collect()
}

/// The words of a map's value.
fn words(plan: &LoadPlan, map: usize) -> Vec<u64> {
    let value = &plan.maps[map].contents[0].value;
    value.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect()
}

/// `src` and the offset in the value of a wide immediate.
fn reference(plan: &LoadPlan, slot: usize) -> (u8, i32, i32) {
    let insns = &plan.programs[0].insns;
    (insns[slot].src, insns[slot].imm, insns[slot + 1].imm)
}

/// A program that calls through a register, which is all that matters to the linker.
const MAIN: &str = "r2 = table ll\nr2 = *(u64 *)(r2 +0)\ncallx r2\nexit\n";

#[test]
fn a_section_becomes_a_frozen_map() {
    let plan = plan(
        "
        r1 = b + 1 ll
        r2 = map a ll
        r3 = c ll
        exit
        .data a .rodata: u8 1
        .data b .rodata: u16 2, u8 3
        .data c .data: 4
        ",
    );
    let map = |name: &str, value: &[u8], flags, frozen| MapPlan {
        name: name.to_owned(),
        map_type: 2,
        key_size: 4,
        value_size: value.len() as u32,
        max_entries: 1,
        flags,
        contents: vec![MapElement { key: vec![0; 4], value: value.to_vec() }],
        frozen,
        ..MapPlan::default()
    };
    assert_eq!(
        plan.maps,
        [
            map(".rodata", &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3], 0x80, true),
            map(".data", &[4, 0, 0, 0, 0, 0, 0, 0], 0, false),
        ]
    );
    let refs = [(0, 0), (2, 0), (4, 1)].map(|(slot, map)| MapRef { slot, map });
    assert_eq!(plan.programs[0].map_refs, refs);
    assert_eq!([0, 2, 4].map(|slot| reference(&plan, slot)), [(2, 0, 9), (1, 0, 0), (2, 0, 0)]);
    assert!(plan.btf.is_empty() && plan.programs[0].func_info.is_empty());
}

#[test]
fn pointers_are_byte_offsets_in_the_program() {
    let source = |attribute: &str| {
        format!(
            "{MAIN}
            .data first .rodata{attribute}: u32 9, u32 0
            .data table .rodata{attribute}: late, u32 5, early, symbol late
            .func unused
                exit
            .func early
                r0 = 1
                call deep
                exit
            .func late
                exit
            .func deep
                exit
            .data beside .data.rel.ro: unused
            "
        )
    };
    for attribute in ["", " global"] {
        let plan = plan(&source(attribute));
        assert_eq!(plan.maps.len(), 1);
        // In the order of the pointers, each followed by what it needs.
        assert_eq!(starts(&plan, 0), [("main", 0), ("late", 5), ("early", 6), ("deep", 9)]);
        let value = &plan.maps[0].contents[0].value;
        let word = |at: usize| u64::from_le_bytes(*value[at..].first_chunk().unwrap());
        assert_eq!((word(0), word(8), word(20), word(28)), (9, 5 * 8, 6 * 8, 5 * 8));
        assert_eq!((value.len(), value[16]), (36, 5));
        assert_eq!(reference(&plan, 0), (2, 0, 8));
        assert_eq!(disassemble(&plan.programs[0].insns[7..8]), "   0: (85) call pc+1\n");
    }
}

#[test]
fn symbols_and_relocations_are_those_of_a_compiler() {
    let elf = compile_elf(&format!(
        "{MAIN}
        r1 = shown + 8 ll
        exit
        .data pad .rodata: 1
        .data table .rodata: a, symbol a, g
        .data shown .rodata global: 2, 3
        .func f
        exit
        .func a
        exit
        .global g
        exit
        "
    ))
    .unwrap();
    let object = read(&elf).unwrap();
    let (number, rodata) = object.section(".rodata").unwrap();
    let relocations: Vec<_> = rodata
        .relocations
        .iter()
        .map(|r| (r.offset, r.relocation_type, object.symbols[r.symbol].name))
        .collect();
    assert_eq!(relocations, [(8, 2, ""), (16, 2, "a"), (24, 2, "g")]);
    // The section's symbol with the function's offset; the function's own symbol.
    assert_eq!((rodata.data[8], rodata.data[16], rodata.data[24]), (8, 0, 0));
    assert_eq!(rodata.flags, 2);
    let symbol = |name: &str| object.symbols.iter().find(|symbol| symbol.name == name).unwrap();
    let facts = |name: &str| (symbol(name).bind, symbol(name).value, symbol(name).size);
    assert_eq!(facts("table"), (0, 8, 24));
    assert_eq!(facts("shown"), (1, 32, 16));
    let (_, code) = object.section("syscall").unwrap();
    let relocations: Vec<_> = code
        .relocations
        .iter()
        .map(|r| {
            let symbol = &object.symbols[r.symbol];
            (r.offset, r.relocation_type, symbol.name, symbol.symbol_type)
        })
        .collect();
    assert_eq!(relocations, [(0, 1, "", 3), (40, 1, "shown", 1)]);
    assert_eq!(Insn::from_bytes(*code.data.first_chunk().unwrap()).imm, 8);
    assert_eq!(Insn::from_bytes(*code.data[40..].first_chunk().unwrap()).imm, 8);
    assert!(number > 0);
}

#[test]
fn a_section_with_pointers_serves_one_program() {
    let plan = plan(
        "
        .prog one syscall
            r0 = 0
            r1 = table ll
            r2 = number ll
            callx r1
            exit
        .prog two syscall
            r1 = table ll
            r2 = number ll
            callx r1
            exit
        .data table .rodata: f
        .data number .rodata.cst8: 7
        .func f
            r3 = table ll
            exit
        ",
    );
    let refs: Vec<Vec<usize>> = plan
        .programs
        .iter()
        .map(|program| program.map_refs.iter().map(|reference| reference.map).collect())
        .collect();
    // The numbers are shared, the pointers are not.
    assert_eq!(refs, [[0, 1, 0], [2, 1, 2]]);
    assert_eq!((words(&plan, 0), words(&plan, 1), words(&plan, 2)), (vec![56], vec![7], vec![48]));
    assert_eq!(starts(&plan, 1), [("two", 0), ("f", 6)]);
}

#[test]
fn data_of_functions_that_only_data_points_to_is_followed() {
    let plan = plan(&format!(
        "{MAIN}
        .data table .rodata: f
        .func f
            r1 = other ll
            exit
        .data other .data.rel.ro: g
        .func g
            call h
            exit
        .func h
            exit
        "
    ));
    assert_eq!(starts(&plan, 0), [("main", 0), ("f", 5), ("g", 8), ("h", 10)]);
    assert_eq!((words(&plan, 0), words(&plan, 1)), (vec![40], vec![64]));
}

#[test]
fn without_callx_only_what_code_names_is_laid_out() {
    let plan = plan(
        "r1 = table ll\ncall a\nexit\n.data table .rodata: a, b\n.func a\nexit\n.func b\nexit",
    );
    assert_eq!(starts(&plan, 0), [("main", 0), ("a", 4)]);
    assert_eq!(words(&plan, 0), [32, 0]);
    assert!(plan.btf.is_empty());
}

/// Kind and name of the functions in BTF, by type id.
fn functions(btf: &[u8]) -> Vec<(u32, u32, String)> {
    if btf.is_empty() {
        return Vec::new();
    }
    let word = |at: usize| u32::from_le_bytes(*btf[at..].first_chunk().unwrap());
    let (types, strings) = (word(12) as usize, 24 + word(16) as usize);
    let (mut at, mut id, mut found) = (24, 1, Vec::new());
    while at < 24 + types {
        let (name, info) = (word(at) as usize, word(at + 4));
        let end = strings + name + btf[strings + name..].iter().position(|&b| b == 0).unwrap();
        if info >> 24 == 12 {
            let name = String::from_utf8(btf[strings + name..end].to_vec()).unwrap();
            found.push((id, info & 0xffff, name));
        }
        at += match info >> 24 {
            1 => 16,
            2 | 12 => 12,
            3 => 24,
            4 => 12 + 12 * (info & 0xffff) as usize,
            13 => 12 + 8 * (info & 0xffff) as usize,
            other => panic!("kind {other}"),
        };
        id += 1;
    }
    assert_eq!(at, 24 + types);
    found
}

/// Slot, linkage and name of each function, as passed to the kernel.
fn described(plan: &LoadPlan, program: usize) -> Vec<(u32, u32, String)> {
    let functions = functions(&plan.btf);
    plan.programs[program]
        .func_info
        .iter()
        .map(|info| {
            let (_, linkage, name) =
                functions.iter().find(|(id, ..)| *id == info.type_id).unwrap().clone();
            (info.slot, linkage, name)
        })
        .collect()
}

#[test]
fn programs_that_need_it_get_btf() {
    let table = ".data table .rodata: f\n.func f\nexit\n";
    let global = "call g\nexit\n.global g\nexit";
    let plain = "call f\nexit\n.func f\nexit";
    let expect = |source: &str, btf, expected: &[(u32, u32, &str)]| {
        let plan = compile_with(source, btf).unwrap();
        let expected: Vec<_> =
            expected.iter().map(|&(slot, linkage, name)| (slot, linkage, name.into())).collect();
        assert_eq!(described(&plan, 0), expected, "{source}");
    };
    expect(&format!("{MAIN}{table}"), BtfUse::Auto, &[(0, 1, "main"), (5, 0, "f")]);
    expect(&format!("{MAIN}{table}"), BtfUse::Never, &[]);
    // A function that code calls is found without BTF.
    expect(&format!("call f\n{MAIN}{table}"), BtfUse::Auto, &[]);
    expect("r1 = f ll\nexit\n.func f\nexit", BtfUse::Auto, &[(0, 1, "main"), (3, 0, "f")]);
    expect(global, BtfUse::Auto, &[(0, 1, "main"), (2, 1, "g")]);
    expect(plain, BtfUse::Auto, &[]);
    expect(plain, BtfUse::Always, &[(0, 1, "main"), (2, 0, "f")]);
}

#[test]
fn programs_share_the_types_of_their_functions() {
    let source = "
        .prog one syscall
            call f
            exit
        .prog two syscall
            r0 = 0
            call f
            exit
        .func f
            exit
        ";
    let plan = compile_with(source, BtfUse::Always).unwrap();
    assert_eq!(functions(&plan.btf).len(), 3);
    assert_eq!(described(&plan, 0), [(0, 1, "one".into()), (2, 0, "f".into())]);
    assert_eq!(described(&plan, 1), [(0, 1, "two".into()), (3, 0, "f".into())]);
}

/// The error of an object that is modified after it was written.
fn refusal(source: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut elf = compile_elf(source).unwrap();
    change(&mut elf);
    link(&elf).expect_err("accepted").to_string()
}

#[test]
fn pointers_to_anything_else_are_refused() {
    let source = format!("{MAIN}.data table .rodata: f\n.func f\nr0 = 0\nexit\n.func g\nexit");
    let pointer = |bytes: &[u8]| refusal(&source, |elf| patch::section(elf, ".rodata", 0, bytes));
    let no_start = |at: &str| {
        format!(
            "cannot link section `.rodata` at offset 0x0: no function starts at {at} of section \
             `.text`; functions are pointed to by their start"
        )
    };
    assert_eq!(
        pointer(&[8]),
        "cannot link section `.rodata` at offset 0x0: data points into `f`, at 0x8 of section \
         `.text`: a label, as of `&&label` in C. The kernel knows tables of labels only as jump \
         tables; write a `switch`, or `goto *` on labels that no static table holds"
    );
    assert_eq!(pointer(&[20]), no_start("0x14"));
    assert_eq!(pointer(&[24]), no_start("0x18"));
    // Relocations: 8 bytes offset, 4 bytes type, 4 bytes symbol.
    let relocation = |at: usize, bytes: &[u8]| {
        refusal(&source, |elf| patch::section(elf, ".rel.rodata", at, bytes))
    };
    assert_eq!(
        relocation(8, &[3]),
        "cannot link section `.rodata` at offset 0x0: a relocation of type 3 in data; \
         R_BPF_64_ABS64 (2) is expected"
    );
    assert_eq!(
        relocation(0, &[1]),
        "cannot link section `.rodata` at offset 0x1: the 8 bytes of the pointer reach out of the \
         section"
    );
    let own = source.replace(": f", ": symbol f");
    let number = |wanted: &str, elf: &[u8]| {
        let object = read(elf).unwrap();
        object.symbols.iter().position(|symbol| symbol.name == wanted).unwrap() as u8
    };
    let mut to_data = compile_elf(&own).unwrap();
    let table = number("table", &to_data);
    patch::section(&mut to_data, ".rel.rodata", 12, &[table]);
    let linked = link_each(&to_data, Linking::default()).unwrap();
    assert_eq!(linked.plan.maps[0].contents[0].value, [0; 8]);
    assert_eq!(
        linked.notes,
        [".rodata: 1 of its pointers, the first at 0x0 to table, are no addresses that a program \
          could use: only functions have one before it is loaded"]
    );
    assert_eq!(
        refusal(&own, |elf| patch::symbol(elf, "f", 6, &[0, 0])),
        "cannot link section `.rodata`, symbol `f` at offset 0x0: the symbol `f` is not defined in \
         this object; define it here"
    );
    let two = source.replace(": f", ": f, f");
    assert_eq!(
        refusal(&two, |elf| patch::section(elf, ".rel.rodata", 16, &[7])),
        "cannot link section `.rodata` at offset 0x7: the pointer overlaps with the one before it"
    );
}

#[test]
fn data_of_all_programs_is_limited() {
    let mut source = String::new();
    for number in 0..5 {
        source.push_str(&format!(".prog p{number} syscall\nr1 = big ll\ncallx r1\nexit\n"));
    }
    source.push_str(".func f\nexit\n.data big .rodata: f, zero 16777208");
    assert_eq!(
        compile(&source).unwrap_err().to_string(),
        "cannot link section `.rodata` at offset 0x0: the data of all programs has more than \
         67108864 bytes; use less of it"
    );
}
