//! `cargo xtask bench boot`: time from starting QEMU to the agent's first record, with virtme-ng
//! beside it where it is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

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

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
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
            first_record.push(machine.boot_time());
            guest_uptime.push(Duration::from_nanos(machine.guest().uptime_ns));
            machine.power_off().map_err(harness_vm::GuestFailure::into_error)?;
        }
        let report = Report {
            accel: decision.accel.name(),
            first_record: spread(first_record),
            guest_uptime: spread(guest_uptime),
            virtme_ng: virtme_ng(&vmlinux, decision.accel)?,
        };
        print(&report, self.runs);
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&report)? + "\n";
            std::fs::write(path, text)
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
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

/// Least, middle (the mean of the two in the middle if even) and greatest of a list that is not
/// empty.
fn spread(times: Vec<Duration>) -> Spread {
    let mut ms: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
    ms.sort_by(f64::total_cmp);
    let at = |index: usize| ms.get(index).copied().unwrap_or_default();
    let half = ms.len() / 2;
    let median = if ms.len().is_multiple_of(2) {
        (at(half.saturating_sub(1)) + at(half)) / 2.0
    } else {
        at(half)
    };
    Spread { min: at(0), median, max: at(ms.len().saturating_sub(1)) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_sorts_and_halves() {
        let ms = |list: &[u64]| list.iter().map(|&ms| Duration::from_millis(ms)).collect();
        assert_eq!(spread(ms(&[30, 10, 20])), Spread { min: 10.0, median: 20.0, max: 30.0 });
        assert_eq!(spread(ms(&[40, 10, 20, 30])), Spread { min: 10.0, median: 25.0, max: 40.0 });
        assert_eq!(spread(ms(&[7])), Spread { min: 7.0, median: 7.0, max: 7.0 });
    }
}
