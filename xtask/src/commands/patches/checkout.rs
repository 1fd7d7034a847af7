//! `patches checkout`: base and series as a git work tree to hack in.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::export;
use harness_host::exit::Stop;
use harness_kernel::git::Git;
use harness_kernel::series::Series;
use harness_kernel::tree::Tree;

/// Makes `dir` a linked work tree of `tree`'s repository, on a branch of its own with the series in
/// `series_dir` on the commit `base`. Gives the number of patches.
///
/// # Errors
///
/// When there is something in `dir` that would be lost: other files, changes that are not committed,
/// commits that were not exported; and when a patch does not apply.
pub(crate) fn checkout(tree: &Tree, base: &str, series_dir: &Path, dir: &Path) -> Result<usize> {
    let dir = std::path::absolute(dir)?;
    let series = Series::load(series_dir)?;
    let commit = tree.apply(base, &series)?;
    if is_vacant(&dir)? {
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        // Work trees that were deleted by hand would keep their branches.
        tree.git().run(["worktree", "prune"])?;
        let branch = branch(tree, &dir)?;
        let place = dir.to_string_lossy();
        tree.git()
            .run(["worktree", "add", "--quiet", "--force", "-B", &branch, &place, &commit])
            .with_context(|| format!("checking out to {}", dir.display()))?;
    } else {
        refuse_loss(tree, base, series_dir, &dir)?;
        Git::at(&dir).run(["reset", "--quiet", "--hard", &commit])?;
    }
    Ok(series.patches.len())
}

fn is_vacant(dir: &Path) -> Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("reading {}", dir.display())),
    }
}

/// A branch name that no other work tree uses: `series`, `series-2`, and so on.
fn branch(tree: &Tree, dir: &Path) -> Result<String> {
    let list = tree.git().run(["worktree", "list", "--porcelain"])?;
    let taken = |branch: &str| {
        list.split("\n\n").any(|entry| {
            entry.lines().any(|line| line == format!("branch refs/heads/{branch}"))
                && !entry.lines().any(|line| line == format!("worktree {}", dir.display()))
        })
    };
    let mut branch = "series".to_owned();
    let mut number = 2;
    while taken(&branch) {
        branch = format!("series-{number}");
        number += 1;
    }
    Ok(branch)
}

fn refuse_loss(tree: &Tree, base: &str, series_dir: &Path, dir: &Path) -> Result<()> {
    let list = tree.git().run(["worktree", "list", "--porcelain"])?;
    let real = dir.canonicalize()?;
    if !list.lines().any(|line| line == format!("worktree {}", real.display())) {
        return Err(Stop::Usage(format!(
            "{} is not empty and is not a work tree of this series; choose another directory",
            dir.display()
        ))
        .into());
    }
    export::refuse_uncommitted(dir)?;
    // What an export would write is what is there: no commit would be lost.
    let files = export::patches(dir, base)?;
    let have = Series::load(series_dir)?;
    let same = files.len() == have.patches.len()
        && files.iter().zip(&have.patches).all(|(file, patch)| file.content == patch.content);
    // Or the commits are those of an earlier series, which are remembered.
    let head = Git::at(dir).run(["rev-parse", "HEAD"])?;
    let known = tree.git().run(["for-each-ref", "--format=%(objectname)", "refs/series"])?;
    if !same && head != base && !known.lines().any(|commit| commit == head) {
        bail!(
            "{} has commits that are not in {}; write them back with `cargo xtask patches export` or \
             choose another directory",
            dir.display(),
            series_dir.display()
        );
    }
    Ok(())
}
