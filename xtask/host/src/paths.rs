//! Where the repository and the cache are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Environment variable that names the cache directory.
const CACHE_VARIABLE: &str = "BPF_INDIRECT_CACHE";

/// The repository's root, known when xtask was compiled: `cargo xtask` always runs from a checkout.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// The cache directory: `$BPF_INDIRECT_CACHE`, else `bpf-indirect` under `$XDG_CACHE_HOME` or
/// `~/.cache`. It may not exist yet.
///
/// # Errors
///
/// When none of the three variables is set.
pub fn cache() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set(CACHE_VARIABLE) {
        return Ok(std::path::absolute(dir)?);
    }
    if let Some(dir) = set("XDG_CACHE_HOME") {
        return Ok(dir.join("bpf-indirect"));
    }
    let Some(home) = set("HOME") else {
        bail!("no place for the cache: none of {CACHE_VARIABLE}, XDG_CACHE_HOME and HOME is set");
    };
    Ok(home.join(".cache/bpf-indirect"))
}
