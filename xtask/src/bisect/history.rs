//! The commits between two ends, in a repository of our own that borrows the objects of another one:
//! nothing of the user's repository is written, and its work tree stays where it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use harness_host::exit::Stop;
use harness_kernel::git::Git;

/// A repository below the cache with the history of another one.
#[derive(Clone, Debug)]
pub(crate) struct History {
    dir: PathBuf,
}

impl History {
    /// The repository at `dir`, made if it is not there yet, with the objects of `origin`.
    ///
    /// # Errors
    ///
    /// When `origin` is not a git repository ([`Stop::Usage`]), or `dir` cannot be written.
    pub(crate) fn open(dir: &Path, origin: &Path) -> Result<Self> {
        let history = Self { dir: dir.to_owned() };
        let path = |name: &str| -> Result<PathBuf> {
            let path = Git::at(origin).run(["rev-parse", "--git-path", name]).map_err(|_| {
                Stop::Usage(format!("{} is not a git repository", origin.display()))
            })?;
            Ok(origin.join(path))
        };
        let objects = path("objects")?.canonicalize().context("looking for the objects")?;
        if !dir.join(".git").exists() {
            fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
            // An unborn branch of a name that no commit of the history can be mistaken for.
            history.git().run([
                "init",
                "--quiet",
                "--template=",
                "--initial-branch=unborn",
                ".",
            ])?;
        }
        let info = dir.join(".git/objects/info");
        fs::create_dir_all(&info).with_context(|| format!("making {}", info.display()))?;
        fs::write(info.join("alternates"), format!("{}\n", objects.display()))
            .context("borrowing the objects")?;
        let shallow = path("shallow")?;
        if shallow.exists() {
            fs::copy(&shallow, dir.join(".git/shallow")).context("copying where history ends")?;
        }
        Ok(history)
    }

    /// Where files are checked out.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn git(&self) -> Git {
        Git::at(&self.dir)
    }

    /// Brings the files to a commit; only those that differ are touched.
    pub(crate) fn checkout(&self, commit: &str) -> Result<()> {
        let lock = self.dir.join(".git/index.lock");
        if lock.exists() {
            // Of a checkout that was killed: the caller holds this repository's lock.
            fs::remove_file(&lock).with_context(|| format!("removing {}", lock.display()))?;
        }
        self.git().run(["checkout", "--quiet", "--force", "--detach", commit])?;
        self.git().run(["clean", "--quiet", "--force", "-d", "-x"])?;
        Ok(())
    }

    /// Hash, cut to twelve digits, and subject of a commit.
    pub(crate) fn describe(&self, commit: &str) -> Result<String> {
        self.git().run([
            "log",
            "-1",
            "--no-show-signature",
            "--abbrev=12",
            "--format=%h %s",
            commit,
        ])
    }

    /// Hash, author, date and subject of a commit, as the report's last lines have it.
    pub(crate) fn details(&self, commit: &str) -> Result<String> {
        self.git().run([
            "log",
            "-1",
            "--no-show-signature",
            "--date=short",
            "--format=%H%n  %s%n  %an, %ad",
            commit,
        ])
    }

    /// Commits of `new` that are not in `old`, the latest first.
    ///
    /// # Errors
    ///
    /// [`Stop::Usage`] when `old` is not an ancestor of `new`.
    pub(crate) fn between(&self, old: &str, new: &str) -> Result<Vec<String>> {
        let ancestor =
            self.git().output(["merge-base", "--is-ancestor", old, new], &[], &[])?.status;
        match ancestor.code() {
            Some(0) => {}
            Some(1) => {
                return Err(Stop::Usage(format!(
                    "{} is not an ancestor of {}: there is no straight way from one to the other",
                    self.describe(old)?,
                    self.describe(new)?
                ))
                .into());
            }
            _ => bail!("git cannot compare {old} and {new}"),
        }
        let range = format!("{old}..{new}");
        Ok(self.git().run(["rev-list", &range])?.lines().map(str::to_owned).collect())
    }
}

/// The commit that a revision names in the user's repository.
///
/// # Errors
///
/// [`Stop::Usage`] when it names none.
pub(crate) fn resolve(dir: &Path, revision: &str) -> Result<String> {
    let output = Git::at(dir).output(
        ["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")],
        &[],
        &[],
    )?;
    if !output.status.success() {
        return Err(Stop::Usage(format!(
            "{revision} names no commit of {}; `git -C {} log` lists them",
            dir.display(),
            dir.display()
        ))
        .into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
