//! A kernel source tree that is ours: a git repository with one commit for the base, and the series
//! as commits on top. Patches are applied to an index, never to the files, so that moving the files
//! from one state to another touches only those that differ, and `make` stays incremental.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::git::Git;
use super::key::Digester;
use super::patch;
use super::series::Series;
use harness_host::ui::Progress;

/// Where the commits of applied series are kept, by digest.
const APPLIED: &str = "refs/series";

/// The tree below one source's directory of the cache. The caller holds the source's lock.
#[derive(Clone, Debug)]
pub struct Tree {
    home: PathBuf,
}

impl Tree {
    /// The tree below `home`, empty and without any commit if it is not there yet.
    pub fn open(home: &Path) -> Result<Self> {
        let tree = Self { home: home.to_owned() };
        if !tree.files().join(".git").exists() {
            let new = tree.vacant("tree.new")?;
            fs::create_dir(&new).with_context(|| format!("making {}", new.display()))?;
            init(&new)?;
            fs::rename(&new, tree.files()).context("renaming the new source tree")?;
        }
        tree.unlock()?;
        Ok(tree)
    }

    /// The tree below `home`, made of the files that `unpack` writes to the directory that it makes
    /// if it is not there yet, and its base commit.
    pub fn of_base(
        home: &Path,
        unpack: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(Self, String)> {
        let tree = Self { home: home.to_owned() };
        if !tree.files().join(".git").exists() {
            let new = tree.vacant("tree.new")?;
            unpack(&new)?;
            init(&new)?;
            let progress = Progress::spinner("making a git repository of the source");
            let git = Git::at(&new);
            // Forced: the kernel has files that its own .gitignore covers.
            git.run(["add", "--all", "--force", "."])?;
            let base = commit_index(&git)?;
            git.run(["update-ref", "refs/heads/base", &base])?;
            git.run(["update-ref", "--no-deref", "HEAD", &base])?;
            // The files count from here on: let none of them be lost with the host's power.
            nix::unistd::syncfs(fs::File::open(&new)?).context("writing the source tree out")?;
            fs::rename(&new, tree.files()).context("renaming the new source tree")?;
            progress.finish();
        }
        tree.unlock()?;
        let base = tree.git().run(["rev-parse", "--verify", "refs/heads/base^{commit}"])?;
        Ok((tree, base))
    }

    /// A base commit of the present files of `dir`, which is only read: neither a repository there
    /// nor its index is touched.
    pub fn import(&self, dir: &Path) -> Result<String> {
        let index = self.home.join("import.index");
        let git = Git::at(dir).for_files_of(&self.files().join(".git"), dir).with_index(&index);
        let progress = Progress::spinner(format!("copying the source of {}", dir.display()));
        git.run(["add", "--all", "--force", "."])
            .with_context(|| format!("copying the source of {}", dir.display()))?;
        let base = commit_index(&git)?;
        progress.finish();
        self.git().run(["update-ref", "refs/heads/base", &base])?;
        Ok(base)
    }

    /// The work tree, `make`'s source directory.
    pub fn files(&self) -> PathBuf {
        self.home.join("tree")
    }

    /// Commands in the work tree.
    pub fn git(&self) -> Git {
        Git::at(&self.files())
    }

    /// A path below the tree's home where nothing is.
    fn vacant(&self, name: &str) -> Result<PathBuf> {
        let dir = self.home.join(name);
        if dir.exists() {
            // A process that was killed left it.
            fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
        }
        Ok(dir)
    }

    /// Removes the lock that a killed git left. The source's own lock keeps others out.
    fn unlock(&self) -> Result<()> {
        for lock in [self.files().join(".git/index.lock"), self.home.join("import.index.lock")] {
            match fs::remove_file(&lock) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("removing {}", lock.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The commit of `series` on top of the commit `base`. Patches that were applied before are not
    /// applied again.
    ///
    /// # Errors
    ///
    /// [`patch::DoesNotApply`] for the first patch that does not.
    pub fn apply(&self, base: &str, series: &Series) -> Result<String> {
        let names: Vec<_> = (0..=series.patches.len()).map(|n| applied(base, series, n)).collect();
        let known =
            self.git().run(["for-each-ref", "--format=%(refname) %(objectname)", APPLIED])?;
        let find =
            |name: &str| known.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let start = (1..names.len()).rev().find_map(|n| Some((n, find(&names[n])?.to_owned())));
        let (done, mut commit) = start.unwrap_or((0, base.to_owned()));
        if done == series.patches.len() {
            return Ok(commit);
        }
        let (scratch, git) = self.scratch_index(&commit)?;
        for (patch, name) in series.patches.iter().zip(&names[1..]).skip(done) {
            commit = patch::commit(&git, &commit, patch, &scratch)?;
            git.run(["update-ref", name, &commit])?;
        }
        fs::remove_dir_all(&scratch)?;
        Ok(commit)
    }

    /// A directory for intermediate files, and git with an index of its own there that holds
    /// `commit`.
    fn scratch_index(&self, commit: &str) -> Result<(PathBuf, Git)> {
        let scratch = self.vacant("scratch")?;
        fs::create_dir(&scratch).with_context(|| format!("making {}", scratch.display()))?;
        let index = scratch.join("index");
        let git = self.git().with_index(&index);
        // Most of the 96,000 entries are those of the files as they are now. -i: what the files are
        // like does not matter.
        match fs::copy(self.files().join(".git/index"), &index) {
            Ok(_) => git.run(["read-tree", "-m", "-i", commit])?,
            Err(_) => git.run(["read-tree", commit])?,
        };
        Ok((scratch, git))
    }

    /// Writes a diff anew as one against `commit`, merging where the context has changed; `None`
    /// where that does not manage. Empty when `commit` holds the change already.
    pub fn renew(&self, commit: &str, diff: &str) -> Result<Option<String>> {
        let (scratch, git) = self.scratch_index(commit)?;
        let merge = ["apply", "--cached", "--3way", "--whitespace=nowarn", "-"];
        let merged = git.output(merge, diff.as_bytes(), &[])?.status.success();
        let new = if merged {
            let tree = git.run(["write-tree"])?;
            let mut new = git.run(["diff-tree", "-p", "--full-index", commit, &tree])?;
            if !new.is_empty() {
                new.push('\n');
            }
            Some(new)
        } else {
            None
        };
        fs::remove_dir_all(&scratch)?;
        Ok(new)
    }

    /// Brings the files to `commit`. Only those that differ are written; whatever else was changed
    /// in the tree is undone.
    pub fn checkout(&self, commit: &str) -> Result<()> {
        // Left by a process that was stopped half-way: there may be files that no commit knows.
        let moving = self.home.join("moving");
        let interrupted = moving.exists();
        fs::write(&moving, commit)?;
        self.git()
            .run(["checkout", "--quiet", "--force", "--detach", commit])
            .context("bringing the source tree to the series")?;
        if interrupted {
            self.git().run(["clean", "-ffdxq"])?;
        }
        fs::remove_file(&moving)?;
        Ok(())
    }
}

/// The ref that remembers the first `count` patches on `base`.
fn applied(base: &str, series: &Series, count: usize) -> String {
    let mut digester = Digester::new("applied");
    digester.field("base", base);
    for patch in &series.patches[..count] {
        digester.field("patch", &patch.content);
    }
    format!("{APPLIED}/{}", digester.finish())
}

fn init(dir: &Path) -> Result<()> {
    // No templates: they may bring hooks. The settings are for the user's own git in the work trees
    // of `patches checkout`; what runs here brings its own.
    Git::at(dir).run(["init", "--quiet", "--template=", "--initial-branch=unborn", "."])?;
    for (name, value) in [
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("core.autocrlf", "false"),
        ("core.untrackedCache", "true"),
    ] {
        Git::at(dir).run(["config", name, value])?;
    }
    Ok(())
}

/// Commits what the index holds, without a parent.
fn commit_index(git: &Git) -> Result<String> {
    let tree = git.run(["write-tree"])?;
    git.run_with(["commit-tree", &tree], b"The kernel as it was released.\n", &[])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::series::Patch;
    use super::super::testing::{diff, series_of};
    use super::*;

    fn tree(home: &Path) -> (Tree, String) {
        Tree::of_base(home, |dir| {
            fs::create_dir_all(dir.join("kernel"))?;
            fs::write(dir.join("kernel/a.c"), "one\ntwo\nthree\n")?;
            fs::write(dir.join("kernel/b.c"), "b\n")?;
            // Ignored by the tree's own rules, and part of it all the same.
            fs::write(dir.join(".gitignore"), "*.o\n")?;
            fs::write(dir.join("kernel/blob.o"), "o\n")?;
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn only_files_that_differ_in_the_end_are_touched() {
        let home = tempfile::tempdir().unwrap();
        let (tree, base) = tree(home.path());
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let old = series_of(&[
            ("a", &diff("kernel/a.c", "one\ntwo\nthree\n", "ONE\ntwo\nthree\n")),
            ("b", &diff("kernel/b.c", "b\n", "B\n")),
        ]);
        tree.checkout(&tree.apply(&base, &old).unwrap()).unwrap();
        let read = |name: &str| fs::read_to_string(tree.files().join(name)).unwrap();
        assert_eq!(
            (read("kernel/a.c").as_str(), read("kernel/b.c").as_str()),
            ("ONE\ntwo\nthree\n", "B\n")
        );
        for name in ["kernel/a.c", "kernel/b.c", "kernel/blob.o"] {
            let file = fs::File::options().write(true).open(tree.files().join(name)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        tree.git().run(["update-index", "-q", "--refresh"]).unwrap();

        let mut new = old.clone();
        new.patches[0] =
            series_of(&[("a", &diff("kernel/a.c", "one\ntwo\nthree\n", "EIN\ntwo\nthree\n"))])
                .patches
                .remove(0);
        tree.checkout(&tree.apply(&base, &new).unwrap()).unwrap();
        assert_eq!(read("kernel/a.c"), "EIN\ntwo\nthree\n");
        let touched = |name: &str| {
            fs::metadata(tree.files().join(name)).unwrap().modified().unwrap() != long_ago
        };
        assert!(touched("kernel/a.c"));
        assert!(!touched("kernel/b.c") && !touched("kernel/blob.o"));
    }

    #[test]
    fn a_file_changed_by_hand_stands_in_no_patchs_way() {
        let home = tempfile::tempdir().unwrap();
        let (tree, base) = tree(home.path());
        let a = diff("kernel/a.c", "one\ntwo\nthree\n", "ONE\ntwo\nthree\n");
        let applied = tree.apply(&base, &series_of(&[("a", &a)])).unwrap();
        tree.checkout(&applied).unwrap();
        fs::write(tree.files().join("kernel/a.c"), "by hand").unwrap();
        let b = diff("kernel/b.c", "b\n", "B\n");
        tree.checkout(&tree.apply(&base, &series_of(&[("b", &b)])).unwrap()).unwrap();
        assert_eq!(fs::read(tree.files().join("kernel/a.c")).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(fs::read(tree.files().join("kernel/b.c")).unwrap(), b"B\n");
    }

    #[test]
    fn the_same_series_gives_the_same_commit_anywhere() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let series = series_of(&[("b", &diff("kernel/b.c", "b\n", "B\n"))]);
        let commit = |home: &Path| {
            let (tree, base) = tree(home);
            tree.apply(&base, &series).unwrap()
        };
        assert_eq!(commit(one.path()), commit(two.path()));
    }

    #[test]
    fn a_patch_that_does_not_apply_is_named_with_file_and_hunk() {
        let home = tempfile::tempdir().unwrap();
        let (tree, base) = tree(home.path());
        let good = diff("kernel/b.c", "b\n", "B\n");
        let bad = diff("kernel/a.c", "one\nzwei\nthree\n", "one\nthree\n");
        let series = series_of(&[("good", &good), ("bad", &bad)]);
        let error = tree.apply(&base, &series).unwrap_err();
        let error: &patch::DoesNotApply = error.downcast_ref().unwrap();
        assert_eq!(error.patch, "0002-bad.patch");
        assert_eq!(error.failures[0].file, "kernel/a.c");
        assert!(error.failures[0].hunk.as_ref().unwrap().1.starts_with("@@ -1,3"), "{error}");
        // The first patch was remembered, the second was not.
        let refs = tree.git().run(["for-each-ref", APPLIED]).unwrap();
        assert_eq!(refs.lines().count(), 1);
    }

    #[test]
    fn a_diff_is_renewed_where_merging_manages() {
        let home = tempfile::tempdir().unwrap();
        let (tree, base) = tree(home.path());
        let fault = diff("kernel/a.c", "one\ntwo\nthree\n", "one\ntwo\nTHREE\n");
        let fault = tree.renew(&base, &fault).unwrap().unwrap();
        assert!(fault.contains("\n-three\n+THREE\n"), "{fault}");
        assert_eq!(tree.renew(&base, &fault).unwrap().unwrap(), fault);

        let on = |new: &str| {
            let patch = diff("kernel/a.c", "one\ntwo\nthree\n", new);
            tree.apply(&base, &series_of(&[("p", &patch)])).unwrap()
        };
        // The first line changed: not what the context says, and merged.
        let first = on("ONE\ntwo\nthree\n");
        let moved = tree.renew(&first, &fault).unwrap().unwrap();
        assert!(moved.contains(" ONE\n") && moved.contains("+THREE\n"), "{moved}");
        assert_eq!(tree.renew(&on("one\ntwo\ndrei\n"), &fault).unwrap(), None);
        assert_eq!(tree.renew(&on("one\ntwo\nTHREE\n"), &fault).unwrap().unwrap(), "");
    }

    #[test]
    fn what_an_interrupted_move_left_is_undone() {
        let home = tempfile::tempdir().unwrap();
        let (tree, base) = tree(home.path());
        fs::write(tree.files().join("kernel/a.c"), "half").unwrap();
        fs::write(tree.files().join("kernel/new.c"), "of another commit").unwrap();
        fs::write(tree.home.join("moving"), "x").unwrap();
        fs::write(tree.files().join(".git/index.lock"), "").unwrap();
        let tree = Tree::open(home.path()).unwrap();
        tree.checkout(&base).unwrap();
        assert_eq!(fs::read(tree.files().join("kernel/a.c")).unwrap(), b"one\ntwo\nthree\n");
        assert!(!tree.files().join("kernel/new.c").exists());
        assert!(tree.files().join("kernel/blob.o").exists());
    }

    #[test]
    fn a_failed_unpacking_is_no_tree() {
        let home = tempfile::tempdir().unwrap();
        let error = Tree::of_base(home.path(), |dir| {
            fs::create_dir(dir)?;
            fs::write(dir.join("half"), "")?;
            anyhow::bail!("no space left")
        });
        assert!(error.is_err());
        assert!(!home.path().join("tree").exists());
        let (tree, _) = tree(home.path());
        assert!(!tree.files().join("half").exists());
    }

    #[test]
    fn messages_and_authors_survive() {
        let home = tempfile::tempdir().unwrap();
        let (tree, base) = tree(home.path());
        let patch = Patch {
            name: "0001-x.patch".into(),
            content: format!(
                "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n\
                 From: Jörg <j@example.org>\nDate: Tue, 3 Mar 2026 10:00:00 +0200\n\
                 Subject: [PATCH] [tag] bpf: do\nContent-Type: text/plain; charset=UTF-8\n\
                 Content-Transfer-Encoding: 8bit\n\nWhy.\n\n  diff --git a/x b/x\n\n\
                 Signed-off-by: Jörg <j@example.org>\n---\n stat\n\n{}-- \n2.1\n",
                diff("kernel/b.c", "b\n", "B\n")
            )
            .into_bytes(),
        };
        let commit = tree.apply(&base, &Series { patches: vec![patch] }).unwrap();
        let text = tree.git().run(["log", "-1", "--format=%an|%aI|%B", &commit]).unwrap();
        assert_eq!(
            text.trim(),
            "Jörg|2026-03-03T10:00:00+02:00|[tag] bpf: do\n\nWhy.\n\n  diff --git a/x b/x\n\n\
             Signed-off-by: Jörg <j@example.org>"
        );
    }
}
