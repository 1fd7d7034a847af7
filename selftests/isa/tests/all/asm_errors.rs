//! Assembler errors: which line is wrong, why, and what would be accepted.

use bpf_isa::assemble;

/// Line and reason of the error.
fn refusal(source: &str) -> (usize, String) {
    match assemble(source) {
        Ok(unit) => panic!("{source:?} was accepted: {unit:?}"),
        Err(error) => {
            assert!(!error.accepted.is_empty());
            (error.line, error.reason)
        }
    }
}

#[test]
fn an_error_has_line_text_reason_and_remedy() {
    let error = assemble("r0 = 0\n  r1 = r12 ; no\nexit").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot assemble line 2, `r1 = r12 ; no`: `r12` is unexpected; accepted: a register, a \
         number, `-r…`, `(s8)r…`, `*(u64 *)(…)`, `be16 r…`, `atomic64_…(…)`, `load_acquire(…)`, \
         `addr_space_cast(…)`, `NAME ll`, `map NAME ll`"
    );
}

#[test]
fn refusals_name_line_and_reason() {
    let cases = [
        ("exit\nexit exit", 2, "`exit` is unexpected"),
        ("goto nowhere", 1, "the function `main` has no label `nowhere`"),
        ("a: exit\na: exit", 2, "the label `a` stands in line 1 already"),
        ("r1 = 0xffffffff", 1, "4294967295 (0xffffffff) does not fit an immediate"),
        ("r1 = 0x10000000000000000 ll", 1, "`0x10000000000000000` is not a number of 64 bits"),
        ("r1 = w2", 1, "`w2` is unexpected"),
        ("r1 = -r2", 1, "negation works in place"),
        ("r1 = be16 r2", 1, "the byte order is changed in place"),
        ("w1 = (s32)w2", 1, "`s32` is unexpected"),
        ("r1 ?= 3", 1, "the character '?' has no meaning here"),
        ("*(u64 *)(r1 +40000) = 3", 1, "40000 (0x9c40) does not fit the offset of 16 bits"),
        ("*(u64 *)(r1) = 3", 1, "`)` is unexpected"),
        ("r1 = *(u64 *)(r11 +4)", 1, "r11 serves arguments beyond the fifth alone"),
        ("lock *(u8 *)(r1 +0) += r2", 1, "the size does not fit the atomic operation"),
        (
            "r2 = atomic64_fetch_add((u32 *)(r1 +0), r2)",
            1,
            "the size does not fit the atomic operation",
        ),
        ("r3 = atomic64_xchg((u64 *)(r1 +0), r2)", 1, "the old value goes to r2, not to r3"),
        ("r1 = *(u8 *)skb[4]", 1, "packet access loads 1, 2 or 4 bytes into r0"),
        ("call nobody", 1, "nothing is named `nobody`"),
        ("r1 = nobody ll", 1, "nothing is named `nobody`"),
        ("r1 = nobody", 1, "the line ends too early"),
        ("r1 = map f ll\n.func f\nexit", 1, "`f` is no map"),
        ("call t\n.jumptable t: 0", 1, "`t` is no function"),
        (".func f\n.func g\nexit", 1, "the function `f` has no instructions"),
        (".prog f xdp\nexit\n.func f\nexit", 3, "`f` is defined in line 1 already"),
        ("exit\n.prog main syscall\nexit", 2, "`main` is defined in line 1 already"),
        (".prog f", 1, "a program has a name and a section"),
        (".prog f .text", 1, "`.text` holds subprograms, not programs"),
        (".func r1", 1, "`r1` cannot be a name"),
        ("w10: exit", 1, "`w10` cannot be a name"),
        ("exit\n.jumptable t 1, 2", 2, "the `:` behind the table's name is missing"),
        ("exit\n.jumptable t: 1,", 2, "the function `main` has no label ``"),
        (".map m array key=4 value=4", 1, "the map's `entries` is missing"),
        (".map m prog_array key=4 value=4 entries=1: main,", 1, "`` cannot be a name"),
        (".map m prog_array key=4 value=4 entries=1: gone", 1, "nothing is named `gone`"),
        (".map m prog_array key=4 value=4 entries=1: m", 1, "`m` is no function"),
        (".map m array key=4 value=4 entries=1 lock=x", 1, "`x` is not a number of 32 bits"),
        (".map m arrray key=4 value=4 entries=1", 1, "there is no map type `arrray`"),
        (".map m array key=4 value=4 entries=1 key=4", 1, "`key` is given twice"),
        (".insn 256 0 0 0 0", 1, "256 (0x100) does not fit an opcode"),
        (".insn 1 16 0 0 0", 1, "16 does not fit a register field"),
        (".data d .rodata 1", 1, "the `:` in front of the data is missing"),
        (".data d: 1", 1, "data has a name and a section"),
        (".data d .text: 1", 1, "`.text` is no section for data"),
        (".data d .rodata static: 1", 1, "`static` is unexpected"),
        (".data d .rodata global x: 1", 1, "`x` is unexpected"),
        (".data r1 .rodata: 1", 1, "`r1` cannot be a name"),
        (".data d .rodata: u8 256", 1, "256 does not fit 1 bytes"),
        (".data d .rodata: u8 -129", 1, "-129 does not fit 1 bytes"),
        (".data d .rodata: u32 0x100000000", 1, "0x100000000 does not fit 4 bytes"),
        (".data d .rodata: -9223372036854775809", 1, "-9223372036854775809 does not fit 8 bytes"),
        (".data d .rodata: u8 f", 1, "`f` is not a number of 64 bits"),
        (".data d .rodata: u24 5", 1, "`u24 5` is no data"),
        (".data d .rodata: u8 5 6", 1, "`u8 5 6` is no data"),
        (".data d .rodata: 1,", 1, "`` is no data"),
        (".data d .rodata: zero 16777217", 1, "`16777217` is not a number of bytes"),
        ("exit\n.data d .rodata: f", 2, "nothing is named `f`"),
        (".data d .rodata: d", 1, "`d` is no function"),
        ("call d\n.data d .rodata: 1", 1, "`d` is no function"),
        ("exit\n.func d\nexit\n.data d .rodata:", 4, "`d` is defined in line 2 already"),
        (".unknown x", 1, "`.unknown` is unexpected"),
        ("callx w1", 1, "`w1` is unexpected"),
    ];
    for (source, line, reason) in cases {
        assert_eq!(refusal(source), (line, reason.to_owned()), "{source}");
    }
}

#[test]
fn jumps_that_are_too_far_point_to_gotol() {
    let mut source = "goto end\n".to_owned();
    source.push_str(&"r0 = 0\n".repeat(40_000));
    source.push_str("end: exit");
    assert_eq!(
        refusal(&source),
        (1, "40000 (0x9c40) does not fit the jump's offset of 16 bits; `gotol` has 32".to_owned())
    );
    assert!(assemble(&source.replace("goto end", "gotol end")).is_ok());
}
