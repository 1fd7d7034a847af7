//! What the linker rejects, and the error messages.

use bpf_object::{compile, compile_elf, link};

use crate::patch;

/// The error of an object that is modified after it was written.
fn refusal(source: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut elf = compile_elf(source).unwrap();
    link(&elf).unwrap_or_else(|error| panic!("wrong before the change: {error}"));
    change(&mut elf);
    link(&elf).expect_err("accepted").to_string()
}

/// The error of a source that assembles but does not link.
fn source_refusal(source: &str) -> String {
    compile(source).expect_err("accepted").to_string()
}

const TABLE: &str = ".prog main syscall\nr1 = t ll\nexit\n.jumptable t: 0, 2, 2";

#[test]
fn entries_that_are_no_offsets_are_named() {
    assert_eq!(
        refusal(TABLE, |elf| patch::section(elf, ".jumptables", 8, &[0x11])),
        "cannot link section `.jumptables`, symbol `t` at offset 0x8: the entry 0x11 is not a \
         multiple of 8, so that it is no instruction's offset"
    );
    assert_eq!(
        refusal(TABLE, |elf| patch::section(elf, ".jumptables", 16, &[0, 0, 0, 0, 8])),
        "cannot link section `.jumptables`, symbol `t` at offset 0x10: the entry 0x800000000 gives \
         slot 0x100000000 of the program, which is not 32 bits"
    );
    assert_eq!(
        source_refusal("r1 = t ll\nexit\n.jumptable t: -1"),
        "cannot link section `.jumptables`, symbol `t` at offset 0x0: the entry 0xfffffffffffffff8 \
         gives slot 0x1fffffffffffffff of the program, which is not 32 bits"
    );
}

#[test]
fn tables_have_to_fit_their_section() {
    assert_eq!(
        refusal(TABLE, |elf| patch::symbol(elf, "t", 16, &[12])),
        "cannot link section `.jumptables`, symbol `t` at offset 0x0: a jump table of 12 bytes; \
         start and size have to be multiples of 8"
    );
    assert_eq!(
        refusal(TABLE, |elf| patch::symbol(elf, "t", 8, &[4])),
        "cannot link section `.jumptables`, symbol `t` at offset 0x4: a jump table of 24 bytes; \
         start and size have to be multiples of 8"
    );
    assert_eq!(
        refusal(TABLE, |elf| patch::symbol(elf, "t", 16, &[32])),
        "cannot link section `.jumptables`, symbol `t` at offset 0x0: a jump table of 32 bytes \
         reaches out of its section of 24"
    );
    let huge = u64::MAX - 7;
    assert_eq!(
        refusal(TABLE, |elf| patch::symbol(elf, "t", 16, &huge.to_le_bytes())),
        format!(
            "cannot link section `.jumptables`, symbol `t` at offset 0x0: a jump table of {huge} \
             bytes reaches out of its section of 24"
        )
    );
}

#[test]
fn tables_need_their_symbol() {
    // The symbol as a section symbol: 3 = STT_SECTION.
    assert_eq!(
        refusal(TABLE, |elf| patch::symbol(elf, "t", 4, &[3])),
        "cannot link section `.jumptables`, symbol `t` at offset 0x0: no jump table has a symbol \
         that covers offset 0x0; each needs one with its size, as of the type OBJECT"
    );
}

#[test]
fn programs_need_a_known_section() {
    assert_eq!(
        source_refusal(".prog p mine/x\nexit"),
        "cannot link section `mine/x`, symbol `p` at offset 0x0: no program type is known for \
         this section; known are those of libbpf, such as `syscall`, `socket`, `tc`, `xdp`, \
         `raw_tp`, `cgroup/skb`"
    );
    assert_eq!(
        source_refusal(".func f\nexit"),
        "cannot link the object: it has no program; put a function into a section such as \
         `syscall`"
    );
    assert_eq!(
        refusal("exit", |elf| patch::symbol(elf, "main", 4, &[2])),
        "cannot link section `syscall`, symbol `main` at offset 0x0: a static function cannot be a \
         program; make it global or move it to `.text`"
    );
}

#[test]
fn calls_need_a_function_in_text() {
    assert_eq!(
        source_refusal("exit\n.prog other xdp\nr0 = 0\ncall main\nexit"),
        "cannot link section `xdp`, symbol `other` at offset 0x8: `main` is a program, in section \
         `syscall`; only functions in `.text` can be called"
    );
    assert_eq!(
        source_refusal("call pc+5\nexit"),
        "cannot link section `syscall`, symbol `main` at offset 0x0: no function has slot 6 of \
         section `syscall`, which is referred to"
    );
    assert_eq!(
        source_refusal("call f\nexit\n.func f\ncall pc+3\nr0 = 0\nexit\n.func g\nr0 = 0\nexit"),
        "cannot link section `.text`, symbol `f` at offset 0x0: slot 4 of section `.text` is in \
         the middle of `g`; functions are referred to by their start"
    );
    assert_eq!(
        source_refusal("r1 = f + 8 ll\nexit\n.func f\nr0 = 0\nexit"),
        "cannot link section `syscall`, symbol `main` at offset 0x0: slot 1 of section `.text` is \
         in the middle of `f`; functions are referred to by their start"
    );
    assert_eq!(
        source_refusal("r1 = f + 4 ll\nexit\n.func f\nr0 = 0\nexit"),
        "cannot link section `syscall`, symbol `main` at offset 0x0: the address 0x4 is no \
         instruction's offset"
    );
}

