//! `cargo xtask bench boot`: time from starting QEMU to the agent's first record, with virtme-ng
//! beside it where it is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::{Spread, store};
use crate::cli::{AccelChoice, KernelArgs};
use harness_host::exit::Status;
use harness_host::interrupt::Group;
use harness_host::ui::{errln, outln};
use harness_host::{interrupt, paths};
use harness_kernel::boot::BootOptions;
use harness_kernel::build::{self, KernelRequest};
use harness_vm::accel::{self, Accel};
use harness_vm::image;
use harness_vm::{Machine, MachineConfig, StartFailure};

/// Options of `bench boot`.
#[derive(Debug, Args)]
pub(crate) struct Boot {
    #[command(flatten)]
    kernel: KernelArgs,
    /// Start this uncompressed vmlinux instead of building a kernel.
    #[arg(long, value_name = "FILE")]
    vmlinux: Option<PathBuf>,
    /// How often to start it.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How the guest's instructions are executed.
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    /// Further arguments for the kernel's command line.
    #[arg(long, value_name = "ARGS")]
    kernel_args: Vec<String>,
    /// Write the numbers to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was measured; times in milliseconds.
#[derive(Debug, Serialize)]
struct Report {
    accel: &'static str,
    /// From starting QEMU to the agent's first record.
    first_record: Spread,
    /// The guest's own clock when the agent spoke.
    guest_uptime: Spread,
    /// virtme-ng's time to run `true` in the same kernel; one run.
    virtme_ng: Option<f64>,
}

impl Boot {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let decision = accel::decide(self.accel.into())?;
        if let Some(note) = &decision.note {
            errln!("note: {note}");
        }
        let (vmlinux, boot) = match self.vmlinux {
            Some(file) => (file, BootOptions::default()),
            None => {
                let built = build::build(&KernelRequest::from(&self.kernel))?;
                (built.vmlinux, built.boot)
            }
        };
        let initramfs = image::build()?;
        let log = paths::repository().join("target/bench/console.log");
        let mut config =
            MachineConfig::new(vmlinux.clone(), initramfs, decision.accel, log).booted(&boot);
        config.kernel_args.extend(self.kernel_args);
        let mut first_record = Vec::new();
        let mut guest_uptime = Vec::new();
        for _ in 0..self.runs {
            interrupt::check()?;
            let machine = Machine::start(&config).map_err(StartFailure::into_error)?;
            first_record.push(machine.boot_time().as_secs_f64() * 1e3);
            guest_uptime.push(machine.guest().uptime_ns as f64 / 1e6);
            machine.power_off().map_err(harness_vm::GuestFailure::into_error)?;
        }
        let report = Report {
            accel: decision.accel.name(),
            first_record: Spread::of(first_record),
            guest_uptime: Spread::of(guest_uptime),
            virtme_ng: virtme_ng(&vmlinux, decision.accel)?,
        };
        print(&report, self.runs);
        store(&report, self.json.as_deref())?;
        Ok(Status::Passed)
    }
}

fn print(report: &Report, runs: u32) {
    let line = |name: &str, spread: Spread| {
        let Spread { min, median, max } = spread;
        outln!("{name:<34} min {min:7.0} ms   median {median:7.0} ms   max {max:7.0} ms");
    };
    outln!("{runs} starts under {}", report.accel);
    line("QEMU's start to first record", report.first_record);
    line("kernel's clock at first record", report.guest_uptime);
    match report.virtme_ng {
        Some(time) => outln!("{:<34} {time:11.0} ms", "vng --run ... -- true, once"),
        None => outln!("virtme-ng is not installed: nothing to compare with"),
    }
}

/// Time of one `vng --run KERNEL -- true` in milliseconds; none where vng is not installed or does
/// not get this kernel to run, which it says itself.
fn virtme_ng(kernel: &Path, accel: Accel) -> Result<Option<f64>> {
    let mut command = Command::new("vng");
    if accel == Accel::Tcg {
        command.arg("--disable-kvm");
    }
    command.arg("--run").arg(kernel).args(["--", "true"]);
    command.stdout(Stdio::null());
    let started = Instant::now();
    let mut group = match Group::spawn(&mut command, Stdio::null()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        spawned => spawned.with_context(|| format!("failed to start {command:?}"))?,
    };
    let status = group.wait()?;
    if status.success() {
        return Ok(Some(started.elapsed().as_secs_f64() * 1e3));
    }
    errln!("warning: {command:?}: {status}");
    Ok(None)
}
