//! Which accelerator to use. `auto` trusts no file: it starts a guest.
//!
//! A `/dev/kvm` that opens, and that even creates a VM, may come from a module that emulates what
//! nested virtualisation without hardware support lacks. There a stock guest stops at the first
//! instruction that the emulator does not know, or crawls, without a character on its console.

mod payload;
mod probe;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use super::device::Accel;
use super::qemu;
use harness_host::exit::Stop;
use harness_host::files::write_whole;
use harness_host::paths;
use harness_host::ui::errln;

/// What the user wants of the accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// KVM where a guest really runs under it, else TCG.
    Auto,
    /// Hardware virtualisation, or an error.
    Kvm,
    /// Emulation.
    Tcg,
}

/// An accelerator, and how it came to be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The accelerator.
    pub accel: Accel,
    /// One line for the user where `auto` could not have KVM.
    pub note: Option<String>,
}

/// Whether a guest runs under KVM, and if not, why.
pub type Verdict = std::result::Result<(), String>;

/// Decides on the accelerator. `auto` takes up to 4 s the first time after the host was booted, and
/// a few milliseconds from then on.
///
/// # Errors
///
/// [`Stop::HostLacks`] for `kvm` where no guest runs under it, and where there is no QEMU.
pub fn decide(choice: Choice) -> Result<Decision> {
    let decision = |accel, note| Ok(Decision { accel, note });
    match choice {
        Choice::Tcg => decision(Accel::Tcg, None),
        Choice::Kvm => match fresh_verdict()? {
            Ok(()) => decision(Accel::Kvm, None),
            Err(reason) => Err(Stop::HostLacks(format!(
                "--accel kvm: no guest runs under KVM on this host: {reason}; \
                 use --accel auto or --accel tcg"
            ))
            .into()),
        },
        Choice::Auto => match verdict()? {
            Ok(()) => decision(Accel::Kvm, None),
            Err(reason) => {
                let note = format!("no guest runs under KVM on this host ({reason}); using TCG");
                decision(Accel::Tcg, Some(note))
            }
        },
    }
}

/// Whether a guest runs under KVM: remembered for this boot of the host, else probed.
///
/// # Errors
///
/// When there is no QEMU to probe with.
pub fn verdict() -> Result<Verdict> {
    if let Err(reason) = probe::device() {
        return Ok(Err(reason));
    }
    let memory = Memory { file: paths::cache()?.join("accel.json"), host: Host::current()? };
    if let Some(verdict) = memory.recall() {
        return Ok(verdict);
    }
    let verdict = probe::guest()?;
    // The verdict is the same without a memory, only later.
    if let Err(error) = memory.keep(&verdict) {
        errln!("warning: {error:#}");
    }
    Ok(verdict)
}

fn fresh_verdict() -> Result<Verdict> {
    match probe::device() {
        Ok(()) => probe::guest(),
        Err(reason) => Ok(Err(reason)),
    }
}

/// What a verdict holds for: a boot of the host with one QEMU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Host {
    boot_id: String,
    qemu: String,
}

impl Host {
    fn current() -> Result<Self> {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .context("failed to read /proc/sys/kernel/random/boot_id")?;
        let qemu = qemu::version().map_err(|_| probe::no_qemu())?;
        Ok(Self { boot_id: boot_id.trim().to_owned(), qemu })
    }
}

/// The file that keeps a verdict.
struct Memory {
    file: PathBuf,
    host: Host,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    host: Host,
    /// Why KVM does not work; nothing where it does.
    kvm_fails: Option<String>,
}

impl Memory {
    /// The verdict, if it was kept for this host. A file that cannot be read is none.
    fn recall(&self) -> Option<Verdict> {
        let kept: Kept = serde_json::from_slice(&fs::read(&self.file).ok()?).ok()?;
        (kept.host == self.host).then(|| kept.kvm_fails.map_or(Ok(()), Err))
    }

    fn keep(&self, verdict: &Verdict) -> Result<()> {
        let kept = Kept { host: self.host.clone(), kvm_fails: verdict.clone().err() };
        let write = || -> Result<()> {
            let folder = self.file.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            write_whole(&self.file, &serde_json::to_vec_pretty(&kept)?)
        };
        write().with_context(|| {
            format!("failed to remember in {} whether KVM works", self.file.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(folder: &Path, boot_id: &str, qemu: &str) -> Memory {
        let host = Host { boot_id: boot_id.into(), qemu: qemu.into() };
        Memory { file: folder.join("cache/accel.json"), host }
    }

    #[test]
    fn a_verdict_is_remembered_for_this_boot_and_this_qemu() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(memory(dir.path(), "b1", "7.2").recall(), None);
        memory(dir.path(), "b1", "7.2").keep(&Err("spins".into())).unwrap();
        assert_eq!(memory(dir.path(), "b1", "7.2").recall(), Some(Err("spins".into())));
        assert_eq!(memory(dir.path(), "b2", "7.2").recall(), None);
        assert_eq!(memory(dir.path(), "b1", "8.0").recall(), None);
        memory(dir.path(), "b2", "7.2").keep(&Ok(())).unwrap();
        assert_eq!(memory(dir.path(), "b2", "7.2").recall(), Some(Ok(())));
    }

    #[test]
    fn a_spoilt_memory_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let memory = memory(dir.path(), "b", "q");
        memory.keep(&Ok(())).unwrap();
        fs::write(&memory.file, "{").unwrap();
        assert_eq!(memory.recall(), None);
    }
}
