//! Tests of the assembler's output.

use bpf_isa::{
    DataPointer, Function, Insn, JumpTable, MapDef, Relocation, RelocationKind, Unit, assemble,
    assemble_with_lines, disassemble,
};

fn unit(source: &str) -> Unit {
    assemble(source).unwrap_or_else(|error| panic!("{error}"))
}

/// The disassembly of the first function.
fn listing(source: &str) -> String {
    disassemble(&unit(source).functions[0].insns)
}

#[test]
fn a_source_without_directives_is_the_program_main() {
    let unit = unit("r0 = 0 ; zero\n\n exit // done\n # nothing\n");
    let exit = Insn { code: 0x95, ..Insn::default() };
    let zero = Insn { code: 0xb7, ..Insn::default() };
    assert_eq!(
        unit.functions,
        [Function {
            name: "main".to_owned(),
            section: "syscall".to_owned(),
            global: true,
            insns: vec![zero, exit],
            relocations: vec![],
        }]
    );
}

#[test]
fn labels_are_distances_in_slots() {
    let text = listing(
        "
        start:
            r1 = 0x100000000 ll
            if r1 == 3 goto end
            if w1 s< w2 goto start
            may_goto end
            gotol start
        back: goto end
            goto back
        end: exit
        ",
    );
    assert_eq!(
        text,
        "   0: (18) r1 = 0x100000000\n   \
            2: (15) if r1 == 0x3 goto pc+5\n   \
            3: (ce) if w1 s< w2 goto pc-4\n   \
            4: (e5) may_goto pc+3\n   \
            5: (06) gotol pc-6\n   \
            6: (05) goto pc+1\n   \
            7: (05) goto pc-2\n   \
            8: (95) exit\n"
    );
}

#[test]
fn offsets_may_be_written_as_the_kernel_prints_them() {
    let insns = |source: &str| unit(source).functions[0].insns.clone();
    assert_eq!(insns("goto pc+3"), insns("goto +3"));
    assert_eq!(insns("if r1 > 0x3 goto pc-4"), insns("if r1 > 3 goto -4"));
    assert_eq!(insns("r0 = *(u8 *)skb[r1 + -4]"), insns("r0 = *(u8 *)skb[r1 - 4]"));
    assert_eq!(insns("r1 = *(u64 *)(r2 + 0x8)"), insns("r1=*(u64*)(r2+8)"));
    assert_eq!(insns("w1 = 0xffffffff"), insns("w1 = -1"));
}

#[test]
fn symbols_become_relocations() {
    let unit = unit(
        "
        .prog entry xdp
            r1 = jt + 8 ll
            r2 = counts ll
            r3 = map counts ll
            r4 = map jt ll
            r5 = helper_like ll
            call helper_like
            call bpf_ktime_get_ns
            call 7
            exit
        .jumptable jt: a, 0, -1, 0x10
        a:  exit
        .func helper_like
            exit
        .global shown
            exit
        .map counts array key=4 value=16 entries=2 flags=0x80
        .map odd 99 key=1 value=2 entries=3
        ",
    );
    let entry = &unit.functions[0];
    assert_eq!((entry.name.as_str(), entry.section.as_str(), entry.global), ("entry", "xdp", true));
    let relocation = |slot, symbol: &str, addend, kind| Relocation {
        slot,
        symbol: symbol.to_owned(),
        addend,
        kind,
    };
    assert_eq!(
        entry.relocations,
        [
            relocation(0, "jt", 8, RelocationKind::Address),
            relocation(2, "counts", 0, RelocationKind::Address),
            relocation(4, "counts", 0, RelocationKind::Address),
            relocation(6, "jt", 0, RelocationKind::Address),
            relocation(8, "helper_like", 0, RelocationKind::Address),
            relocation(10, "helper_like", 0, RelocationKind::Call),
        ]
    );
    let sources: Vec<u8> = [0, 2, 4, 6, 8, 10].map(|slot| entry.insns[slot].src).to_vec();
    assert_eq!(sources, [0, 2, 1, 1, 0, 1]);
    assert_eq!(
        disassemble(&entry.insns[11..13]),
        "   0: (85) call bpf_ktime_get_ns#5\n   1: (85) call bpf_get_prandom_u32#7\n"
    );
    assert_eq!(
        unit.jump_tables,
        [JumpTable {
            name: "jt".to_owned(),
            function: "entry".to_owned(),
            targets: vec![14, 0, u64::MAX, 16],
        }]
    );
    let seen: Vec<_> = unit.functions[1..]
        .iter()
        .map(|function| (function.name.as_str(), function.section.as_str(), function.global))
        .collect();
    assert_eq!(seen, [("helper_like", ".text", false), ("shown", ".text", true)]);
    let map = |name: &str, map_type, key_size, value_size, max_entries, flags| MapDef {
        name: name.to_owned(),
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        ..MapDef::default()
    };
    assert_eq!(unit.maps, [map("counts", 2, 4, 16, 2, 0x80), map("odd", 99, 1, 2, 3, 0)]);
}

