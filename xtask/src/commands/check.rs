//! `cargo xtask check`: everything that must hold before a commit.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use super::bisect::Bisect;
use super::fuzz::Fuzz;
use super::mutate::{self, Mutate};
use super::patches;
use super::test::SHOWN_STEPS;
use crate::cli::{self, HostArgs};
use crate::workflow;
use harness_host::exit::{Status, Stop};
use harness_host::ui::{out, outln};
use harness_host::{interrupt, needs, programs};
use harness_kernel::bases;
use harness_kernel::build::{self, KernelRequest};
use harness_report::files::Files;
use harness_report::live::Live;
use harness_report::{json, kunit};
use harness_session::start::On;
use harness_suites::job::Job;
use harness_suites::verifier::{compile, suite};
use harness_vm::accel::Choice;
use harness_vm::console::golden;

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Also what takes long: build the kernel after each patch of the series, look at the HTML report
    /// in a browser, run the cases on the other configurations and the kernel's own tests of the
    /// verifier, rehearse a bisection, run the fuzz targets and the mutants.
    #[arg(long)]
    full: bool,
    /// Rewrite what the console watcher must find in the golden logs (xtask/vm/src/console/golden)
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
    "--workspace",
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
    [(needs::GDB, "in_gdb", "gdb"), (needs::BUSYBOX, "with_busybox", "busybox-static")];

/// The tests that are ignored elsewhere because they need a mount namespace, for a small disk.
const FULL_DISK: &[&str] =
    &["test", "--package", "xtask", "--locked", "--quiet", "full_disk", "--", "--ignored"];

/// The test that is ignored elsewhere because it needs the kernel's own parser: that it sees a report
/// which is wrong.
const KUNIT: &[&str] = &[
    "test",
    "--package",
    "harness-report",
    "--locked",
    "--quiet",
    "the_kernels_parser",
    "--",
    "--ignored",
];

/// The test that is ignored elsewhere because it needs a browser.
const BROWSER: &[&str] = &[
    "test",
    "--package",
    "harness-report",
    "--locked",
    "--quiet",
    "real_browser",
    "--",
    "--ignored",
];

/// The configurations besides the default one, see images/kernel.
const CONFIGS: [&[&str]; 5] = [
    &["hardened"],
    &["hardened", "lfence"],
    &["hardened", "its"],
    &["hardened", "call-depth"],
    &["debug"],
];

/// How long each fuzz target runs.
const FUZZ_SECONDS: &str = "20";

impl Check {
    /// Runs the steps in order and stops at the first one that fails. What the host could not run is
    /// said once more in the end; the closing line counts the steps.
    pub(crate) fn run(self) -> Result<Status> {
        if self.bless {
            return bless();
        }
        let mut steps = Steps::default();
        let status = self.steps(&mut steps);
        for what in &steps.skipped {
            outln!("SKIPPED {what}");
        }
        let failed = match &status {
            Ok(status) => *status != Status::Passed,
            Err(error) => Status::of(error) != Status::Interrupted,
        };
        let failed = usize::from(failed);
        outln!("{} passed, {failed} failed, {} skipped", steps.passed, steps.skipped.len());
        status
    }

