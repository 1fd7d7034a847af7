//! Malformed objects: an error at worst.

use std::sync::OnceLock;

use bpf_object::{Globals, Linked, Linking, compile_elf, link, link_each, read};
use proptest::prelude::*;

use crate::{compilers, described};

const CLANG: [&[u8]; 3] = [
    include_bytes!("../data/switch.o"),
    include_bytes!("../data/calls.o"),
    include_bytes!("../data/data.o"),
];

fn object() -> impl Strategy<Value = Vec<u8>> {
    let ours = compile_elf(
        "
        .map m array key=4 value=8 entries=1 lock=4
        .map p prog_array key=4 value=4 entries=3: main, -, main
        r1 = t + 8 ll
        r2 = map m ll
        r3 = f ll
        call f
        r4 = d + 8 ll
        callx r4
        exit
        .jumptable t: 0, 7
        .func f
        call g
        exit
        .global g
        r1 = u ll
        exit
        .jumptable u: 0
        .data d .rodata: u8 1, zero 7, f, g
        ",
    )
    .unwrap();
    proptest::sample::select(vec![ours, CLANG[0].to_vec(), CLANG[1].to_vec(), CLANG[2].to_vec()])
}

/// Objects with maps, functions and lines described by BTF; with CO-RE relocations and kernel
/// symbols if there is a compiler.
fn with_btf() -> &'static [Vec<u8>] {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let core = compilers::compiled(
            "hostile",
            "struct { int (*type)[1]; int (*max_entries)[9]; int *key; long *value; } m
                 __attribute__((section(\".maps\"), used));
             struct s { int a, b; } __attribute__((preserve_access_index));
             extern int of_kernel(long, void *) __attribute__((section(\".ksyms\")));
             static long zeros[3];
             __attribute__((section(\"tc\"), used)) int other(void *ctx) { return of_kernel(1, ctx); }
             __attribute__((section(\"syscall\"), used)) int prog(struct s *s) {
                 int k = 0;
                 long *v = ((void *(*)(void *, void *))1)(&m, &k);
                 return v ? s->b : ++zeros[1];
             }",
            &["-g"],
        );
        core.into_iter().chain([described::OBJECT.to_vec()]).collect()
    })
}

/// Bytes that are often boundary values.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(1), Just(8), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = link(&bytes);
    }

    #[test]
    fn bytes_behind_a_good_header_are_read_or_refused(
        bytes in proptest::collection::vec(byte(), 0..600)
    ) {
        let mut elf = CLANG[0][..64].to_vec();
        elf[40] = 64;
        elf[41] = 0;
        elf.extend_from_slice(&bytes);
        let _ = link(&elf);
    }

    #[test]
    fn mutated_objects_are_linked_or_refused(
        elf in object(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), byte()), 1..12)
    ) {
        let mut elf = elf;
        for (at, byte) in changes {
            let at = at.index(elf.len());
            elf[at] = byte;
        }
        if let Ok(object) = read(&elf) {
            prop_assert!(object.sections.len() <= elf.len());
        }
        let _ = link(&elf);
    }

    // Headers, symbols and relocations are the smaller but more interesting part of a file.
    #[test]
    fn mutated_tables_are_linked_or_refused(
        elf in object(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), byte()), 1..4)
    ) {
        let mut elf = elf;
        let object = read(&elf).unwrap();
        let mut places: Vec<usize> = (0..64).collect();
        let headers = u64::from_le_bytes(*elf[40..].first_chunk().unwrap()) as usize;
        places.extend(headers..headers + 64 * object.sections.len());
        for section in &object.sections {
            if matches!(section.section_type, 2 | 9) || matches!(section.name, ".jumptables" | ".rodata" | "maps") {
                let start = section.data.as_ptr() as usize - elf.as_ptr() as usize;
                places.extend(start..start + section.data.len());
            }
        }
        for (at, byte) in changes {
            elf[places[at.index(places.len())]] = byte;
        }
        let _ = link(&elf);
    }

    #[test]
    fn mutated_btf_is_taken_or_refused(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), byte()), 1..6)
    ) {
        let elf = which.get(with_btf());
        let mut mutant = elf.to_vec();
        let object = read(elf).unwrap();
        let mut places = Vec::new();
        for section in &object.sections {
            if matches!(section.name, ".BTF" | ".BTF.ext" | ".maps") {
                let start = section.data.as_ptr() as usize - elf.as_ptr() as usize;
                places.extend(start..start + section.data.len());
            }
        }
        for (at, byte) in changes {
            mutant[places[at.index(places.len())]] = byte;
        }
        let easy = Linking { globals: Globals::Static, ..Linking::default() };
        for linking in [Linking::default(), easy] {
            let Ok(Linked { plan, .. }) = link_each(&mutant, linking) else { continue };
            for program in &plan.programs {
                let slots = program.func_info.iter().map(|info| info.slot as usize);
                prop_assert!(
                    program.func_info.is_empty()
                        || slots.eq(program.functions.iter().map(|start| start.slot))
                );
                let lines = &program.line_info;
                prop_assert!(lines.is_sorted_by(|one, next| one.slot < next.slot));
                let end = lines.last().map_or(0, |line| line.slot as usize);
                prop_assert!(end < program.insns.len());
            }
        }
    }

    #[test]
    fn truncated_objects_are_refused(elf in object(), at in any::<prop::sample::Index>()) {
        let end = at.index(elf.len());
        prop_assert!(link(&elf[..end]).is_err());
    }
}