#[test]
fn a_function_goes_before_a_helper_of_its_name() {
    let unit = unit("call bpf_loop\nexit\n.func bpf_loop\nexit");
    assert_eq!(unit.functions[0].relocations.len(), 1);
}

#[test]
fn labels_belong_to_their_function() {
    let unit = unit("a: goto a\n.func f\nr0 = 1\na: goto a\n.jumptable t: a");
    assert_eq!(unit.functions[0].insns[0].off, -1);
    assert_eq!(unit.jump_tables[0].targets, [1]);
    assert_eq!(unit.jump_tables[0].function, "f");
}

#[test]
fn raw_slots_keep_every_field() {
    let unit = unit(".insn 0xff 15 11 -2 0xffffffff");
    assert_eq!(unit.functions[0].insns, [Insn { code: 0xff, dst: 15, src: 11, off: -2, imm: -1 }]);
}

#[test]
fn jump_tables_may_be_empty_and_large() {
    let targets: Vec<String> = (0..5000).map(|slot| slot.to_string()).collect();
    let unit = unit(&format!("exit\n.jumptable none:\n.jumptable all: {}", targets.join(", ")));
    assert!(unit.jump_tables[0].targets.is_empty());
    assert_eq!(unit.jump_tables[1].targets.len(), 5000);
}

#[test]
fn long_sources_assemble() {
    let mut source = String::new();
    for line in 0..50_000 {
        source.push_str(&format!("L{line}: r1 += {line}\nif r1 > 7 goto L{line}\n"));
    }
    assert_eq!(unit(&source).functions[0].insns.len(), 100_000);
}

#[test]
fn data_is_numbers_and_pointers() {
    let unit = unit(
        "
        .data numbers .rodata: u8 0xff, u8 -128, u16 65535, u32 -1, 0x1122334455667788, -2 ; end
        .data table .data.rel.ro global: u32 7, f, zero 3, symbol f
        .data none .rodata.cst16:
        r1 = table + 4 ll
        r2 = map numbers ll
        exit
        .func f
        exit
        ",
    );
    let [numbers, table, none] = unit.data.as_slice() else { panic!("{:?}", unit.data) };
    assert_eq!((numbers.name.as_str(), numbers.section.as_str()), ("numbers", ".rodata"));
    assert!(!numbers.global && numbers.pointers.is_empty());
    let mut bytes = vec![0xff, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    bytes.extend_from_slice(&0x1122_3344_5566_7788_u64.to_le_bytes());
    bytes.extend_from_slice(&(-2i64).to_le_bytes());
    assert_eq!(numbers.bytes, bytes);
    assert_eq!((table.section.as_str(), table.global), (".data.rel.ro", true));
    let pointer = |offset, own_symbol| DataPointer { offset, function: "f".to_owned(), own_symbol };
    assert_eq!(table.pointers, [pointer(4, false), pointer(15, true)]);
    let mut bytes = vec![0; 23];
    bytes[0] = 7;
    assert_eq!(table.bytes, bytes);
    assert_eq!((none.section.as_str(), none.bytes.len()), (".rodata.cst16", 0));
    let relocations: Vec<_> = unit.functions[0]
        .relocations
        .iter()
        .map(|relocation| (relocation.slot, relocation.symbol.as_str(), relocation.addend))
        .collect();
    assert_eq!(relocations, [(0, "table", 4), (2, "numbers", 0)]);
    assert_eq!([0, 2].map(|slot: usize| unit.functions[0].insns[slot].src), [0, 1]);
}

#[test]
fn maps_have_locks_and_programs() {
    let unit = unit(
        "
        .map guarded hash key=8 value=16 entries=2 lock=12
        .map progs prog_array key=4 value=4 entries=3: f, -, main
        .map empty prog_array key=4 value=4 entries=3
        exit
        .prog f xdp
        exit
        ",
    );
    let locks: Vec<_> = unit.maps.iter().map(|map| map.spin_lock).collect();
    assert_eq!(locks, [Some(12), None, None]);
    let program = |name: &str| Some(name.to_owned());
    assert_eq!(unit.maps[1].programs, [program("f"), None, program("main")]);
    assert!(unit.maps[0].programs.is_empty() && unit.maps[2].programs.is_empty());
}

#[test]
fn functions_know_where_they_stand_in_the_source() {
    let source = "\n r1 = 1 ll ; two slots\nend: exit\n\n.func other\n\n r0 = 0\n exit\n";
    let (unit, lines) = assemble_with_lines(source).unwrap();
    let names: Vec<&str> = unit.functions.iter().map(|function| &*function.name).collect();
    assert_eq!(names, ["main", "other"]);
    assert_eq!((lines[0].start, &*lines[0].slots), (1, &[1, 1, 2][..]));
    assert_eq!((lines[1].start, &*lines[1].slots), (4, &[6, 7][..]));
}
