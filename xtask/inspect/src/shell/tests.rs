//! The machine's arguments; and, where asked for, commands in a real guest.

use std::env;

use super::*;
use crate::userland::{self, Tree};
use harness_host::exit::Status;
use harness_host::needs::{BUSYBOX, find_program};
use harness_vm::image;

fn machine(kernel: PathBuf, initramfs: PathBuf, boot: &BootOptions) -> ShellMachine<'_> {
    ShellMachine { kernel, initramfs, accel: Accel::Tcg, boot }
}

#[test]
fn the_terminal_is_the_console() {
    let boot = BootOptions { memory_mib: 768, ..BootOptions::default() };
    let args = machine("k".into(), "i".into(), &boot).args(&[&Terminal]);
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let args = args.join(" ");
    for part in ["-m 768M", "stdio,id=console,mux=on,signal=off", "console=ttyS0", "-no-reboot"] {
        assert!(args.contains(part), "no {part} in {args}");
    }
    assert!(!args.contains("virtio"), "{args}");
}

/// `check` leaves tests with `with_busybox` in their names out where the host has none, and says so.
#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn a_real_guest_with_busybox_runs_commands() {
    assert!(
        find_program(BUSYBOX).is_some(),
        "not run: the host lacks busybox; apt-get install busybox-static"
    );
    let kernel = env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX names a vmlinux");
    let dir = tempfile::tempdir().unwrap();
    let boot = BootOptions::default();
    let named = |name: &str| {
        let mut cases = bpf_suites::all();
        cases.retain(|case| case.name == name);
        cases
    };
    let cases = [named("callx/one_callee"), named("gotox/no_table")].concat();
    let run = |command: &str| {
        let mut tree = Tree::default();
        userland::busybox(&mut tree).unwrap();
        userland::cases(&cases, &mut tree).unwrap();
        tree.file("/etc/command", command.as_bytes().to_vec());
        let initramfs = image::build_from("shell.list", tree.entries(), dir.path()).unwrap();
        let mut said = Vec::new();
        let console = dir.path().join("console.log");
        let status = machine(kernel.clone().into(), initramfs, &boot)
            .command(&console, &mut |bytes| said.extend_from_slice(bytes));
        (String::from_utf8(said).unwrap(), status)
    };

    let (said, status) = run("
        echo to both >&2
        head -c 4 /objects/callx/one_callee.o | tail -c 3
        cat
        bpf-case callx/one_callee interp
        bpf-case gotox/no_table; echo status $?
        sleep 2 | bpf-case callx/one_callee --hold & sleep 1
        grep -l prog_type /proc/[0-9]*/fdinfo/* 2>/dev/null | wc -l
        exit 7
    ");
    assert_eq!(status.unwrap(), 7, "{said}");
    let pieces = [
        "to both\nELFcallx/one_callee in interp\n",
        "BPF_PROG_LOAD of main: accepted; 6 instructions verified, 7 slots translated, interpreted\n",
        "BPF_PROG_TEST_RUN of program 0: returned 42 (0x2a)\n",
        "BPF_PROG_LOAD of main: refused with EINVAL (22)\nno jump tables found",
        "status 1\n",
        "programs and maps stay until Enter\n1\n",
    ];
    for piece in pieces {
        assert!(said.contains(piece), "no {piece:?} in\n{said}");
    }

    let (said, status) = run("echo first; echo c >/proc/sysrq-trigger");
    let error = status.unwrap_err();
    assert_eq!(said, "first\n");
    assert_eq!(Status::of(&error), Status::CaseFailed, "{error:#}");
    assert!(error.to_string().contains("the guest ended before its command did"), "{error:#}");
}
