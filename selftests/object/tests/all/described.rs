//! Objects with BTF: the plan reflects it.

use std::collections::BTreeMap;

use bpf_object::{BtfUse, Linked, Linking, LoadPlan, link, link_each, link_with, read};

use crate::compilers::compiled;

const SOURCE: &str = include_str!("../data/described.c");

/// The object compiled by clang from [`SOURCE`].
pub(crate) const OBJECT: &[u8] = include_bytes!("../data/described.o");

fn plan(object: &[u8]) -> LoadPlan {
    link(object).unwrap_or_else(|error| panic!("{error}"))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())
}

/// A BTF type: kind, number of members or linkage, size or type, name, the rest.
#[derive(Clone, Debug)]
struct Type {
    kind: u32,
    count: u32,
    operand: u32,
    name: String,
    more: Vec<u32>,
}

fn string(btf: &[u8], offset: u32) -> String {
    let start = 24 + word(btf, 16) as usize + offset as usize;
    let end = start + btf[start..].iter().position(|&byte| byte == 0).unwrap();
    String::from_utf8(btf[start..end].to_vec()).unwrap()
}

/// All types by their ids.
fn types(btf: &[u8]) -> BTreeMap<u32, Type> {
    let (mut at, mut found) = (24, BTreeMap::new());
    let end = at + word(btf, 12) as usize;
    while at < end {
        let (name, info, operand) = (word(btf, at), word(btf, at + 4), word(btf, at + 8));
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        let words = match kind {
            1 | 14 | 17 => 1,
            3 => 3,
            4 | 5 | 15 | 19 => 3 * count as usize,
            6 | 13 => 2 * count as usize,
            _ => 0,
        };
        let more = (0..words).map(|index| word(btf, at + 12 + 4 * index)).collect();
        let name = string(btf, name);
        found.insert(found.len() as u32 + 1, Type { kind, count, operand, name, more });
        at += 12 + 4 * words;
    }
    assert_eq!(at, end);
    found
}

/// The object with a modified section.
fn changed(object: &[u8], section: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let data = data(object, section);
    let start = data.as_ptr() as usize - object.as_ptr() as usize;
    let mut changed = object.to_vec();
    change(&mut changed[start..start + data.len()]);
    changed
}

/// Writes 32 bits at an offset.
fn put(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

/// Offset of a part of `.BTF.ext`: 8 for functions, 16 for lines.
fn part(ext: &[u8], field: usize) -> usize {
    (word(ext, 4) + word(ext, field)) as usize
}

fn data<'d>(object: &'d [u8], section: &str) -> &'d [u8] {
    let sections = read(object).unwrap().sections;
    sections.iter().find(|found| found.name == section).unwrap().data
}

/// Offset in `.BTF.ext` of the part about a section; the records start 8 bytes after it.
fn about(object: &[u8], field: usize, section: &str) -> usize {
    let (btf, ext) = (data(object, ".BTF"), data(object, ".BTF.ext"));
    let start = part(ext, field);
    let mut at = start + 4;
    while string(btf, word(ext, at)) != section {
        at += 8 + (word(ext, at + 4) * word(ext, start)) as usize;
    }
    at
}

/// Renames a section to one that does not exist: `.text` becomes `text`.
fn rename(object: &[u8], field: usize, section: &str) -> Vec<u8> {
    let at = about(object, field, section);
    changed(object, ".BTF.ext", |ext| {
        let name = word(ext, at);
        put(ext, at, name + 1);
    })
}

