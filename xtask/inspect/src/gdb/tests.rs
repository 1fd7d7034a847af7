//! The script; and, where asked for, gdb at a real machine.

use std::collections::BTreeMap;
use std::env;
use std::process::Stdio;
use std::thread;

use bpf_wire::Mode;

use super::*;
use harness_host::needs::find_program;
use harness_kernel::boot::BootOptions;
use harness_results::event::Stream;
use harness_results::record::Verdict;
use harness_session::Alone;
use harness_session::guest::Guest;
use harness_suites::cases::{Rules, prepare, run};
use harness_suites::jit_image::Emission;
use harness_vm::MachineConfig;
use harness_vm::accel::Accel;

#[test]
fn the_script_names_kernel_and_socket() {
    let meeting = Meeting::prepare("/kernels/with blank/vmlinux".as_ref()).unwrap();
    let text = fs::read_to_string(meeting.script()).unwrap();
    assert!(text.contains("\nfile \"/kernels/with blank/vmlinux\"\n"), "{text}");
    assert!(text.contains(&format!("\ntarget remote {}\n", meeting.socket().display())), "{text}");
    assert_eq!(meeting.command().last(), Some(&meeting.script().display().to_string()));
    assert!(Meeting::prepare("/a\"b/vmlinux".as_ref()).is_err());
}

#[test]
fn nobody_waits_for_a_machine_that_never_was() {
    let meeting = Meeting::prepare("/k".as_ref()).unwrap();
    assert!(!meeting.wait(&AtomicBool::new(true)));
    fs::write(meeting.socket(), "").unwrap();
    assert!(meeting.wait(&AtomicBool::new(false)));
}

/// `check` leaves tests with `in_gdb` in their names out where the host has none, and says so.
#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names, and gdb"]
fn a_real_guest_stops_in_gdb() {
    assert!(find_program(GDB).is_some(), "not run: the host lacks gdb; apt-get install gdb");
    let vmlinux =
        env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX names a vmlinux");
    let vmlinux = PathBuf::from(vmlinux);
    let dir = tempfile::tempdir().unwrap();
    let meeting = Meeting::prepare(&vmlinux).unwrap();
    let console = dir.path().join("console.log");
    let initramfs = harness_vm::image::build().unwrap();
    let config = MachineConfig::new(vmlinux.clone(), initramfs, Accel::Tcg, console);
    let mut guest = Guest::new(config, &BootOptions::default());
    guest.debug_over(meeting.socket());
    let cases = bpf_suites::all();
    let case = cases.into_iter().find(|case| case.name == "callx/one_callee").unwrap();

    // As far as the config tells, which the cache keeps beside the kernel.
    let kernel_config = vmlinux.with_file_name("config");
    let emission = Emission::new(&vmlinux, &kernel_config, &BTreeMap::new()).unwrap();
    let rules = Rules {
        modes: vec![Mode::Jit],
        fail_fast: true,
        declared: false,
        patches: None,
        probe: false,
        too_strict: false,
        emission,
        contain: None,
    };

    let over = AtomicBool::new(false);
    let (verdict, said) = thread::scope(|scope| {
        let gdb = scope.spawn(|| {
            assert!(meeting.wait(&over), "the machine does not start");
            let words = meeting.command();
            let further = ["bpf-jit", "continue", "backtrace", "bpf-log", "continue", "x/i $pc"];
            let further = further.into_iter().chain(["delete", "continue"]);
            let further = further.flat_map(|command| ["-ex", command]);
            let mut gdb = Command::new(&words[0]);
            gdb.args(&words[1..]).arg("-batch").args(further).stdin(Stdio::null());
            let output = gdb.output().unwrap();
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        });
        let mut stream = Stream::new(Vec::new());
        let ran = run("case", &[prepare(case)], &rules, &mut guest, &Alone, &mut stream);
        // gdb ends with the machine, whether or not the case ran.
        let ended = guest.end();
        drop(guest);
        over.store(true, Ordering::Relaxed);
        let said = gdb.join().unwrap();
        let records = ran.unwrap_or_else(|error| panic!("{error:#}\n{said}"));
        ended.unwrap();
        (records[0].verdict, said)
    });
    assert_eq!(verdict, Verdict::Passed, "{said}");
    let pieces = [
        // Stopped at the load, with symbols.
        "BPF_PROG_LOAD of \"main\": type 31, 7 instructions",
        "in bpf_check ()",
        "in bpf_prog_load ()",
        "This load has no log.",
        // Stopped in the machine code, at its first instruction.
        "machine code of bpf_prog_",
        ":\tendbr64",
    ];
    for piece in pieces {
        assert!(said.contains(piece), "no {piece:?} in what gdb says:\n{said}");
    }
}