    fn steps(&self, steps: &mut Steps) -> Result<Status> {
        needs::ensure(self.host.install_deps)?;
        for (name, args, environment) in CARGO_STEPS {
            interrupt::check()?;
            steps.run(name, || cargo(args, environment))?;
        }
        let full = self.full;
        steps.run("kernel series", || patches::check::check(&bases::default_name(), full))?;
        steps.run("mutants", || mutate::check(&bases::default_name()))?;
        interrupt::check()?;
        match workflow::linter(self.host.install_deps)? {
            Some(linter) => steps.run("CI workflow", || workflow::lint(&linter))?,
            None => steps.skip("CI workflow", &workflow::how_to_install()),
        }
        let request = KernelRequest::of_base(&bases::default_name());
        let built = stage("kernel", || build::build(&request))?;
        let vmlinux = built.vmlinux.display().to_string();
        let mut tests = REAL_GUESTS.to_vec();
        for (program, name, package) in NEED_MORE {
            if needs::find_program(program).is_none() {
                steps.skip(name, &format!("apt-get install {package}"));
                tests.extend(["--skip", name]);
            }
        }
        steps.run("guests that fail, guests in gdb and with a shell", || {
            cargo(&tests, &[("BPF_INDIRECT_VMLINUX", vmlinux.as_str())])
        })?;
        if needs::has_mount_namespaces() {
            steps.run("a full disk", || cargo(FULL_DISK, &[]))?;
        } else {
            let how = "unshare --user --map-root-user --mount must work for this user";
            steps.skip("a full disk", how);
        }
        interrupt::check()?;
        let reports = tempfile::tempdir().context("making a directory for the report")?;
        let report = reports.path().join("report.json");
        let mut status = steps.status("cases in the guest", || {
            self.session(&[], &[], Files::new([("json", report.clone())]))
        })?;
        if needs::find_program("python3").is_some() {
            steps.run("KTAP, by the kernel's own parser", || {
                kunit::Parser::of_base(&bases::default_name())?.check(&json::read(&report)?)?;
                cargo(KUNIT, &[])
            })?;
        } else {
            steps.skip("KTAP, by the kernel's own parser", "apt-get install python3");
        }
        if !full || status != Status::Passed {
            return Ok(status);
        }
        if needs::find_program(needs::BROWSER).is_some() {
            steps.run("HTML, in a real browser", || cargo(BROWSER, &[]))?;
        } else {
            steps.skip("HTML, in a real browser", "apt-get install chromium");
        }
        for config in CONFIGS {
            let name = format!("cases in the guest, config {}", config.join(" and "));
            status = steps.status(&name, || self.session(config, &[], Files::default()))?;
            if status != Status::Passed {
                return Ok(status);
            }
        }
        let name = "the kernel's own tests of the verifier";
        match compile::ensure() {
            Err(lacking) => steps.skip(name, &lacking.to_string()),
            Ok(()) => {
                let session = || self.session(&[], &[suite::NAME], Files::default());
                status = steps.status(name, session)?;
            }
        }
        let install_deps: &[&str] = if self.host.install_deps { &["--install-deps"] } else { &[] };
        type Last<'a> = (&'a str, &'a dyn Fn() -> Result<Status>);
        let last: [Last<'_>; 3] = [
            ("a bisection whose answer is known", &|| {
                let words = [&["--rehearse", "--repeat", "2"], install_deps].concat();
                cli::parsed::<Bisect>(&words)?.run()
            }),
            ("fuzz targets", &|| cli::parsed::<Fuzz>(&["--time", FUZZ_SECONDS])?.run()),
            ("mutants in the guest", &|| cli::parsed::<Mutate>(install_deps)?.run()),
        ];
        for (name, run) in last {
            if status != Status::Passed {
                return Ok(status);
            }
            status = steps.status(name, run)?;
        }
        Ok(status)
    }

    /// What filters select, or everything, on the default base with further configs.
    fn session(&self, config: &[&str], filters: &[&str], mut files: Files) -> Result<Status> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let base = bases::default_name();
        let kernel = KernelRequest { config: owned(config), ..KernelRequest::of_base(&base) };
        let on = On { install_deps: self.host.install_deps, accel: Choice::Auto, kernel };
        let job = Job { filters: owned(filters), ..Job::everything(crate::suites(), on) };
        job.run(vec![&mut Live::new(SHOWN_STEPS, false), &mut files])
    }
}

/// What the steps came to.
#[derive(Default)]
struct Steps {
    passed: usize,
    /// Those that the host could not run, and what it takes.
    skipped: Vec<String>,
}

impl Steps {
    fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        stage(name, work).with_context(|| format!("check: {name}"))?;
        self.passed += 1;
        Ok(())
    }

    fn status(&mut self, name: &str, work: impl FnOnce() -> Result<Status>) -> Result<Status> {
        let status = stage(name, work)?;
        self.passed += usize::from(status == Status::Passed);
        Ok(status)
    }

    /// Says that a step is left out, now and in the end.
    fn skip(&mut self, name: &str, how: &str) {
        outln!("==> {name}");
        outln!("    SKIPPED: the host lacks what it takes: {how}");
        self.skipped.push(format!("{name}: {how}"));
    }
}

/// Says what is done, and how long it took.
fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    outln!("==> {name}");
    let start = Instant::now();
    let result = work()?;
    outln!("    {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

fn bless() -> Result<Status> {
    let changes = golden::changes(&golden::folder())?;
    for change in &changes {
        change.accept()?;
        out!("{change}");
    }
    outln!("{} golden logs changed", changes.len());
    Ok(Status::Passed)
}

fn cargo(args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let status = programs::run(programs::cargo().args(args).envs(environment.iter().copied()))?;
    if !status.success() {
        let line = args.join(" ");
        return Err(Stop::CaseFailed(format!("`cargo {line}` failed: {status}")).into());
    }
    Ok(())
}
