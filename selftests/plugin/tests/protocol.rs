//! The protocol: arguments, standard input, exit status and messages.

mod plugin;

use std::fs::File;
use std::process::{Command, Stdio};

use bpf_isa::assemble;
use bpf_object::compile_elf;
use plugin::{Answer, hex, plugin};

/// `r0 = 5; exit`
const FIVE: &str = "b7 00 00 00 05 00 00 00 95 00 00 00 00 00 00 00";

/// Bare instructions as hex.
fn bare(source: &str) -> String {
    let unit = assemble(source).expect("the source is sound");
    hex(&unit.functions[0].insns.iter().flat_map(|insn| insn.to_bytes()).collect::<Vec<_>>())
}

#[track_caller]
fn answers(arguments: &[&str], input: &str, r0: &str) {
    let answer = plugin(arguments, input.as_bytes());
    assert_eq!((answer.status, &*answer.out, &*answer.err), (0, &*format!("{r0}\n"), ""));
}

#[track_caller]
fn fails(arguments: &[&str], input: &str, status: i32, message: &str) {
    let answer = plugin(arguments, input.as_bytes());
    assert!(answer.err.contains(message), "expected {message}, got {answer:?}");
    assert_eq!((answer.status, &*answer.out), (status, ""), "{answer:?}");
    assert!(!answer.err.contains("panicked"), "{answer:?}");
}

#[test]
fn the_program_comes_on_standard_input() {
    answers(&[], FIVE, "5");
    answers(&[], &format!("{FIVE}\n"), "5");
    answers(&[], &FIVE.replace(' ', ""), "5");
    answers(&[], &FIVE.replace(' ', "\n"), "5");
    answers(&[], &FIVE.to_uppercase(), "5");
}

#[test]
fn the_program_comes_as_an_option() {
    answers(&["--program", FIVE], "", "5");
    answers(&["--program", FIVE], "not read", "5");
    answers(&["01 02", "--program", &bare("r0 = *(u8 *)(r1 +1)\n exit")], "", "2");
}

#[test]
fn r0_has_64_bits() {
    answers(&[], &bare("r0 = -1\n exit"), "ffffffffffffffff");
    answers(&[], &bare("r0 = 0x123456789a ll\n exit"), "123456789a");
    answers(&[], &bare("r0 = 0\n exit"), "0");
}

#[test]
fn the_memory_is_the_first_argument() {
    let program = bare("r0 = *(u32 *)(r1 +0)\n r0 <<= 32\n r0 |= r2\n exit");
    answers(&["11 22 33 44 55"], &program, "4433221100000005");
    answers(&["1122334455\n"], &program, "4433221100000005");
    let program = bare("*(u16 *)(r1 +0) = 0x1234\n r0 = *(u32 *)(r1 +0)\n exit");
    answers(&["ff ff ff ff"], &program, "ffff1234");
}

#[test]
fn no_memory_is_two_zeros() {
    let program = bare("r0 = r1\n r0 |= r2\n exit");
    answers(&[], &program, "0");
    answers(&[""], &program, "0");
    answers(&[" "], &program, "0");
}

#[test]
fn usage_errors_have_a_status_of_their_own() {
    fails(&["--jit"], FIVE, 2, "unexpected argument '--jit'");
    fails(&["00", "11"], FIVE, 2, "unexpected argument '11'");
    fails(&["--program"], "", 2, "a value is required for '--program <HEX>'");
    fails(&["--budget", "x"], FIVE, 2, "invalid value 'x' for '--budget <STEPS>'");
    fails(&["0"], FIVE, 2, "1 digits do not make whole bytes");
    fails(&["0g"], FIVE, 2, "byte 1 is `g`");
}

#[test]
fn bad_hex_is_named() {
    fails(&[], "b7 0", 1, "the program is not hex: 3 digits do not make whole bytes");
    fails(&[], "b7 zz", 1, "the program is not hex: byte 3 is `z`");
    fails(&["--program", "0x95"], "", 1, "the program is not hex: byte 1 is `x`");
}

#[test]
fn what_is_no_program_is_refused() {
    fails(&[], "", 1, "invalid program: it has no instructions");
    fails(&[], " \n", 1, "invalid program: it has no instructions");
    fails(&[], "95 00 00 00", 1, "its 4 bytes are no whole number of instructions of 8");
    fails(&[], "ff 00 00 00 00 00 00 00", 1, "cannot decode slot 0");
    let behind_exit = format!("{FIVE} ff 00 00 00 00 00 00 00");
    fails(&[], &behind_exit, 1, "cannot decode slot 2");
    fails(&[], &behind_exit, 1, "unknown opcode ff");
}

