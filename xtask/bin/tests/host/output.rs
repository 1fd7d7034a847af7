//! A standard output that takes no more.

use std::fs::File;
use std::process::Stdio;

use super::world::World;

#[test]
fn a_full_disk_behind_stdout_is_said() {
    let world = World::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output =
        world.xtask().args(["test", "--list"]).stdout(full).stderr(Stdio::piped()).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.starts_with("error: failed to write to standard output: No space left"), "{said}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let world = World::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        world.xtask().args(["test", "--list"]).stdout(writer).stderr(Stdio::piped()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_full_disk_behind_stderr_costs_nothing() {
    let world = World::new();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = world.kernel().stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("vmlinux  "));
    let refused = world.xtask().args(["test", "no/such_case"]).stderr(full()).status().unwrap();
    assert_eq!(refused.code(), Some(2));
}
