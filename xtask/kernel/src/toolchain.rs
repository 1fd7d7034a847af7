//! The host's compiler, assembler and linker: which versions, and ccache beside them.

use std::process::Command;

use anyhow::{Context, Result};

use harness_host::exit::Stop;
use harness_host::needs::find_program;

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
        let missing: Vec<_> =
            TOOLS.iter().copied().filter(|tool| find_program(tool).is_none()).collect();
        if !missing.is_empty() {
            return Err(Stop::HostLacks(format!(
                "cannot build a kernel without {}; `cargo xtask doctor` says how to get them",
                missing.join(", ")
            ))
            .into());
        }
        let versions: Result<Vec<_>> = ["gcc", "as", "ld"].into_iter().map(version).collect();
        Ok(Self { versions: versions?.join("\n"), ccache: find_program("ccache").is_some() })
    }
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
