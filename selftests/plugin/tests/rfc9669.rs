//! Programs with expected results in the format of the conformance runner's own tests, one file per
//! instruction group of RFC 9669, run with the binary as the runner does.

mod plugin;

use bpf_object::compile;
use plugin::{Answer, hex, plugin};

/// One test of a file.
#[derive(Debug, Default)]
struct Test {
    name: String,
    asm: String,
    mem: String,
    result: String,
    error: String,
}

/// Splits a file at `-- test NAME: ABOUT`, `-- asm`, `-- mem`, `-- result` and `-- error`.
fn parse(text: &str) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    let mut part = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("-- ") {
            let (word, name) = rest.split_once(' ').unwrap_or((rest, ""));
            part = word;
            if part == "test" {
                let name = name.split_once(": ").expect("NAME: ABOUT").0.to_owned();
                tests.push(Test { name, ..Test::default() });
            }
            continue;
        }
        let Some(test) = tests.last_mut() else { continue };
        match part {
            "asm" => test.asm.extend([line, "\n"]),
            "mem" => test.mem.push_str(line),
            "result" => test.result.push_str(line),
            "error" => test.error.push_str(line),
            other => assert!(line.is_empty(), "{}: `-- {other}`: {line}", test.name),
        }
    }
    tests
}

fn check(test: &Test) -> Result<(), String> {
    let plan = compile(&test.asm).map_err(|error| error.to_string())?;
    let bytes: Vec<u8> = plan.programs[0].insns.iter().flat_map(|insn| insn.to_bytes()).collect();
    let Answer { status, out, err } = plugin(&[&test.mem], hex(&bytes).as_bytes());
    let (expected, held) = match (&test.result[..], &test.error[..]) {
        (result, "") => (result, status == 0 && out == format!("{result}\n") && err.is_empty()),
        ("", error) => (error, status == 1 && out.is_empty() && err.contains(error)),
        _ => ("either a result or an error", false),
    };
    if held { Ok(()) } else { Err(format!("expected {expected}, got {status}: {out}{err}")) }
}

#[track_caller]
fn check_all(text: &str) {
    let tests = parse(text);
    let failures: Vec<String> = tests
        .iter()
        .filter_map(|test| check(test).err().map(|why| format!("{}: {why}", test.name)))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(tests.len() >= 7, "{} tests are few", tests.len());
}

#[test]
fn arithmetic() {
    check_all(include_str!("rfc9669/arithmetic.data"));
}

#[test]
fn byte_swap() {
    check_all(include_str!("rfc9669/byte_swap.data"));
}

#[test]
fn jump() {
    check_all(include_str!("rfc9669/jump.data"));
}

#[test]
fn load_store() {
    check_all(include_str!("rfc9669/load_store.data"));
}

#[test]
fn atomic() {
    check_all(include_str!("rfc9669/atomic.data"));
}

#[test]
fn wide_immediate() {
    check_all(include_str!("rfc9669/wide_immediate.data"));
}
