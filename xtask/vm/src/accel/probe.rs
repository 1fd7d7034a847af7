//! Whether a guest runs under KVM, found out by starting one.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Verdict, payload};
use crate::failure::StartFailure;
use crate::qemu::{self, Qemu};
use harness_host::interrupt;

/// How long the probe's guest may take. On hardware it takes a tenth of a second, nearly all of it
/// QEMU's start.
const DEADLINE: Duration = Duration::from_secs(3);

const DEVICE: &str = "/dev/kvm";

/// Whether the device can be opened at all: the cheap half of the verdict, never remembered, since
/// it is the half that the user can change.
pub(super) fn device() -> Verdict {
    match OpenOptions::new().read(true).write(true).open(Path::new(DEVICE)) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => format!("there is no {DEVICE}"),
            ErrorKind::PermissionDenied => {
                format!("no permission to open {DEVICE}: join its group, usually kvm")
            }
            _ => format!("{DEVICE} does not open: {error}"),
        }),
    }
}

/// Starts the probe's guest under KVM.
///
/// # Errors
///
/// When it cannot be started for reasons that have nothing to do with KVM.
pub(super) fn guest() -> Result<Verdict> {
    run("kvm", DEADLINE)
}

fn run(accel: &str, deadline: Duration) -> Result<Verdict> {
    let dir = tempfile::Builder::new()
        .prefix("bpf-indirect-probe-")
        .tempdir()
        .context("failed to create a temporary folder for the KVM probe")?;
    let kernel = dir.path().join("payload");
    fs::write(&kernel, payload::elf())
        .with_context(|| format!("failed to write {}", kernel.display()))?;
    let exit = format!("isa-debug-exit,iobase={:#x},iosize=4", payload::EXIT_PORT);
    let mut args: Vec<_> = [
        "-M",
        "microvm,x-option-roms=off,acpi=off,rtc=off",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-accel",
        accel,
        "-cpu",
        "max",
        "-m",
        "16M",
        "-device",
        &exit,
        "-kernel",
    ]
    .map(Into::into)
    .to_vec();
    args.push(kernel.into());
    interrupt::install();
    let started = Instant::now();
    let mut qemu = Qemu::spawn(&args, &dir.path().join("stderr")).map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            no_qemu()
        } else {
            anyhow::Error::new(error).context(format!("failed to start {}", qemu::PROGRAM))
        }
    })?;
    loop {
        interrupt::check()?;
        if let Some(status) = qemu.wait(Duration::from_millis(50)) {
            if status.code() == Some(payload::EXIT_STATUS) {
                return Ok(Ok(()));
            }
            return Ok(Err(format!("QEMU {}{}", qemu::describe(status), said(&qemu))));
        }
        // QEMU does not exit then: it stops the guest and waits for a debugger.
        if qemu.said().contains("KVM internal error") {
            return Ok(Err(format!("a probe guest stopped{}", said(&qemu))));
        }
        if started.elapsed() >= deadline {
            return Ok(Err(format!(
                "a probe guest did not finish within {} s{}",
                deadline.as_secs(),
                said(&qemu)
            )));
        }
    }
}

/// QEMU's first line, for the end of a reason.
fn said(qemu: &Qemu) -> String {
    let said = qemu.said();
    said.lines().next().map(|line| format!(": {}", line.trim())).unwrap_or_default()
}

/// The error of a host without QEMU.
pub(super) fn no_qemu() -> anyhow::Error {
    StartFailure::NoQemu { program: qemu::PROGRAM }.into_error()
}
