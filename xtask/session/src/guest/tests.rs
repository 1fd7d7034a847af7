//! Consoles of cases; and, where asked for, real guests with batches sent ahead and several at once.

use std::env;

use bpf_wire::Fault;

use super::*;
use harness_vm::accel::Accel;

#[test]
fn a_case_gets_the_lines_between_its_marker_and_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console.log");
    let log = "boot\r\n[ 1.0] bpf-indirect: case t/a jit\r\nsplat\r\n\
               [ 2.0] bpf-indirect: case t/a jit-hardened\r\n";
    fs::write(&path, log).unwrap();
    let of_first = ["[ 1.0] bpf-indirect: case t/a jit", "splat"];
    assert_eq!(console_of(&path, "t/a jit").unwrap(), of_first);
    assert_eq!(console_of(&path, "t/a jit-hardened").unwrap().len(), 1);
    assert_eq!(console_of(&path, "t/b jit"), None);
    let long = format!("bpf-indirect: case t/a jit\n{}", "line\n".repeat(CONSOLE_LINES));
    fs::write(&path, long).unwrap();
    assert_eq!(console_of(&path, "t/a jit").unwrap(), ["line"; CONSOLE_LINES]);
    assert_eq!(console_of(&dir.path().join("none"), "t/a jit"), None);
}

#[test]
fn each_guest_has_a_console_of_its_own() {
    let name = |number| numbered(Path::new("a/console.log"), number);
    assert_eq!(name(1), Path::new("a/console.log"));
    assert_eq!(name(2), Path::new("a/console.2.log"));
}

#[test]
fn a_guest_that_ends_under_a_later_batch_is_told_apart() {
    let batch = |name: &str, sent: bool| Waiting {
        work: Work::batch(name, Mode::Jit, Vec::new()),
        marker: marker(name, Mode::Jit),
        sent: sent.into(),
    };
    let ended = |under: Option<&str>, next_sent: bool| {
        let failure = GuestFailure {
            kind: FailureKind::Oops,
            title: "BUG".into(),
            case: under.map(str::to_owned),
            console_tail: Vec::new(),
            console_log: PathBuf::new(),
        };
        ended_behind(&failure, &batch("t/a", true), &VecDeque::from([batch("t/b", next_sent)]))
    };
    assert!(ended(Some("t/b jit"), true));
    assert!(!ended(Some("t/a jit"), true), "it is the one that was awaited");
    assert!(!ended(Some("t/b jit"), false), "a batch that the guest never had");
    assert!(!ended(Some("t/c jit"), true) && !ended(None, true));
}

/// A guest with the kernel that the environment names.
fn real_guest(dir: &Path) -> Guest {
    let kernel = env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX names a vmlinux");
    let initramfs = harness_vm::image::build().unwrap();
    let config = MachineConfig::new(kernel.into(), initramfs, Accel::Tcg, dir.join("console.log"));
    Guest::new(config, &BootOptions::default())
}

fn marked(guest: &Guest) -> String {
    guest.console()[0].rsplit_once("case ").map_or_else(String::new, |(_, case)| case.to_owned())
}

#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn what_a_real_guest_had_not_answered_is_run_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = real_guest(dir.path());
    let submit =
        |guest: &mut Guest, name, steps| guest.submit(Work::batch(name, Mode::Jit, steps)).unwrap();
    submit(&mut guest, "t/before", Vec::new());
    submit(&mut guest, "t/fatal", vec![Step::Fault(Fault::AgentExits)]);
    submit(&mut guest, "t/after", Vec::new());
    assert!(matches!(guest.answer(&mut |_| {}).unwrap(), Answer::Done { .. }));
    assert_eq!(marked(&guest), "t/before jit");
    match guest.answer(&mut |_| {}).unwrap() {
        Answer::Dead(failure) => {
            assert_eq!(failure.kind, FailureKind::AgentDied);
            assert_eq!(failure.case, Some("t/fatal jit".to_owned()));
        }
        answer => panic!("{answer:?}"),
    }
    assert_eq!(marked(&guest), "t/fatal jit");
    submit(&mut guest, "t/last", Vec::new());
    for name in ["t/after jit", "t/last jit"] {
        match guest.answer(&mut |_| {}).unwrap() {
            Answer::Done { splats, .. } => assert_eq!(splats, [""; 0]),
            answer => panic!("{answer:?}"),
        }
        assert_eq!(marked(&guest), name);
    }
    assert_eq!(guest.facts().len(), 2);
    guest.end().unwrap();
    assert!(guest.facts()[0].end.is_none() && guest.facts()[1].end.is_some());
}
