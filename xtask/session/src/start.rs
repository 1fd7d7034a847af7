//! What commands that run something in a guest begin with: the kernel, the initramfs, the guest.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result};

use crate::consoles;
use crate::guest::Guest;
use harness_host::ui::errln;
use harness_host::{interrupt, needs};
use harness_kernel::build::{self, BuiltKernel, KernelRequest};
use harness_vm::MachineConfig;
use harness_vm::accel::{self, Choice, Decision};
use harness_vm::image;
use harness_vm::qemu;

/// What a guest is started with.
#[derive(Clone, Debug)]
pub struct On {
    /// Whether missing packages may be installed.
    pub install_deps: bool,
    /// How the guest's instructions are executed.
    pub accel: Choice,
    /// The kernel.
    pub kernel: KernelRequest,
}

/// A kernel that is built, and a guest that can be started with it.
#[derive(Debug)]
pub struct Started {
    /// The kernel.
    pub built: BuiltKernel,
    /// The guest.
    pub guest: Guest,
    /// Where its console goes.
    pub console: PathBuf,
    /// How its instructions are executed: `kvm` or `tcg`.
    pub accel: &'static str,
    /// What runs it: the first line of QEMU's `--version`.
    pub qemu: String,
}

/// Makes sure that the host has what it takes, builds the kernel and the initramfs, and says on
/// stderr what will run.
///
/// # Errors
///
/// Whatever stands in the way of one of them.
pub fn start(on: &On) -> Result<Started> {
    // That the agent did not change takes cargo as long as it takes to find the kernel.
    let (ready, initramfs) = thread::scope(|scope| {
        let initramfs = scope.spawn(image::build);
        (ready(on), initramfs.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let ((built, decision), initramfs) = (ready?, initramfs?);
    let console = consoles::folder()?.join("console.log");
    let config =
        MachineConfig::new(built.vmlinux.clone(), initramfs, decision.accel, console.clone());
    let guest = Guest::new(config, &built.boot);
    let accel = decision.accel.name();
    let qemu = qemu::version().with_context(|| format!("failed to run {}", qemu::PROGRAM))?;
    errln!(
        "kernel {} with {} of the series' patches, {accel}",
        built.release,
        built.patches_applied
    );
    Ok(Started { built, guest, console, accel, qemu })
}

/// Makes sure that the host has what it takes, builds the kernel, and decides how the guest's
/// instructions are executed.
///
/// # Errors
///
/// Whatever stands in the way of one of them.
pub fn ready(on: &On) -> Result<(BuiltKernel, Decision)> {
    needs::ensure(on.install_deps)?;
    let built = build::build(&on.kernel)?;
    interrupt::check()?;
    let decision = accel::decide(on.accel)?;
    if let Some(note) = &decision.note {
        errln!("{note}");
    }
    Ok((built, decision))
}
