//! `cargo xtask check`: everything that must hold before a commit.

use std::process::{Command, Stdio};
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
use crate::cli::{HostArgs, KernelArgs};
use crate::exit::{Status, Stop};
use crate::interrupt::Group;
use crate::kernel::bases;
use crate::kernel::build::{self, KernelRequest};
use crate::report::{json, kunit};
use crate::ui::{out, outln};
use crate::vm::console::golden;
use crate::{host, interrupt, paths, workflow};

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Also what takes long: build the kernel after each patch of the series, look at the HTML report
    /// in a browser, run the cases on the other configurations and the kernel's own tests of the
    /// verifier, rehearse a bisection, run the fuzz targets and the mutants.
    #[arg(long)]
    full: bool,
    /// Rewrite what the console watcher must find in the golden logs (xtask/src/vm/console/golden)
    /// with what it finds now, show what changed, and check nothing. A log that was copied there as it
    /// is gets its first lines that way.
    #[arg(long, conflicts_with = "full")]
    bless: bool,
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

/// The tests that are ignored elsewhere because they need a kernel: guests that panic, hang, fall
/// silent; Ctrl-C; what becomes of a case's instructions; gdb.
const REAL_GUESTS: &[&str] = &[
    "test",
    "--package",
    "xtask",
    "--locked",
    "--quiet",
    "real_guest",
    "--",
    "--ignored",
    "--test-threads=1",
];

/// Of these tests those that need one more program: the program, what is in their names, and the
/// package that brings the program.
const NEED_MORE: [(&str, &str, &str); 2] =
    [(host::GDB, "in_gdb", "gdb"), (host::BUSYBOX, "with_busybox", "busybox-static")];

/// The tests that are ignored elsewhere because they need a mount namespace, for a small disk.
const FULL_DISK: &[&str] =
    &["test", "--package", "xtask", "--locked", "--quiet", "full_disk", "--", "--ignored"];

/// The test that is ignored elsewhere because it needs the kernel's own parser: that it sees a report
/// which is wrong.
const KUNIT: &[&str] =
    &["test", "--package", "xtask", "--locked", "--quiet", "the_kernels_parser", "--", "--ignored"];