#[test]
fn functions_and_lines_are_those_of_the_object() {
    let plan = plan(OBJECT);
    let types = types(&plan.btf);
    let program = plan.programs.iter().find(|program| program.name == "prog").unwrap();
    let described: Vec<_> = program
        .func_info
        .iter()
        .map(|info| {
            let Type { kind, count, name, operand, .. } = &types[&info.type_id];
            (info.slot as usize, *kind, *count, name.as_str(), types[operand].count)
        })
        .collect();
    let expected: Vec<_> = program
        .functions
        .iter()
        .map(|start| {
            let global = matches!(start.name.as_str(), "prog" | "deref");
            assert_eq!(start.global, global, "{}", start.name);
            (start.slot, 12, u32::from(global), start.name.as_str(), 1)
        })
        .collect();
    assert_eq!(described, expected);
    let mut names: Vec<_> = expected.iter().map(|function| function.3).collect();
    names.sort_unstable();
    assert_eq!(names, ["count", "deref", "flip", "prog", "triple"]);
    let (deref, _) = types.iter().find(|(_, it)| it.kind == 12 && it.name == "deref").unwrap();
    let tag = types.values().find(|it| it.kind == 17 && it.name == "arg:nonnull").unwrap();
    assert_eq!((tag.operand, tag.more[0]), (*deref, 0));

    let lines = &program.line_info;
    assert!(lines.is_sorted_by(|one, next| one.slot < next.slot));
    assert!(lines.iter().all(|line| (line.slot as usize) < program.insns.len()));
    for start in &program.functions {
        let line = lines.iter().find(|line| line.slot as usize == start.slot).unwrap();
        assert!(string(&plan.btf, line.file).ends_with("described.c"));
        let number = (line.line_col >> 10) as usize;
        let text = string(&plan.btf, line.text);
        assert_eq!(Some(text.trim()), SOURCE.lines().nth(number - 1).map(str::trim));
    }
    let total = lines.iter().find(|line| string(&plan.btf, line.text).contains("total = count"));
    assert!(total.is_some());
}

#[test]
fn maps_have_the_types_of_the_object() {
    let plan = plan(OBJECT);
    let types = types(&plan.btf);
    let map = |name: &str| plan.maps.iter().find(|map| map.name == name).unwrap();
    let counts = map("counts");
    let named = counts.types.unwrap();
    assert_eq!(
        (types[&named.key].name.as_str(), types[&named.value].name.as_str()),
        ("u32", "value")
    );
    assert_eq!(counts.spin_lock, Some(8));
    let jumps = map("jumps");
    let next = plan.programs.iter().position(|program| program.name == "next").unwrap();
    assert_eq!(jumps.programs, [(2, next)]);
    assert_eq!((jumps.key_size, jumps.value_size, jumps.types), (4, 4, None));
    // Clang leaves the size of a section open, and the offsets of its global variables.
    for (name, variables) in [(".bss", 1), (".data", 2), (".rodata", 1)] {
        let map = map(name);
        let named = map.types.unwrap();
        let section = &types[&named.value];
        assert_eq!((named.key, section.kind, section.name.as_str()), (0, 15, name));
        assert_eq!((section.operand, section.count), (map.value_size, variables), "{name}");
        let mut end = 0;
        for variable in section.more.chunks(3) {
            assert_eq!(types[&variable[0]].kind, 14);
            assert!(variable[1] >= end && variable[1] + variable[2] <= map.value_size);
            end = variable[1] + variable[2];
        }
    }
    let linkage = |name: &str| types.values().find(|it| it.name == name).unwrap().more[0];
    assert_eq!([linkage("visible"), linkage("concealed"), linkage("total")], [1, 0, 0]);
}

#[test]
fn programs_can_do_without_what_the_object_says() {
    let plan = link_with(OBJECT, BtfUse::Never).unwrap();
    for program in &plan.programs {
        assert!(program.func_info.is_empty() && program.line_info.is_empty());
    }
}

