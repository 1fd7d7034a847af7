//! The initramfs: builds the agent and packs it as a list under `images/` says.

mod recipe;

pub use recipe::Entry;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use harness_host::files::{Lock, write_whole};
use harness_host::{paths, programs};

/// Target of the agent. glibc, linked statically: no other libc is available everywhere.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the agent if it changed, packs it, and gives the initramfs: an uncompressed cpio under
/// `target/`, named by the digest of what it holds, so that the same contents are the same file.
///
/// # Errors
///
/// When the agent does not compile (the compiler's messages are part of the error) or the image
/// cannot be written.
pub fn build() -> Result<PathBuf> {
    let folder = paths::repository().join("target/images");
    build_from("initramfs.list", Vec::new(), &folder)
}

/// As [`build`], by another list of `images/`, with further entries, into another folder.
///
/// # Errors
///
/// As those of [`build`].
pub fn build_from(list: &str, further: Vec<Entry>, folder: &Path) -> Result<PathBuf> {
    let agent = build_agent(&paths::repository().join("target/agent"))?;
    let list = paths::repository().join("images").join(list);
    let text =
        fs::read_to_string(&list).with_context(|| format!("failed to read {}", list.display()))?;
    let mut entries =
        recipe::parse(&text).with_context(|| format!("failed to understand {}", list.display()))?;
    entries.extend(further);
    let binary = fs::read(&agent).with_context(|| format!("failed to read {}", agent.display()))?;
    let archive = recipe::pack(&entries, &binary)?;
    store(folder, &archive)
}

fn build_agent(target_dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(target_dir)
        .with_context(|| format!("failed to create {}", target_dir.display()))?;
    // cargo has a lock of its own, but waits for it silently.
    let lock = target_dir.with_extension("lock");
    let _lock = Lock::take(&lock, "the build of the guest's agent")?;
    let mut command = programs::cargo();
    command
        .args(["build", "--quiet", "--locked", "--package", "bpf-agent", "--profile", "agent"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target_dir)
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        // Would go before RUSTFLAGS.
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    programs::read(&mut command).context("failed to build the agent")?;
    Ok(target_dir.join(TARGET).join("agent").join("bpf-agent"))
}

/// Puts the archive into the folder under a name made of its digest, unless it is there.
fn store(folder: &Path, archive: &[u8]) -> Result<PathBuf> {
    let digest = Sha256::digest(archive);
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join(format!("initramfs-{name}.cpio"));
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    write_whole(&path, archive)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repositorys_recipe_packs_the_agent_and_its_console() {
        let text = fs::read_to_string(paths::repository().join("images/initramfs.list")).unwrap();
        let entries = recipe::parse(&text).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(names, ["/dev", "/dev/console", "/dev/null", "/init"]);
    }

    #[test]
    fn the_recipe_of_the_shell_starts_busybox() {
        let text = fs::read_to_string(paths::repository().join("images/shell.list")).unwrap();
        let entries = recipe::parse(&text).unwrap();
        assert!(entries.contains(&Entry::link("/init", "bin/busybox")));
        assert!(entries.iter().any(|entry| entry.path == "/etc/rc"));
    }

    #[test]
    fn the_same_contents_are_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let first = store(dir.path(), b"one").unwrap();
        assert_eq!(store(dir.path(), b"one").unwrap(), first);
        assert_ne!(store(dir.path(), b"two").unwrap(), first);
        assert_eq!(fs::read(first).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