#[test]
fn traps_say_where_and_why() {
    fails(
        &["01"],
        &bare("r0 = *(u64 *)(r1 +0)\n exit"),
        1,
        "trapped at slot 0 `(79) r0 = *(u64 *)(r1 +0)`: 8 bytes at offset 0 of the memory, which has 1",
    );
    fails(&[], &bare("r0 = r3\n exit"), 1, "r3 is read but was not written");
    fails(&[], &bare("exit"), 1, "r0 is read but was not written");
    fails(&[], &bare("r0 = 0\n goto +7"), 1, "outside the program");
    fails(&[], &bare("r1 = 0\n call 9999\n exit"), 1, "not supported by the model: helper 9999");
}

#[test]
fn endless_programs_end() {
    let endless = bare("again: goto again\n exit");
    fails(&["--budget", "1000"], &endless, 1, "the budget of 1000 steps is used up");
    answers(&["--budget", "2"], FIVE, "5");
    fails(&["--budget", "1"], FIVE, 1, "the budget of 1 steps is used up");
}

#[test]
fn input_without_end_is_refused() {
    let zero = File::open("/dev/zero").expect("the device is there");
    let output = Command::new(env!("CARGO_BIN_EXE_bpf-model-plugin"))
        .stdin(Stdio::from(zero))
        .output()
        .expect("the binary starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("larger than 33554432 bytes"), "{message}");
}

/// An object with a jump table, a function table and a map, in hex.
fn object() -> Vec<u8> {
    compile_elf(
        "
        .prog main syscall
            r6 = *(u64 *)(r1 +0)
            r3 = JT ll
            r6 <<= 3
            r3 += r6
            r3 = *(u64 *)(r3 +0)
            r4 = FT ll
            r4 = *(u64 *)(r4 +0)
            gotox r3
        a:  r0 = 10
            exit
        b:  r1 = 20
            callx r4
            exit
        .jumptable JT: a, b
        .func next
            r0 = r1
            r0 += 1
            exit
        .data FT .data.rel.ro: next
        ",
    )
    .expect("the source is sound")
}

#[test]
fn objects_are_linked() {
    let object = object();
    answers(&["--elf", "00 00 00 00 00 00 00 00"], &hex(&object), "a");
    answers(&["01 00 00 00 00 00 00 00", "--elf"], &hex(&object), "15");
    answers(&["01 00 00 00 00 00 00 00", "--elf", "--program", &hex(&object)], "", "15");
    let Answer { status, out, .. } = plugin(&["--elf", "01 00 00 00 00 00 00 00"], &object);
    assert_eq!((status, &*out), (0, "15\n"), "the file itself");
}

#[test]
fn bad_objects_are_refused() {
    let object = object();
    fails(&["--elf"], &hex(&object[..200]), 1, "invalid program: cannot read the object");
    fails(&["--elf"], &hex(&object[..10]), 1, "invalid program: cannot read the object");
    fails(&["--elf"], FIVE, 1, "invalid program: cannot read the object");
    fails(&["--elf"], "", 1, "invalid program: cannot read the object");
    fails(&["--elf"], "7f 45 4", 1, "not hex: 5 digits");
    let two = compile_elf(".prog a syscall\n r0 = 0\n exit\n .prog b syscall\n r0 = 0\n exit\n");
    fails(&["--elf"], &hex(&two.unwrap()), 1, "an object with 2 programs; keep one");
    let invalid = compile_elf(".prog a syscall\n r0 = 0\n exit\n .insn 0xff 0 0 0 0\n");
    fails(&["--elf"], &hex(&invalid.unwrap()), 1, "unknown opcode ff");
}

#[test]
fn code_in_an_unknown_section_is_run_as_it_is() {
    let object = compile_elf(".prog main syscall\n r0 = r2\n exit\n").unwrap();
    // The section's name no longer implies a type, and has the same length.
    let at = object.windows(7).position(|name| name == b"syscall").expect("it is named");
    let mut object = object;
    object[at..at + 7].copy_from_slice(b"unknown");
    answers(&["--elf", "00 11"], &hex(&object), "2");
}

#[test]
fn help_says_what_goes_where() {
    let Answer { status, out, .. } = plugin(&["--help"], b"");
    assert_eq!(status, 0);
    for word in ["[MEMORY]", "--program <HEX>", "--elf", "--budget <STEPS>", "r1 is the address"] {
        assert!(out.contains(word), "{word} in {out}");
    }
}
