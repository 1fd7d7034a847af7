//! The fuzz targets of `fuzz/`: how they are built, run, and what their output says.
//!
//! The package has the layout of cargo-fuzz, but is built here by cargo itself: what the targets
//! take are flags that the stable compiler has, and nothing has to be installed for them.

mod log;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use harness_host::exit::{Status, Stop};
use harness_host::interrupt::Group;
use harness_host::{paths, ui};

/// Target of the build. That it is named keeps the flags away from build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Coverage for libFuzzer, as cargo-fuzz sets it up.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Seconds that one input may take.
const TIMEOUT: u32 = 10;
/// MiB that the process may have. The model allows the maps of a plan 256.
const MEMORY: u32 = 2048;

/// The names of all targets, sorted.
///
/// # Errors
///
/// When the folder of the targets cannot be read.
pub(crate) fn targets() -> Result<Vec<String>> {
    let folder = package().join("fuzz_targets");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn package() -> PathBuf {
    paths::repository().join("fuzz")
}

/// Where everything is kept that fuzzing makes.
fn folder() -> PathBuf {
    paths::repository().join("target/fuzz")
}

/// Targets that are built.
pub(crate) struct Campaign {
    folder: PathBuf,
}

/// An input on which a target failed.
pub(crate) struct Finding {
    target: String,
    what: String,
    input: Option<String>,
    log: PathBuf,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAILED    {:<12} {}", self.target, self.what)?;
        match &self.input {
            Some(input) => write!(
                f,
                "\n          input: {input}\n          reproduce: cargo xtask fuzz {} --input {input}",
                self.target
            ),
            None => write!(f, "\n          output: {}", self.log.display()),
        }
    }
}

impl Campaign {
    /// Builds these targets.
    ///
    /// # Errors
    ///
    /// When they do not compile.
    pub(crate) fn build(targets: &[String]) -> Result<Self> {
        let folder = folder();
        let progress = ui::Progress::spinner("building the fuzz targets");
        let mut command = cargo("build");
        command.args(["--target", TARGET]).env("RUSTFLAGS", FLAGS);
        // Would go before RUSTFLAGS.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS");
        for target in targets {
            command.args(["--bin", target]);
        }
        run(&mut command, "build the fuzz targets")?;
        progress.finish();
        Ok(Self { folder })
    }

    /// Writes the inputs to start from, which the suites' cases give.
    ///
    /// # Errors
    ///
    /// When they cannot be made or written.
    pub(crate) fn make_seeds(&self) -> Result<()> {
        let progress = ui::Progress::spinner("making inputs out of the cases");
        let mut command = cargo("run");
        command.args(["--bin", "seeds", "--"]).arg(self.folder.join("seeds"));
        run(&mut command, "make the inputs that fuzzing starts from")?;
        progress.finish();
        Ok(())
    }

    /// Runs a target for so many seconds; inputs that reach something new are kept for the next
    /// time.
    ///
    /// # Errors
    ///
    /// When it cannot be run. What it finds is not an error.
    pub(crate) fn run(&self, target: &str, seconds: u32) -> Result<Result<log::Done, Finding>> {
        let [corpus, seeds, artifacts] =
            ["corpus", "seeds", "artifacts"].map(|kind| self.folder.join(kind).join(target));
        for folder in [&corpus, &seeds, &artifacts] {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        let path = artifacts.join("log");
        let mut command = Command::new(self.binary(target));
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={TIMEOUT}"))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args([&corpus, &seeds]);
        let progress = ui::Progress::spinner(format!("fuzzing {target} for {seconds} s"));
        let status = start(&mut command, &path)?.wait()?;
        progress.finish();
        let bytes =
            fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        match (status.success(), log::done(&text)) {
            (true, Some(done)) => Ok(Ok(done)),
            (true, None) => bail!("the fuzz target {target} ran nothing; see {}", path.display()),
            (false, _) => Ok(Err(Finding {
                target: target.to_owned(),
                what: log::failure(&text).unwrap_or_else(|| status.to_string()),
                input: log::input(&text),
                log: path,
            })),
        }
    }

    /// Runs a target on one file, with its output where the user sees it.
    ///
    /// # Errors
    ///
    /// When it cannot be run.
    pub(crate) fn reproduce(&self, target: &str, input: &Path) -> Result<Status> {
        if !input.is_file() {
            return Err(Stop::Usage(format!("there is no file {}", input.display())).into());
        }
        let mut command = Command::new(self.binary(target));
        command.arg(format!("-timeout={TIMEOUT}")).arg(format!("-rss_limit_mb={MEMORY}"));
        command.arg(input);
        let status = Group::spawn(&mut command, Stdio::null())?.wait()?;
        Ok(if status.success() { Status::Passed } else { Status::CaseFailed })
    }

    fn binary(&self, target: &str) -> PathBuf {
        self.folder.join(TARGET).join("release").join(target)
    }
}

/// Starts a target; all that it says goes into a file.
fn start(command: &mut Command, log: &Path) -> Result<Group> {
    let file = File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
    let group = file.try_clone().and_then(|copy| {
        command.stdout(copy).stderr(file);
        Group::spawn(command, Stdio::null())
    });
    group.with_context(|| format!("failed to run {command:?}"))
}

/// Cargo on the package of the targets.
fn cargo(what: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(paths::repository())
        .args([what, "--quiet", "--locked", "--release", "--manifest-path"])
        .arg(package().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder());
    command
}

/// Runs cargo; its messages are the user's to see.
fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = Group::spawn(command, Stdio::null())
        .with_context(|| format!("failed to start {command:?}"))?
        .wait()?;
    if !status.success() {
        bail!("failed to {what}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_binary_of_the_package() {
        let manifest = fs::read_to_string(package().join("Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert!(targets.len() >= 6, "{targets:?}");
        for target in &targets {
            assert!(manifest.contains(&format!("\nname = \"{target}\"\n")), "{target}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
    }

    #[test]
    fn a_finding_says_how_to_see_it_again() {
        let finding = |input: Option<&str>| Finding {
            target: "decode".into(),
            what: "panicked at x.rs:1:2: no".into(),
            input: input.map(str::to_owned),
            log: "the/log".into(),
        };
        assert_eq!(
            finding(Some("target/fuzz/a")).to_string(),
            "FAILED    decode       panicked at x.rs:1:2: no\n          input: target/fuzz/a\n          \
             reproduce: cargo xtask fuzz decode --input target/fuzz/a"
        );
        assert!(finding(None).to_string().ends_with("output: the/log"));
    }
}
