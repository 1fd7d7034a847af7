//! The whole command grammar.

use std::path::PathBuf;

use anyhow::Result;
use bpf_wire::Mode;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::exit::Status;
use crate::kernel::bases;
use crate::kernel::series::Selection;

/// Tests BPF's indirect jump and call in a real kernel.
///
/// Builds a kernel with this repository's patches, boots it under QEMU, loads BPF objects made by
/// Rust, and judges every result against a reference model.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, one file each under `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the kernel, boot it, run the cases and judge them.
    Test(Box<commands::test::Test>),
    /// Run an object file of BPF programs in the guest, in every mode and by the model.
    Run(Box<commands::run::Run>),
    /// Show a case: source, what is loaded, xlated and JITed code side by side.
    Show(Box<commands::show::Show>),
    /// Run a case in a guest that waits for gdb.
    Debug(Box<commands::debug::Debug>),
    /// A shell in a guest, with the built objects and bpftool.
    Shell(Box<commands::shell::Shell>),
    /// Everything that must hold before a commit: formatting to cases in the guest.
    Check(commands::check::Check),
    /// Measure.
    Bench(commands::bench::Bench),
    /// Say what the host has and lacks.
    Doctor(commands::doctor::Doctor),
    /// Work on the kernel series: check it out, write it back, prove it.
    Patches(commands::patches::Patches),
    /// Compile the BPF programs in Rust.
    Programs(commands::programs::Programs),
    /// Prove that the cases notice deliberate faults in the kernel.
    Mutate(commands::mutate::Mutate),
    /// Find the commit, or the patch of the series, that changed what the cases do.
    Bisect(Box<commands::bisect::Bisect>),
    /// Run the fuzz targets of what reads programs and objects of others.
    Fuzz(commands::fuzz::Fuzz),
    /// Merge the reports of sessions, show them, compare them.
    Report(commands::report::ReportCommand),
    /// Build a kernel and say where it is.
    Kernel(commands::kernel::Kernel),
}

impl Command {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        match self {
            Self::Test(command) => command.run(),
            Self::Run(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Debug(command) => command.run(),
            Self::Shell(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Doctor(command) => command.run(),
            Self::Patches(command) => command.run(),
            Self::Programs(command) => command.run(),
            Self::Mutate(command) => command.run(),
            Self::Bisect(command) => command.run(),
            Self::Fuzz(command) => command.run(),
            Self::Report(command) => command.run(),
            Self::Kernel(command) => command.run(),
        }
    }
}

/// Which kernel to build.
#[derive(Clone, Debug, Args)]
pub(crate) struct KernelArgs {
    /// Base of the kernel, a name in kernel-patches/bases.toml.
    #[arg(long, value_name = "VERSION", default_value_t = bases::default_name(), conflicts_with = "linux")]
    pub(crate) base: String,
    /// Build this kernel tree as it is; with --series, a copy of it with the series on top.
    #[arg(long, value_name = "DIR")]
    pub(crate) linux: Option<PathBuf>,
    /// How much of the series to apply: all, none, or the first N patches.
    #[arg(long, value_name = "all|none|N")]
    pub(crate) series: Option<Selection>,
    /// Further config of images/kernel, by name: a fragment, a command line or both; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) config: Vec<String>,
}

impl Default for KernelArgs {
    fn default() -> Self {
        Self { base: bases::default_name(), linux: None, series: None, config: Vec::new() }
    }
}

/// What a guest is started with: every command that runs something in one takes these.
#[derive(Clone, Debug, Args)]
pub(crate) struct GuestArgs {
    /// How the guest's instructions are executed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) accel: AccelChoice,
    #[command(flatten)]
    pub(crate) kernel: KernelArgs,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

impl GuestArgs {
    /// The default kernel.
    pub(crate) fn default_on(host: HostArgs) -> Self {
        Self { accel: AccelChoice::Auto, kernel: KernelArgs::default(), host }
    }
}

/// What the host may be made to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct HostArgs {
    /// Install missing packages through apt (as root).
    #[arg(long)]
    pub(crate) install_deps: bool,
}

/// How the guest's instructions are executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccelChoice {
    /// KVM where a guest really runs under it, else TCG.
    #[default]
    Auto,
    /// Hardware virtualisation, or an error.
    Kvm,
    /// Emulation.
    Tcg,
}

/// [`Mode`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// The interpreter.
    Interp,
    /// The JIT.
    Jit,
    /// The JIT with constant blinding.
    JitHardened,
    /// The JIT with constant blinding of what is loaded without CAP_BPF; kernel/test_bpf alone.
    JitHardenedUnpriv,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Interp => Self::Interp,
            ModeArg::Jit => Self::Jit,
            ModeArg::JitHardened => Self::JitHardened,
            ModeArg::JitHardenedUnpriv => Self::JitHardenedUnpriv,
        }
    }
}
