//! The whole command grammar.

use std::path::PathBuf;

use anyhow::Result;
use bpf_wire::Mode;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::commands;
use harness_host::exit::Status;
use harness_kernel::bases;
use harness_kernel::build::KernelRequest;
use harness_kernel::series::Selection;
use harness_report::files::{FORMATS, Files, Format};
use harness_session::start::On;
use harness_vm::accel::Choice;

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

impl From<&KernelArgs> for KernelRequest {
    fn from(args: &KernelArgs) -> Self {
        Self {
            linux: args.linux.clone(),
            selection: args.series,
            config: args.config.clone(),
            ..Self::of_base(&args.base)
        }
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
    /// What they ask for.
    pub(crate) fn on(&self) -> On {
        On {
            install_deps: self.host.install_deps,
            accel: self.accel.into(),
            kernel: KernelRequest::from(&self.kernel),
        }
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

impl From<AccelChoice> for Choice {
    fn from(choice: AccelChoice) -> Self {
        match choice {
            AccelChoice::Auto => Self::Auto,
            AccelChoice::Kvm => Self::Kvm,
            AccelChoice::Tcg => Self::Tcg,
        }
    }
}

/// Reads a [`Mode`] by its name in the table, with what the table says of it in the help.
pub(crate) fn mode() -> impl TypedValueParser<Value = Mode> {
    let value = |mode: &Mode| PossibleValue::new(mode.name()).help(mode.row().about);
    PossibleValuesParser::new(Mode::EVERY.iter().map(value))
        .try_map(|name| Mode::named(&name).ok_or_else(|| format!("no mode is called {name}")))
}

/// A command as these words on its command line make it: its options and what they are without being
/// given stand in the grammar alone.
///
/// # Errors
///
/// When the words are not understood.
pub(crate) fn parsed<T: Args>(words: &[&str]) -> Result<T> {
    let command = T::augment_args(clap::Command::new("xtask").no_binary_name(true));
    Ok(T::from_arg_matches(&command.try_get_matches_from(words)?)?)
}

/// Where to write what was found: an option for each of [`FORMATS`].
#[derive(Clone, Debug)]
pub(crate) struct ReportArgs(pub(crate) Files);

impl FromArgMatches for ReportArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let asked = |format: &'static Format| {
            Some((format.name, matches.get_one::<PathBuf>(format.name)?.clone()))
        };
        Ok(Self(Files::new(FORMATS.iter().filter_map(asked))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ReportArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(FORMATS.iter().map(|format| {
            Arg::new(format.name)
                .long(format.name)
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help(format.about)
                .help_heading("Reports")
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}
