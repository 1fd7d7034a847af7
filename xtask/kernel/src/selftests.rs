//! The kernel's BPF selftests as the booted tree has them: their sources, and the headers that they
//! include.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::bases;
use super::build::{BaseTree, base_home};
use super::cache::Cache;
use super::git::Git;
use super::source;
use harness_host::exit::Stop;
use harness_host::paths;

/// What is needed of a tree.
const PATHS: [&str; 4] =
    ["tools/testing/selftests/bpf", "tools/include", "tools/lib", "scripts/bpf_doc.py"];

/// A folder that holds [`PATHS`] of the tree that a kernel is built from: the tree of the user, or
/// what is checked out of the base for this purpose. No patch of the series touches them.
///
/// # Errors
///
/// When the base's source cannot be had, or the user's tree has no BPF selftests.
pub fn of(linux: Option<&Path>, base: &str) -> Result<PathBuf> {
    if let Some(linux) = linux {
        let missing = PATHS.iter().find(|path| !linux.join(path).exists());
        return match missing {
            None => Ok(linux.to_owned()),
            Some(path) => Err(Stop::Usage(format!("{} has no {path}", linux.display())).into()),
        };
    }
    let dir = paths::cache()?;
    let base = bases::find(base)?;
    let tarball = source::obtain(&base, &dir)?;
    let home = Cache::open(&dir)?.source(&base_home(&base.name, &tarball))?;
    let folder = home.join("selftests");
    if !folder.is_dir() {
        let tree = home.join("tree");
        // The objects of a repository that is there may be read whatever others do in its tree.
        if !tree.join(".git").exists() {
            drop(BaseTree::open(&base.name)?);
        }
        check_out(&tree, &folder)?;
    }
    Ok(folder)
}

/// Writes the base's files to a folder, whole or not at all.
fn check_out(tree: &Path, folder: &Path) -> Result<()> {
    let failed = || format!("failed to check out the selftests to {}", folder.display());
    let parent = folder.parent().unwrap_or(folder);
    let new = tempfile::tempdir_in(parent).with_context(failed)?;
    let files = new.path().join("files");
    fs::create_dir(&files).with_context(failed)?;
    let git = Git::at(tree)
        .for_files_of(&tree.join(".git"), &files)
        .with_index(&new.path().join("index"));
    let mut args = vec!["checkout", "--quiet", "refs/heads/base", "--"];
    args.extend(PATHS);
    git.run(args).with_context(failed)?;
    match fs::rename(&files, folder) {
        // Another process was quicker.
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed.with_context(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_checked_out_whatever_the_tree_shows() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        for path in PATHS {
            fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            if path.ends_with(".py") {
                fs::write(tree.join(path), "base").unwrap();
            } else {
                fs::create_dir_all(tree.join(path)).unwrap();
                fs::write(tree.join(path).join("file"), "base").unwrap();
            }
        }
        fs::write(tree.join("other"), "base").unwrap();
        let git = Git::at(&tree);
        git.run(["init", "--quiet", "."]).unwrap();
        git.run(["add", "--all"]).unwrap();
        git.run(["commit", "--quiet", "-m", "base"]).unwrap();
        git.run(["update-ref", "refs/heads/base", "HEAD"]).unwrap();
        fs::write(tree.join("scripts/bpf_doc.py"), "changed").unwrap();

        let folder = dir.path().join("selftests");
        check_out(&tree, &folder).unwrap();
        assert_eq!(fs::read(folder.join("scripts/bpf_doc.py")).unwrap(), b"base");
        assert!(folder.join("tools/lib/file").is_file() && !folder.join("other").exists());
        assert_eq!(fs::read(tree.join("scripts/bpf_doc.py")).unwrap(), b"changed");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
