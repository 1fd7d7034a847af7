//! The CI workflow under a linter: `action-validator`, which knows the schema of GitHub's workflows.
//!
//! It is under another license than this project's and is therefore run, not linked: installed by
//! cargo, in the version that is named here, into `target/tools`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use harness_host::exit::Stop;
use harness_host::{interrupt, paths, programs};

/// The linter's package and version.
const LINTER: (&str, &str) = ("action-validator", "0.9.0");

/// The workflows' folder.
const FOLDER: &str = ".github/workflows";

fn tools() -> PathBuf {
    paths::repository().join("target/tools")
}

/// The linter, if it is installed; with `install` it is installed first where it is not.
///
/// # Errors
///
/// When cargo cannot install it.
pub(crate) fn linter(install: bool) -> Result<Option<PathBuf>> {
    let (name, version) = LINTER;
    let program = tools().join("bin").join(name);
    let installed = || {
        let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(version))
    };
    if installed() {
        return Ok(Some(program));
    }
    if !install {
        return Ok(None);
    }
    let mut command = programs::cargo();
    command
        .args(["install", "--quiet", "--locked", "--force", name, "--version", version, "--root"])
        .arg(tools());
    let status = programs::run(&mut command)?;
    if !status.success() {
        return Err(Stop::HostLacks(format!("{command:?} failed: {status}")).into());
    }
    Ok(Some(program))
}

/// How to get the linter.
pub(crate) fn how_to_install() -> String {
    let (name, version) = LINTER;
    format!(
        "cargo install --locked {name} --version {version} --root target/tools, or --install-deps"
    )
}

/// Runs the linter over every workflow.
///
/// # Errors
///
/// [`Stop::CaseFailed`] with what it says; and when there is no workflow.
pub(crate) fn lint(linter: &Path) -> Result<()> {
    let folder = paths::repository().join(FOLDER);
    let failed = || format!("failed to read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Stop::CaseFailed(format!("there is no workflow in {FOLDER}")).into());
    }
    let mut command = Command::new(linter);
    command.args(&files).current_dir(paths::repository()).stdin(Stdio::null());
    let output = interrupt::output(&mut command, &[])
        .with_context(|| format!("failed to run {command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Stop::CaseFailed(format!(
        "the workflow does not pass {}: {}\n{}",
        LINTER.0,
        output.status,
        String::from_utf8_lossy(&said).trim_end()
    ))
    .into())
}
