//! The console while it grows. What its lines mean is tested by the golden logs.

use std::fs::OpenOptions;
use std::io::Write;

use super::*;

#[test]
fn a_log_is_read_as_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/console.log");
    let mut console = Console::create(&path).unwrap();
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    writer
        .write_all(b"[    0.1] x\r\n[    0.200000] bpf-indirect: case a/b jit\n[    0.2")
        .unwrap();
    console.update();
    assert_eq!(console.case(), Some("a/b jit"));
    assert_eq!(console.splats(), []);
    writer.write_all(b"10000] UBSAN: shift-out-of-bounds in kernel/bpf/core.c:1:2\nmore").unwrap();
    console.update();
    let splats = console.take_splats(&[]);
    assert_eq!(splats.len(), 1);
    assert_eq!(splats[0].case.as_deref(), Some("a/b jit"));
    assert_eq!(console.take_splats(&[]), []);
    assert_eq!(console.tail(2).last().map(String::as_str), Some("more"));
    assert_eq!(console.tail(2).len(), 2);
}

#[test]
fn a_splat_taken_early_is_not_given_again() {
    let mut scanner = Scanner::default();
    scanner.feed("BUG: kernel NULL pointer dereference, address: 0000000000000010");
    assert_eq!(scanner.take(&[]).len(), 1);
    scanner.feed("Oops: Oops: 0000 [#1] SMP");
    scanner.feed("RIP: 0010:foo+0x1/0x2");
    scanner.feed("Kernel panic - not syncing: Fatal exception");
    assert_eq!(scanner.take(&[]), []);
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console.log");
    let mut console = Console::create(&path).unwrap();
    fs::write(&path, b"\xff\xfe\x00[\n\xf0\x9f\n[    0.100000] kernel BUG at a.c:1!\n").unwrap();
    console.update();
    assert_eq!(console.take_splats(&[]).len(), 1);
}

/// The guest may be at the next case before the host has looked at what the one before left.
#[test]
fn a_splat_waits_for_the_case_that_its_marker_names() {
    let mut scanner = Scanner::default();
    let log = "bpf-indirect: case t/one jit\n\
               WARNING: kernel/bpf/verifier.c:1 at one+0x1/0x2, CPU#0: init/1\n\
               ---[ end trace 0000000000000000 ]---\n\
               bpf-indirect: case t/two jit\n\
               WARNING: kernel/bpf/verifier.c:2 at two+0x1/0x2, CPU#0: init/1\n";
    log.lines().for_each(|line| scanner.feed(line));
    let cases = |splats: Vec<Splat>| -> Vec<String> {
        splats.into_iter().filter_map(|splat| splat.case).collect()
    };
    assert_eq!(cases(scanner.take(&["t/two jit"])), ["t/one jit"]);
    assert_eq!(cases(scanner.take(&["t/two jit"])), [""; 0]);
    assert_eq!(cases(scanner.take(&["t/three jit"])), ["t/two jit"]);
}
