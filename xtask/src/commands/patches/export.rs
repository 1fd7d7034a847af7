//! `patches export`: the commits of a work tree as the files of a series.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use harness_host::exit::Stop;
use harness_host::ui::outln;
use harness_kernel::git::Git;
use harness_kernel::series::{self, LIST, Patch};

/// Everything that the user's git or another version of git could do differently is said here, so
/// that the files change only when the patches do.
const FORMAT: &[&str] = &[
    "format-patch",
    "--quiet",
    "--zero-commit",
    "--no-signature",
    "--no-numbered",
    "--full-index",
    "--no-attach",
    "--no-thread",
    "--no-cover-letter",
    "--no-base",
    "--no-notes",
    "--no-to",
    "--no-cc",
    "--no-add-header",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--no-encode-email-headers",
    "--diff-algorithm=histogram",
    "--indent-heuristic",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
    "--stat=72",
    "--summary",
    "--patch",
    "--subject-prefix=PATCH",
    "--suffix=.patch",
    "--filename-max-length=64",
];

/// What an export did to the folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    changed: Vec<String>,
    removed: Vec<String>,
    unchanged: usize,
}

impl Written {
    /// Says so.
    pub(crate) fn print(&self, folder: &Path) {
        for name in &self.changed {
            outln!("wrote    {}", folder.join(name).display());
        }
        for name in &self.removed {
            outln!("removed  {}", folder.join(name).display());
        }
        outln!("{} patches unchanged", self.unchanged);
    }
}

/// Writes the commits of the work tree `dir` that are on top of the commit `base` to `folder`: a
/// patch each, and their list. Files that stay the same are not touched; patches that are gone are
/// removed; the cover letter and the comment at the top of the list stay.
///
/// # Errors
///
/// When something in `dir` is not committed, or when its commits are not a line on top of `base`.
pub(crate) fn export(dir: &Path, base: &str, folder: &Path) -> Result<Written> {
    if !dir.join(".git").exists() {
        return Err(Stop::Usage(format!(
            "{} is not a work tree; make one with `cargo xtask patches checkout`",
            dir.display()
        ))
        .into());
    }
    refuse_uncommitted(dir)?;
    let patches = patches(dir, base)?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut written = Written::default();
    for patch in &patches {
        if write_changed(&folder.join(&patch.name), &patch.content)? {
            written.changed.push(patch.name.clone());
        } else {
            written.unchanged += 1;
        }
    }
    for path in series::patch_files(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !patches.iter().any(|patch| patch.name == name) {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            written.removed.push(name);
        }
    }
    let list = folder.join(LIST);
    let old = fs::read_to_string(&list).unwrap_or_default();
    let head = old.lines().take_while(|line| line.is_empty() || line.starts_with('#'));
    let names = patches.iter().map(|patch| patch.name.as_str());
    let text: String = head.chain(names).map(|line| format!("{line}\n")).collect();
    if write_changed(&list, text.as_bytes())? {
        written.changed.push(LIST.to_owned());
    }
    Ok(written)
}

/// Fails when the work tree has changes that no commit holds.
pub(crate) fn refuse_uncommitted(dir: &Path) -> Result<()> {
    let status = Git::at(dir).run(["status", "--porcelain"])?;
    if !status.is_empty() {
        let shown: Vec<_> = status.lines().take(10).collect();
        bail!(
            "{} has changes that are not committed; commit or remove them:\n{}",
            dir.display(),
            shown.join("\n")
        );
    }
    Ok(())
}

/// The commits of the work tree `dir` on top of `base` as patches.
pub(crate) fn patches(dir: &Path, base: &str) -> Result<Vec<Patch>> {
    let git = Git::at(dir);
    let ancestor = git.output(["merge-base", "--is-ancestor", base, "HEAD"], &[], &[])?;
    if !ancestor.status.success() {
        bail!("HEAD of {} is not on top of the base; rebase it onto {base}", dir.display());
    }
    let range = format!("{base}..HEAD");
    let merges = git.run(["rev-list", "--merges", &range])?;
    if !merges.is_empty() {
        bail!("{} has merges on top of the base; a series is a line of commits", dir.display());
    }
    let new = tempfile::tempdir().context("making a directory for the patches")?;
    let place = new.path().to_string_lossy().into_owned();
    git.run(FORMAT.iter().copied().chain(["-o", &place, &range]))?;
    series::patch_files(new.path())?
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            Ok(Patch { name, content })
        })
        .collect()
}

fn write_changed(path: &Path, content: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|have| have == content) {
        return Ok(false);
    }
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests;
