//! What a session ran on: enough to make it again, and what it took.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::kernel::build::BuiltKernel;
use crate::kernel::source::digest::Sha256Sum;
use crate::run::inputs;

/// What identifies the kernel under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct KernelFacts {
    /// Name of the base, or the path of the user's tree.
    pub(crate) base: String,
    /// How much of the series: `all`, `none`, or the number of its first patches.
    pub(crate) series: String,
    /// Digest of the contents of the patches that were applied, 32 hexadecimal digits.
    pub(crate) series_digest: String,
    /// Patches of the series that were applied.
    pub(crate) patches: usize,
    /// Names of the configs beside `base`, in their order.
    pub(crate) configs: Vec<String>,
    /// SHA-256 of the final .config.
    pub(crate) config_digest: String,
    /// Versions of the compiler, the assembler and the linker that built it, in this order.
    pub(crate) toolchain: Vec<String>,
    /// Key of the build, a digest of all that can change it.
    pub(crate) key: String,
    /// `uname -r` of the guest; empty where no guest was started.
    pub(crate) release: String,
}

impl KernelFacts {
    /// Those of a kernel.
    ///
    /// # Errors
    ///
    /// When its configuration cannot be read.
    pub(crate) fn of(built: &BuiltKernel, release: String) -> Result<Self> {
        let config = std::fs::read(&built.config)
            .with_context(|| format!("failed to read {}", built.config.display()))?;
        Ok(Self {
            base: built.base.clone(),
            series: built.series.to_string(),
            series_digest: built.series_digest.clone(),
            patches: built.patches_applied,
            configs: built.configs.clone(),
            config_digest: Sha256Sum::of(Sha256::new_with_prefix(config)).to_string(),
            toolchain: built.toolchain.lines().map(str::to_owned).collect(),
            key: built.key.clone(),
            release,
        })
    }

    /// The kernel in a few words: base, patches, configs.
    pub(crate) fn title(&self) -> String {
        let patches = match self.patches {
            0 => "no patch".to_owned(),
            1 => "1 patch".to_owned(),
            count => format!("{count} patches"),
        };
        let configs: String = self.configs.iter().map(|name| format!(", {name}")).collect();
        format!("{}, {patches}{configs}", self.base)
    }
}

/// Where and with what a session ran, beside the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HostFacts {
    /// How the guest was executed: `kvm` or `tcg`.
    pub(crate) accel: String,
    /// First line of `qemu-system-x86_64 --version`.
    pub(crate) qemu: String,
    /// Seed of the generated inputs, in hexadecimal.
    pub(crate) seed: String,
}

impl HostFacts {
    /// Those of a session with this accelerator and this QEMU.
    pub(crate) fn new(accel: &str, qemu: &str) -> Self {
        Self {
            accel: accel.to_owned(),
            qemu: qemu.to_owned(),
            seed: format!("{:#x}", inputs::SEED),
        }
    }
}

/// What a session took. Not part of what makes two sessions the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Times {
    /// When the session started, in seconds since 1970 began.
    pub(crate) started: u64,
    /// Milliseconds that the kernel's build took; none where it came from the cache.
    pub(crate) build_ms: Option<u64>,
    /// Milliseconds from the first case to the last one.
    pub(crate) cases_ms: u64,
}

/// One guest of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct GuestFacts {
    /// Milliseconds from starting QEMU to the agent's first record.
    pub(crate) boot_ms: u64,
    /// Batches that it was sent: cases by modes, and probes.
    pub(crate) batches: u64,
    /// What it held before the first of them.
    pub(crate) start: Resources,
    /// What it held behind the last of them; none if it was not there any more, or of no more use.
    pub(crate) end: Option<Resources>,
}

/// What a guest holds between two batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Resources {
    /// Descriptors that the agent has open.
    pub(crate) descriptors: u32,
    /// Programs in the kernel.
    pub(crate) programs: u32,
    /// Maps in the kernel.
    pub(crate) maps: u32,
    /// BTF objects in the kernel.
    pub(crate) btfs: u32,
    /// Memory that could still be had, in KiB: `MemAvailable` of `/proc/meminfo`.
    pub(crate) available_kib: u64,
    /// `Slab`, in KiB.
    pub(crate) slab_kib: u64,
    /// `VmallocUsed`, in KiB: programs, machine code, large maps.
    pub(crate) vmalloc_kib: u64,
    /// `Percpu`, in KiB.
    pub(crate) percpu_kib: u64,
}

impl From<bpf_wire::Resources> for Resources {
    fn from(counted: bpf_wire::Resources) -> Self {
        let bpf_wire::Resources {
            descriptors,
            programs,
            maps,
            btfs,
            available_kib,
            slab_kib,
            vmalloc_kib,
            percpu_kib,
        } = counted;
        Self { descriptors, programs, maps, btfs, available_kib, slab_kib, vmalloc_kib, percpu_kib }
    }
}

/// The facts as names and values, the same in every format that has no structure of its own.
pub(super) fn listed(kernel: &KernelFacts, host: &HostFacts) -> Vec<(&'static str, String)> {
    let configs =
        if kernel.configs.is_empty() { "base".to_owned() } else { kernel.configs.join(" ") };
    vec![
        ("kernel", kernel.release.clone()),
        ("base", kernel.base.clone()),
        ("series", kernel.series.clone()),
        ("patches", kernel.patches.to_string()),
        ("series-digest", kernel.series_digest.clone()),
        ("configs", configs),
        ("config-digest", kernel.config_digest.clone()),
        ("key", kernel.key.clone()),
        ("toolchain", kernel.toolchain.join("; ")),
        ("qemu", host.qemu.clone()),
        ("accel", host.accel.clone()),
        ("seed", host.seed.clone()),
    ]
}