#[test]
fn what_the_kernel_defines_does_not_stand_in_the_way() {
    let source = "
        extern int of_kernel(long, void *) __attribute__((section(\".ksyms\")));
        extern const void variable __attribute__((section(\".ksyms\")));
        extern int CONFIG_HZ __attribute__((section(\".kconfig\")));
        __attribute__((section(\"tc\"), used)) int with(void *ctx) {
            return of_kernel(1, ctx) + (long)&variable + CONFIG_HZ;
        }
        __attribute__((section(\"tc\"), used)) int without(void *) { return 3; }";
    let Some(object) = compiled("external", source, &["-g"]) else { return };
    let Linked { plan, refused, .. } = link_each(&object, Linking::default()).unwrap();
    assert_eq!(refused.len(), 1);
    let [program] = plan.programs.as_slice() else { panic!("{:?}", plan.programs) };
    assert_eq!((program.name.as_str(), program.func_info.len()), ("without", 1));
    // The kernel accepts nothing extern.
    let types = types(&plan.btf);
    for (id, it) in &types {
        match it.kind {
            12 => assert!(it.count <= 1, "{id} {it:?}"),
            13 => assert!(it.more.chunks(2).all(|param| param[0] != 0), "{id} {it:?}"),
            14 => {
                assert_eq!(it.more[0], 1, "{id} {it:?}");
                assert_eq!(types[&it.operand].kind, 1, "{id} {it:?}");
            }
            15 => {
                let entries: Vec<_> = it.more.chunks(3).collect();
                assert_eq!(it.operand as usize, 4 * entries.len());
                for (index, entry) in entries.iter().enumerate() {
                    assert_eq!(
                        (types[&entry[0]].kind, entry[1], entry[2]),
                        (14, 4 * index as u32, 4)
                    );
                }
            }
            _ => {}
        }
    }
    let count = types.values().filter(|it| it.kind == 15).count();
    assert_eq!(count, 2);
}

#[test]
fn names_of_other_languages_become_what_the_kernel_takes() {
    let changed = changed(OBJECT, ".BTF", |btf| {
        let at = btf.windows(15).position(|it| it == b"\0bpf_spin_lock\0").unwrap();
        btf[at + 4] = b'<';
    });
    let types = types(&plan(&changed).btf);
    let found = types.values().find(|it| it.kind == 4 && it.name.ends_with("spin_lock")).unwrap();
    assert_eq!(found.name, "bpf_spin_lock");
}

#[test]
fn lines_are_there_for_all_functions_or_none() {
    let plan = plan(&rename(OBJECT, 16, ".text"));
    let lines = |name: &str| {
        let found = plan.programs.iter().find(|program| program.name == name).unwrap();
        assert_eq!(found.func_info.len(), found.functions.len());
        found.line_info.len()
    };
    assert_eq!(lines("prog"), 0);
    assert!(lines("next") > 0);
}

/// The error of the object with a modified `.BTF.ext`.
fn refusal(object: &[u8], section: &str, change: impl FnOnce(&mut [u8])) -> String {
    link(&changed(object, section, change)).expect_err("accepted").to_string()
}

#[test]
fn records_have_to_fit_the_code() {
    let refuse = |field: usize, index: usize, value: u32| {
        let at = about(OBJECT, field, ".text") + 8 + 4 * index;
        refusal(OBJECT, ".BTF.ext", |ext| put(ext, at, value))
    };
    let expect = |error: String, text: &str| assert!(error.contains(text), "{error}");
    expect(refuse(8, 0, 8), "no function starts there; it is about offset 0x8 of `.text`");
    expect(refuse(8, 0, u32::MAX), "no function starts there");
    expect(refuse(8, 1, 1), "type 1 is no function");
    expect(refuse(8, 1, 0), "type 0 is no function");
    expect(refuse(8, 1, u32::MAX), "is no function");
    // The first record now refers to the second one's function.
    let functions = about(OBJECT, 8, ".text") + 8;
    let second = word(data(OBJECT, ".BTF.ext"), functions + 8);
    expect(refuse(8, 0, second), "the second record about one instruction");
    expect(refuse(16, 4, 3), "it lies inside of an instruction");
    expect(refuse(16, 1, u32::MAX), "its file or its text is no string of `.BTF`");
    expect(refuse(16, 2, u32::MAX), "its file or its text is no string of `.BTF`");
    // The first line of `next` belongs to a wide immediate.
    let next = about(OBJECT, 16, "tc") + 8;
    let wide = refusal(OBJECT, ".BTF.ext", |ext| put(ext, next, 8));
    expect(wide, "it lies inside of an instruction; it is about offset 0x8 of `tc`");
}

#[test]
fn functions_that_btf_does_not_describe_are_static() {
    let described = plan(OBJECT);
    let plan = plan(&rename(OBJECT, 8, ".text"));
    let [prog] = ["prog"].map(|name| plan.programs.iter().find(|it| it.name == name).unwrap());
    let slots: Vec<usize> = prog.func_info.iter().map(|info| info.slot as usize).collect();
    assert_eq!(slots, prog.functions.iter().map(|start| start.slot).collect::<Vec<_>>());
    assert!(prog.functions[1..].iter().all(|start| !start.global), "{:?}", prog.functions);
    assert!(!prog.line_info.is_empty());
    let found = described.programs.iter().find(|it| it.name == "prog").unwrap();
    assert!(found.functions[1..].iter().any(|start| start.global), "{:?}", found.functions);
}

#[test]
fn sections_have_to_be_whole() {
    let refuse = |at: usize, value: u32| refusal(OBJECT, ".BTF.ext", |ext| put(ext, at, value));
    let expect = |error: String, text: &str| {
        assert!(error.starts_with("cannot link section `.BTF"), "{error}");
        assert!(error.contains(text), "{error}");
    };
    expect(refuse(0, 0), "does not start as BTF");
    expect(refuse(4, 8), "a header of less than 24 bytes");
    expect(refuse(8, u32::MAX), "reaches out of the section");
    expect(refuse(20, u32::MAX), "reaches out of the section");
    for size in [0, 4, 10, u32::MAX - 3] {
        let error = refusal(OBJECT, ".BTF.ext", |ext| {
            let at = part(ext, 8);
            put(ext, at, size);
        });
        let text = if size > 10 { "reaches out" } else { "records too short" };
        expect(error, text);
    }
    let many = refusal(OBJECT, ".BTF.ext", |ext| {
        let at = part(ext, 8) + 8;
        put(ext, at, u32::MAX);
    });
    expect(many, "reaches out of the section");
    let name = refusal(OBJECT, ".BTF.ext", |ext| {
        let at = part(ext, 8) + 4;
        put(ext, at, u32::MAX);
    });
    expect(name, "the name of a section is no string");

    let refuse = |at: usize, value: u32| refusal(OBJECT, ".BTF", |btf| put(btf, at, value));
    expect(refuse(0, 0), "does not start as BTF");
    expect(refuse(4, 8), "a header of less than 24 bytes");
    expect(refuse(12, u32::MAX), "the types reach out");
    expect(refuse(20, u32::MAX), "the strings reach out");
    expect(refuse(20, 2), "do not start with an empty one and end with a zero");
    expect(refuse(24 + 4, 0), "a type of no known kind");
    expect(refuse(24 + 4, 31 << 24), "a type of no known kind");
    expect(refuse(12, 20), "the type is cut short");
    // The first type is a pointer, which has no name.
    expect(refuse(24 + 12, u32::MAX), "it has no name at 0xffffffff");
}

#[test]
fn sections_of_variables_have_to_be_there() {
    let section = |btf: &[u8], name: &str| {
        let (mut at, wanted) = (24, name);
        loop {
            let info = word(btf, at + 4);
            let count = (info & 0xffff) as usize;
            if info >> 24 == 15 && string(btf, word(btf, at)) == wanted {
                return at;
            }
            at += 12
                + match info >> 24 {
                    1 | 14 | 17 => 4,
                    3 => 12,
                    4 | 15 => 12 * count,
                    13 => 8 * count,
                    _ => 0,
                };
        }
    };
    let unknown = refusal(OBJECT, ".BTF", |btf| {
        let at = section(btf, ".bss");
        let name = word(btf, at);
        put(btf, at, name + 1);
    });
    assert!(unknown.contains("the object has no section of this name"), "{unknown}");
    let function = refusal(OBJECT, ".BTF", |btf| {
        let at = section(btf, ".bss");
        put(btf, at + 12, 2);
    });
    assert!(function.contains("type 2 in it is no variable"), "{function}");
    let symbol = refusal(OBJECT, ".BTF", |btf| {
        let at = btf.windows(9).position(|it| it == b"\0visible\0").unwrap();
        btf[at + 1] = b'w';
    });
    assert!(symbol.contains("the object has no symbol of this variable"), "{symbol}");
}

#[test]
fn prog_arrays_hold_programs_and_nothing_else_is_held() {
    let program = "__attribute__((section(\"tc\"), used)) int prog(void *ctx) { return 0; }";
    let held = |kind: u32, fields: &str, values: &str| {
        format!(
            "{program}
            int sub(void *ctx) {{ return 1; }}
            struct inner {{ int (*type)[2]; }} inner __attribute__((section(\".maps\"), used));
            struct {{ int (*type)[{kind}]; int (*key_size)[4]; {fields} }} m
                __attribute__((section(\".maps\"), used)) = {{ {values} }};"
        )
    };
    let programs = "typeof(int(void *)) *values[];";
    let cases = [
        (held(3, programs, ".values = { [1] = (void *)&sub }"), "the symbol `sub` is no program"),
        (held(2, programs, ".values = { (void *)&prog }"), "has programs in a prog array"),
        (
            held(12, "typeof(struct inner) *values[];", ".values = { (void *)&sub }"),
            "the symbol `sub` is no map",
        ),
        (
            held(2, "int (*value)[1];", ".value = (void *)&prog"),
            "1 of 1 relocations are neither programs that prog arrays hold",
        ),
    ];
    for (source, text) in cases {
        let Some(object) = compiled("held", &source, &["-g"]) else { return };
        let error = link(&object).expect_err("accepted").to_string();
        assert!(error.starts_with("cannot link section `.maps`"), "{error}");
        assert!(error.contains(text), "{error}");
    }
}