#[test]
fn relocations_have_to_fit_their_instruction() {
    let source = "call f\nexit\n.global f\nexit";
    assert_eq!(
        refusal(source, |elf| patch::section(elf, "syscall", 0, &[0xb7])),
        "cannot link section `syscall`, symbol `main` at offset 0x0: a relocation of type 10 does \
         not fit the opcode b7; R_BPF_64_32 (10) fits a call of a function, R_BPF_64_64 (1) a wide \
         immediate"
    );
    assert_eq!(
        refusal(source, |elf| patch::section(elf, ".relsyscall", 0, &[4])),
        "cannot link section `syscall`, symbol `main` at offset 0x0: relocations have to apply to \
         an instruction's start, one to each at most"
    );
    assert_eq!(
        refusal(source, |elf| patch::section(elf, ".relsyscall", 0, &[16])),
        "cannot read the object: section 3, relocations: offset 0x10 is outside of `syscall` (16 \
         bytes)"
    );
    assert_eq!(
        refusal(source, |elf| patch::symbol(elf, "f", 6, &[0, 0])),
        "cannot link section `syscall`, symbol `main` at offset 0x0: the symbol `f` is not defined \
         in this object; define it here. Symbols of the kernel (`__ksym`, `__kconfig`) cannot be \
         linked without one"
    );
}

#[test]
fn files_given_by_mistake_are_known() {
    let error = |bytes: &[u8]| link(bytes).expect_err("accepted").to_string();
    for bitcode in [&b"BC\xc0\xde rest"[..], b"\xde\xc0\x17\x0b rest"] {
        assert!(error(bitcode).contains("LLVM bitcode; compile without -flto"), "{bitcode:?}");
    }
    assert!(error(b"!<arch>\nmember").contains("an archive; give the objects that it holds"));
    let mut elf = compile_elf("exit").unwrap();
    elf[18] = 62;
    assert!(error(&elf).contains("for machine 62; compile with --target=bpf"), "{}", error(&elf));
}

#[test]
fn functions_consist_of_slots_of_their_own() {
    let source = "call f\nexit\n.global f\nexit\n.global g\nexit";
    assert_eq!(
        refusal(source, |elf| patch::symbol(elf, "f", 16, &[16])),
        "cannot link section `.text`, symbol `g` at offset 0x8: the function overlaps with `f`"
    );
    assert_eq!(
        refusal(source, |elf| patch::symbol(elf, "f", 16, &[0])),
        "cannot link section `.text`, symbol `f` at offset 0x0: a function of 0 bytes; it has to \
         have some, inside of the 16 of its section; in assembly, `.size f, .-f` says how many"
    );
    assert_eq!(
        refusal(source, |elf| patch::symbol(elf, "f", 16, &[4])),
        "cannot link section `.text`, symbol `f` at offset 0x0: a function of 4 bytes that does \
         not consist of slots of 8 bytes"
    );
    assert_eq!(
        refusal(source, |elf| patch::header(elf, ".text", 8, &[2])),
        "cannot link section `.text`, symbol `f` at offset 0x0: a function in a section that holds \
         no code"
    );
}

#[test]
fn maps_have_the_documented_layout() {
    let source = "exit\n.map m array key=4 value=8 entries=1";
    assert_eq!(
        refusal(source, |elf| patch::symbol(elf, "m", 16, &[28])),
        "cannot link section `maps`, symbol `m` at offset 0x0: a map definition of 28 bytes; 20 \
         are expected: type, key_size, value_size, max_entries, flags; or 24 and 8 for each entry \
         of a prog array"
    );
    assert_eq!(
        refusal(source, |elf| patch::symbol(elf, "m", 16, &[24])),
        "cannot link section `maps`, symbol `m` at offset 0x0: the map definition reaches out of \
         its section"
    );
    assert_eq!(
        refusal(source, |elf| patch::symbol(elf, "m", 8, &[4])),
        "cannot link section `maps`, symbol `m` at offset 0x4: the map definition reaches out of \
         its section"
    );
}

#[test]
fn data_has_its_sections() {
    // The symbol of the map in the section of the license.
    let source = "r1 = map m ll\nexit\n.map m array key=4 value=8 entries=1";
    let license = |elf: &mut Vec<u8>| {
        let number = bpf_object::read(elf).unwrap().section("license").unwrap().0;
        patch::symbol(elf, "m", 6, &(number as u16).to_le_bytes());
    };
    assert_eq!(
        refusal(source, license),
        "cannot link section `syscall`, symbol `main` at offset 0x0: the symbol `m` lies in \
         section `license`; only functions in `.text`, jump tables, maps and data in `.rodata…`, \
         `.data.rel.ro…`, `.data…` and `.bss…` can be referred to"
    );
}

#[test]
fn files_that_are_no_objects_are_named() {
    let error = |bytes: &[u8]| link(bytes).unwrap_err().to_string();
    assert_eq!(
        error(&[]),
        "cannot read the object: the file header: the file has 0 bytes of its 64"
    );
    let mut elf = compile_elf("exit").unwrap();
    elf[18] = 62;
    assert_eq!(
        error(&elf),
        "cannot read the object: the file header: type 1 for machine 62; compile with --target=bpf; a 64-bit little-endian \
         relocatable file for BPF is expected"
    );
    let mut elf = compile_elf("exit").unwrap();
    patch::header(&mut elf, "license", 24, &[0xff; 8]);
    assert!(error(&elf).contains("lie outside of the file"), "{}", error(&elf));
}
