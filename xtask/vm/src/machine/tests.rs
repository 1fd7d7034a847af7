//! What a broken channel is taken for; and, where asked for, a real guest.

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use bpf_wire::{Fault, Mode, Step};

use super::*;
use harness_host::exit::Status;

fn kind(error: &ChannelError, ended: Option<i32>) -> FailureKind {
    judge(error, ended.map(ExitStatus::from_raw), "").0
}

#[test]
fn a_reset_without_a_word_is_the_kernels_crash() {
    assert_eq!(kind(&ChannelError::Closed, Some(0)), FailureKind::Panic);
    assert_eq!(FailureKind::Panic.status(), Status::CaseFailed);
}

#[test]
fn a_qemu_that_is_killed_or_fails_is_the_harness() {
    assert_eq!(kind(&ChannelError::Closed, Some(9)), FailureKind::QemuDied);
    assert_eq!(kind(&ChannelError::Closed, Some(1 << 8)), FailureKind::QemuDied);
    let (_, title) = judge(&ChannelError::Closed, Some(ExitStatus::from_raw(9)), "out of memory");
    assert_eq!(title, "QEMU was killed by signal 9: out of memory");
    assert_eq!(FailureKind::QemuDied.status(), Status::Harness);
}

#[test]
fn a_hang_is_the_kernels_and_a_bad_record_the_harnesss() {
    let second = Duration::from_secs(1);
    assert_eq!(kind(&ChannelError::Silent(second), None), FailureKind::Silent);
    assert_eq!(kind(&ChannelError::Deadline(second), None), FailureKind::Hung);
    let stopped = ChannelError::Stopped { bytes: 3, wait: second };
    assert_eq!(kind(&stopped, None), FailureKind::Protocol);
    assert_eq!(FailureKind::Silent.status(), Status::CaseFailed);
    assert_eq!(FailureKind::Protocol.status(), Status::Harness);
}

#[test]
fn a_missing_kernel_is_told_before_anything_starts() {
    let config = MachineConfig::new(
        "/nonexistent/vmlinux".into(),
        "/nonexistent/cpio".into(),
        Accel::Tcg,
        "/nonexistent/log".into(),
    );
    let error = Machine::start(&config).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/vmlinux"), "{error}");
}

#[test]
fn a_config_lengthens_every_deadline_and_the_command_line() {
    let usual = MachineConfig::new("k".into(), "i".into(), Accel::Tcg, "l".into());
    let boot = BootOptions {
        kernel_args: vec!["x=1".into()],
        memory_mib: 512,
        slowdown: 4,
        ..BootOptions::default()
    };
    let booted = usual.clone().booted(&boot);
    assert_eq!((booted.memory_mib, booted.kernel_args), (512, vec!["x=1".to_owned()]));
    let deadlines =
        |config: &MachineConfig| (config.start_deadline, config.patience, config.end_deadline);
    assert_eq!(deadlines(&usual.clone().booted(&BootOptions::default())), deadlines(&usual));
    assert_eq!(booted.patience, usual.patience * 4);
    assert_eq!(booted.start_deadline, usual.start_deadline * 4);
    assert_eq!(booted.end_deadline, usual.end_deadline * 4);
}

/// A machine with the kernel that the environment names.
fn real_machine(log: &Path) -> Machine {
    let kernel = env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX names a vmlinux");
    let initramfs = crate::image::build().unwrap();
    let mut config = MachineConfig::new(kernel.into(), initramfs, Accel::Tcg, log.into());
    config.patience = Duration::from_secs(4);
    Machine::start(&config).unwrap()
}

fn batch(name: &str) -> Request {
    Request::Batch(Batch { name: name.into(), mode: Mode::Interp, steps: Vec::new() })
}

#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn a_real_guest_answers_and_powers_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = real_machine(&dir.path().join("log"));
    let response = machine.request(&batch("vm/empty"), Duration::from_secs(20)).unwrap();
    assert!(matches!(response, Response::Batch(_)), "{response:?}");
    assert_eq!(machine.power_off().unwrap(), []);
}

#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn a_real_guests_splat_comes_before_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = real_machine(&dir.path().join("log"));
    for number in 0..10 {
        let name = format!("vm/logs_{number}");
        let line = format!("BUG: {number}");
        let steps = vec![Step::Fault(Fault::Log(line.clone()))];
        let batch = Request::Batch(Batch { name: name.clone(), mode: Mode::Interp, steps });
        let response = machine.request(&batch, Duration::from_secs(20)).unwrap();
        assert!(matches!(response, Response::Batch(_)), "{response:?}");
        let case = Some(format!("{name} interp"));
        let splat = Splat { kind: FailureKind::Bug, title: line, case };
        assert_eq!(machine.take_splats(), [splat]);
    }
    assert_eq!(machine.power_off().unwrap(), []);
}
