//! The host's compiler, assembler and linker: which versions, and ccache beside them.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use harness_host::exit::Stop;

/// What the kernel's own build calls, beside a shell and the usual small tools.
const TOOLS: &[&str] = &["make", "gcc", "ld", "as", "flex", "bison", "bc", "perl", "git"];

/// The tools that compile the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// First lines of `--version` of gcc, as and ld, a line each.
    pub versions: String,
    /// Whether ccache is there.
    pub ccache: bool,
}

impl Toolchain {
    /// Looks at the host.
    ///
    /// # Errors
    ///
    /// [`Stop::HostLacks`] with every tool that is missing.
    pub fn probe() -> Result<Self> {
        let missing: Vec<_> = TOOLS.iter().copied().filter(|tool| !in_path(tool)).collect();
        if !missing.is_empty() {
            return Err(Stop::HostLacks(format!(
                "cannot build a kernel without {}; `cargo xtask doctor` says how to get them",
                missing.join(", ")
            ))
            .into());
        }
        let versions: Result<Vec<_>> = ["gcc", "as", "ld"].into_iter().map(version).collect();
        Ok(Self { versions: versions?.join("\n"), ccache: in_path("ccache") })
    }
}

fn in_path(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| is_executable(&dir.join(tool)))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

fn version(tool: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg("--version")
        .env("LC_ALL", "C")
        .output()
        .with_context(|| format!("running `{tool} --version`"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