/// The test that is ignored elsewhere because it needs a browser.
const BROWSER: &[&str] =
    &["test", "--package", "xtask", "--locked", "--quiet", "real_browser", "--", "--ignored"];

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
    /// Runs the steps in order and stops at the first one that does not hold. What the host could
    /// not run is said once more in the end.
    pub(crate) fn run(self) -> Result<Status> {
        if self.bless {
            return bless();
        }
        let mut skipped = Vec::new();
        let status = self.steps(&mut skipped)?;
        for what in skipped {
            outln!("SKIPPED {what}");
        }
        Ok(status)
    }

    fn steps(self, skipped: &mut Vec<String>) -> Result<Status> {
        host::ensure(&self.host)?;
        for (name, args, environment) in CARGO_STEPS {
            interrupt::check()?;
            step(name, || cargo(args, environment))?;
        }
        let full = self.full;
        step("kernel series", || patches::check::check(&bases::default_name(), full))?;
        step("mutants", || mutate::check(&bases::default_name()))?;
        interrupt::check()?;
        match workflow::linter(self.host.install_deps)? {
            Some(linter) => step("CI workflow", || workflow::lint(&linter))?,
            None => skip("CI workflow", &workflow::how_to_install(), skipped),
        }
        let request = KernelRequest::from(&KernelArgs::default());
        let built = stage("kernel", || build::build(&request))?;
        let vmlinux = built.vmlinux.display().to_string();
        let mut tests = REAL_GUESTS.to_vec();
        for (program, name, package) in NEED_MORE {
            if host::find_program(program).is_none() {
                skip(name, &format!("apt-get install {package}"), skipped);
                tests.extend(["--skip", name]);
            }
        }
        step("guests that fail, guests in gdb and with a shell", || {
            cargo(&tests, &[("BPF_INDIRECT_VMLINUX", vmlinux.as_str())])
        })?;
        if host::has_mount_namespaces() {
            step("a full disk", || cargo(FULL_DISK, &[]))?;
        } else {
            let how = "unshare --user --map-root-user --mount must work for this user";
            skip("a full disk", how, skipped);
        }
        interrupt::check()?;
        let reports = tempfile::tempdir().context("making a directory for the report")?;
        let report = reports.path().join("report.json");
        let test = Test::everything_reported(report.clone(), self.host.clone());
        let cases = stage("cases in the guest", || test.run())?;
        if host::find_program("python3").is_some() {
            step("KTAP, by the kernel's own parser", || {
                kunit::Parser::of_base(&bases::default_name())?.check(&json::read(&report)?)?;
                cargo(KUNIT, &[])
            })?;
        } else {
            skip("KTAP, by the kernel's own parser", "apt-get install python3", skipped);
        }
        if !full || cases != Status::Held {
            return Ok(cases);
        }
        if host::find_program(host::BROWSER).is_some() {
            step("HTML, in a real browser", || cargo(BROWSER, &[]))?;
        } else {
            skip("HTML, in a real browser", "apt-get install chromium", skipped);
        }
        for config in CONFIGS {
            let name = format!("cases in the guest, config {}", config.join(" and "));
            let status = stage(&name, || Test::everything_on(config, self.host.clone()).run())?;
            if status != Status::Held {
                return Ok(status);
            }
        }
        let verifier = "the kernel's own tests of the verifier";
        match compile::ensure() {
            Err(lacking) => outln!("==> {verifier}\n    unsupported: {lacking}"),
            Ok(()) => {
                let status = stage(verifier, || Test::only(suite::NAME, self.host.clone()).run())?;
                if status != Status::Held {
                    return Ok(status);
                }
            }
        }
        let rehearsal = Bisect::rehearsal(self.host.clone());
        let status = stage("a bisection whose answer is known", || rehearsal.run())?;
        if status != Status::Held {
            return Ok(status);
        }
        let status = stage("fuzz targets", || Fuzz::everything(FUZZ_SECONDS).run())?;
        if status != Status::Held {
            return Ok(status);
        }
        stage("mutants in the guest", || Mutate::everything(self.host).run())
    }
}

fn bless() -> Result<Status> {
    let changes = golden::changes(&golden::folder())?;
    for change in &changes {
        change.accept()?;
        out!("{change}");
    }
    outln!("{} golden logs changed", changes.len());
    Ok(Status::Held)
}

/// Says that a step is left out, now and in the end.
fn skip(name: &str, how: &str, skipped: &mut Vec<String>) {
    outln!("==> {name}");
    outln!("    SKIPPED: the host lacks what it takes: {how}");
    skipped.push(format!("{name}: {how}"));
}

/// A step that holds or fails.
fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    stage(name, work).with_context(|| format!("check: {name}"))
}

/// Says what is done, and how long it took.
fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    outln!("==> {name}");
    let start = Instant::now();
    let result = work()?;
    outln!("    {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

/// How the variables begin that `cargo run` sets for the program that it runs.
const SET_BY_CARGO_RUN: [&str; 3] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"];

fn cargo(args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(paths::repository());
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let command = cmd!(shell, "{program} {args...}").envs(environment.iter().copied());
    let line = command.to_string();
    let mut command = Command::from(command);
    // Build scripts that ask for what `cargo run` has set for this program would run again now, and
    // once more at the next `cargo xtask`.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| SET_BY_CARGO_RUN.iter().any(|p| name.starts_with(p))) {
            command.env_remove(name);
        }
    }
    let status = Group::spawn(&mut command, Stdio::null())
        .with_context(|| format!("failed to start `{line}`"))?
        .wait()?;
    if !status.success() {
        return Err(Stop::CaseFailed(format!("`{line}` failed: {status}")).into());
    }
    Ok(())
}
