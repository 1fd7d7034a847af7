//! What a session ran on: enough to make it again, and what it took.

use serde::{Deserialize, Serialize};

/// What identifies the kernel under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KernelFacts {
    /// Name of the base, or the path of the user's tree.
    pub base: String,
    /// How much of the series: `all`, `none`, or the number of its first patches.
    pub series: String,
    /// Digest of the contents of the patches that were applied, 32 hexadecimal digits.
    pub series_digest: String,
    /// Patches of the series that were applied.
    pub patches: usize,
    /// Names of the configs beside `base`, in their order.
    pub configs: Vec<String>,
    /// SHA-256 of the final .config.
    pub config_digest: String,
    /// Versions of the compiler, the assembler and the linker that built it, in this order.
    pub toolchain: Vec<String>,
    /// Key of the build, a digest of all that can change it.
    pub key: String,
    /// `uname -r` of the guest; empty where no guest was started.
    pub release: String,
}

impl KernelFacts {
    /// The kernel in a few words: base, patches, configs.
    pub fn title(&self) -> String {
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
pub struct HostFacts {
    /// How the guest was executed: `kvm` or `tcg`.
    pub accel: String,
    /// First line of `qemu-system-x86_64 --version`.
    pub qemu: String,
    /// Seed of the generated inputs, in hexadecimal.
    pub seed: String,
}

impl HostFacts {
    /// Those of a session with this accelerator, this QEMU, and inputs from this seed.
    pub fn new(accel: &str, qemu: &str, seed: u64) -> Self {
        Self { accel: accel.to_owned(), qemu: qemu.to_owned(), seed: format!("{seed:#x}") }
    }
}

/// What a session took. Not part of what makes two sessions the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Times {
    /// When the session started, in seconds since 1970 began.
    pub started: u64,
    /// Milliseconds that the kernel's build took; none where it came from the cache.
    pub build_ms: Option<u64>,
    /// Milliseconds from the first case to the last one.
    pub cases_ms: u64,
}

/// One guest of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GuestFacts {
    /// Milliseconds from starting QEMU to the agent's first record.
    pub boot_ms: u64,
    /// Batches that it was sent: cases by modes, and probes.
    pub batches: u64,
    /// What it held before the first of them.
    pub start: Resources,
    /// What it held after the last of them; none if it was gone or unusable by then.
    pub end: Option<Resources>,
}

/// What a guest holds between two batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Resources {
    /// Descriptors that the agent has open.
    pub descriptors: u32,
    /// Programs in the kernel.
    pub programs: u32,
    /// Maps in the kernel.
    pub maps: u32,
    /// BTF objects in the kernel.
    pub btfs: u32,
    /// Memory that could still be had, in KiB: `MemAvailable` of `/proc/meminfo`.
    pub available_kib: u64,
    /// `Slab`, in KiB.
    pub slab_kib: u64,
    /// `VmallocUsed`, in KiB: programs, machine code, large maps.
    pub vmalloc_kib: u64,
    /// `Percpu`, in KiB.
    pub percpu_kib: u64,
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
pub fn listed(kernel: &KernelFacts, host: &HostFacts) -> Vec<(&'static str, String)> {
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
