//! `cargo xtask check`: everything that must hold before a commit.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use xshell::{Shell, cmd};

use super::bisect::Bisect;
use super::fuzz::Fuzz;
use super::mutate::{self, Mutate};
use super::patches;
use super::test::Test;
use crate::annotated::{compile, suite};
use crate::cli::{self, HostArgs, KernelArgs};
use crate::exit::{Status, Stop};
use crate::kernel::build::{self, KernelRequest};
use crate::{host, interrupt, paths};

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Also what takes long: build the kernel after each patch of the series, run the cases on the
    /// other configurations and the kernel's own tests of the verifier, rehearse a bisection, run the fuzz targets and the mutants.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    host: HostArgs,
}

/// The steps that are programs: name, arguments to cargo, environment.
type CargoStep = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const CARGO_STEPS: [CargoStep; 6] = [
    ("formatting", &["fmt", "--all", "--check"], &[]),
    (
        "clippy",
        &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"],
        &[],
    ),
    (
        "documentation",
        &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked", "--quiet"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    ),
    ("fuzz targets: formatting", &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"], &[]),
    (
        "fuzz targets: clippy",
        &[
            "clippy",
            "--manifest-path=fuzz/Cargo.toml",
            "--target-dir=target/fuzz",
            "--all-targets",
            "--locked",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
        &[],
    ),
    ("unit tests", &["test", "--workspace", "--locked", "--quiet"], &[]),
];

/// The tests that are ignored elsewhere because they need a kernel: panic, silence, garbage.
const GUEST_FAILURES: &[&str] =
    &["test", "--package", "xtask", "--locked", "--quiet", "real_guest", "--", "--ignored"];

/// The configurations besides the default one, see images/kernel.
const CONFIGS: [&[&str]; 5] = [
    &["hardened"],
    &["hardened", "lfence"],
    &["hardened", "its"],
    &["hardened", "call-depth"],
    &["debug"],
];

/// How long each fuzz target runs.
const FUZZ_SECONDS: u32 = 20;

impl Check {
    /// Runs the steps in order and stops at the first one that does not hold.
    pub(crate) fn run(self) -> Result<Status> {
        host::ensure(&self.host)?;
        for (name, args, environment) in CARGO_STEPS {
            interrupt::check()?;
            step(name, || cargo(args, environment))?;
        }
        let full = self.full;
        step("kernel series", || patches::check::check(cli::DEFAULT_BASE, full))?;
        step("mutants", || mutate::check(cli::DEFAULT_BASE))?;
        interrupt::check()?;
        println!("==> kernel");
        let built = build::build(&KernelRequest::from(&KernelArgs::default()))?;
        let vmlinux = built.vmlinux.display().to_string();
        step("guests that fail", || {
            cargo(GUEST_FAILURES, &[("BPF_INDIRECT_VMLINUX", vmlinux.as_str())])
        })?;
        interrupt::check()?;
        println!("==> cases in the guest");
        let cases = Test::everything(self.host.clone()).run()?;
        if !full || cases != Status::Held {
            return Ok(cases);
        }
        for config in CONFIGS {
            println!("==> cases in the guest, config {}", config.join(" and "));
            let status = Test::everything_on(config, self.host.clone()).run()?;
            if status != Status::Held {
                return Ok(status);
            }
        }
        println!("==> the kernel's own tests of the verifier");
        match compile::ensure() {
            Err(lacking) => println!("    unsupported: {lacking}"),
            Ok(()) => {
                let status = Test::only(suite::NAME, self.host.clone()).run()?;
                if status != Status::Held {
                    return Ok(status);
                }
            }
        }
        println!("==> a bisection whose answer is known");
        let status = Bisect::rehearsal(self.host.clone()).run()?;
        if status != Status::Held {
            return Ok(status);
        }
        println!("==> fuzz targets");
        let status = Fuzz::everything(FUZZ_SECONDS).run()?;
        if status != Status::Held {
            return Ok(status);
        }
        println!("==> mutants in the guest");
        Mutate::everything(self.host).run()
    }
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("==> {name}");
    let start = Instant::now();
    work().with_context(|| format!("check: {name}"))?;
    println!("    ok, {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn cargo(args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(paths::repository());
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = cmd!(shell, "{program} {args...}").envs(environment.iter().copied()).quiet().run();
    interrupt::check()?;
    done.map_err(|error| Stop::CaseFailed(error.to_string()).into())
}
