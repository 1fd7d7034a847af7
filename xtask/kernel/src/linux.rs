//! The user's own kernel tree: whether it can be built out of tree, and what identifies its state.
//! It is only ever read.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cache::Cache;
use super::config::affects;
use super::git::Git;
use super::key::Digester;
use super::source::digest::Sha256Sum;
use harness_host::exit::Stop;
use harness_host::files::write_whole;

/// A kernel tree of the user's.
#[derive(Clone, Debug)]
pub struct LinuxTree {
    dir: PathBuf,
}

/// The absolute path of a kernel's source, which may hold objects and be at any path.
///
/// # Errors
///
/// [`Stop::Usage`] when there is no kernel.
pub fn source(dir: &Path) -> Result<PathBuf, Stop> {
    let usage = |text: &str| Stop::Usage(format!("--linux {}: {text}", dir.display()));
    let dir = dir.canonicalize().map_err(|_| usage("no such directory"))?;
    if !dir.join("Makefile").is_file() || !dir.join("scripts/kconfig").is_dir() {
        return Err(usage("not a kernel tree"));
    }
    Ok(dir)
}

/// A name in the cache for what belongs to the tree at this absolute path.
pub fn name_of(dir: &Path) -> String {
    let mut digester = Digester::new("linux");
    digester.field("dir", dir.as_os_str().as_bytes());
    format!("linux-{}", &digester.finish()[..12])
}

/// What identifies a tree's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of all files.
    pub all: String,
    /// Of those that Kconfig reads.
    pub kconfig: String,
}

impl LinuxTree {
    /// The tree at `dir`.
    ///
    /// # Errors
    ///
    /// [`Stop::Usage`] when there is no kernel, when its path cannot be built, or when it holds
    /// objects of a build in the tree itself.
    pub fn open(dir: &Path) -> Result<Self> {
        let usage =
            |text: String| Err(Stop::Usage(format!("--linux {}: {text}", dir.display())).into());
        let dir = source(dir)?;
        if dir.to_string_lossy().contains(|c: char| c.is_whitespace() || c == ':') {
            return usage("the kernel cannot be built at a path with blanks or colons".into());
        }
        // The same three that the kernel's Makefile looks for (target outputmakefile).
        let built = [".config", "include/config", "arch/x86/include/generated"];
        if let Some(found) = built.iter().find(|name| dir.join(name).exists()) {
            return usage(format!(
                "the tree holds what a build in the tree left ({found}); run `make mrproper` there"
            ));
        }
        Ok(Self { dir })
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A name for this tree's directory in the cache.
    pub fn name(&self) -> String {
        name_of(&self.dir)
    }

    /// Identifies what the tree contains now. In a git tree: HEAD's tree, what differs from it, and
    /// the files that git does not know. Else every file's content, read again only when some
    /// file's size or time has changed.
    pub fn fingerprint(&self, cache: &Cache) -> Result<Fingerprint> {
        let git = Git::at(&self.dir);
        let top = git.output(["rev-parse", "--show-toplevel"], &[], &[])?;
        let top = PathBuf::from(String::from_utf8_lossy(&top.stdout).trim_end());
        let is_top = top.canonicalize().is_ok_and(|top| top == self.dir);
        let head = git.output(["rev-parse", "--verify", "-q", "HEAD^{tree}"], &[], &[])?;
        let state = if is_top && head.status.success() {
            self.git_state(&git)
        } else {
            self.walked_state(cache)
        };
        state.with_context(|| format!("looking at the source in {}", self.dir.display()))
    }

    fn git_state(&self, git: &Git) -> Result<Fingerprint> {
        let mut all = Digester::new("git tree");
        all.field("head", git.run(["rev-parse", "HEAD^{tree}"])?);
        let mut kconfig = Digester::new("git tree");
        for line in git.run(["ls-tree", "-r", "-z", "HEAD"])?.split('\0') {
            if line.split_once('\t').is_some_and(|(_, file)| affects(file)) {
                kconfig.field("blob", line);
            }
        }
        // Submodules and renames do not occur in the kernel; binary content must count.
        let changed = git.run(["diff", "HEAD", "--name-only", "--no-renames", "-z"])?;
        let unknown =
            git.run(["ls-files", "--others", "--exclude-per-directory=.gitignore", "-z"])?;
        let mut files: Vec<&str> = changed.split('\0').chain(unknown.split('\0')).collect();
        files.sort_unstable();
        files.dedup();
        for file in files.into_iter().filter(|file| !file.is_empty()) {
            let content = content(&self.dir.join(file))?;
            all.field(file, &content);
            if affects(file) {
                kconfig.field(file, &content);
            }
        }
        Ok(Fingerprint { all: all.finish(), kconfig: kconfig.finish() })
    }

    fn walked_state(&self, cache: &Cache) -> Result<Fingerprint> {
        let mut files = Vec::new();
        walk(&self.dir, &mut files)?;
        files.sort();
        let mut times = Digester::new("times");
        for file in &files {
            let data = fs::symlink_metadata(file)?;
            let numbers = [data.size(), data.ino(), u64::from(data.mode())];
            times.field("file", file.as_os_str().as_bytes());
            for number in numbers {
                times.field("number", number.to_le_bytes());
            }
            for time in [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()] {
                times.field("time", time.to_le_bytes());
            }
        }
        let times = times.finish();
        let note = cache.source(&self.name())?.join("fingerprint");
        let text = fs::read_to_string(&note).unwrap_or_default();
        if let [seen, all, kconfig] = text.split_whitespace().collect::<Vec<_>>()[..]
            && seen == times
        {
            return Ok(Fingerprint { all: all.to_owned(), kconfig: kconfig.to_owned() });
        }
        let mut all = Digester::new("walked tree");
        let mut kconfig = Digester::new("walked tree");
        for path in &files {
            let file = path.strip_prefix(&self.dir)?.to_string_lossy();
            let content = content(path)?;
            all.field(&file, &content);
            if affects(&file) {
                kconfig.field(&file, &content);
            }
        }
        let fingerprint = Fingerprint { all: all.finish(), kconfig: kconfig.finish() };
        write_whole(
            &note,
            format!("{times} {} {}\n", fingerprint.all, fingerprint.kconfig).as_bytes(),
        )?;
        Ok(fingerprint)
    }
}

/// A digest of what a path is: mode and content of a file, target of a link, or nothing there.
fn content(path: &Path) -> Result<String> {
    let Ok(data) = fs::symlink_metadata(path) else { return Ok("removed".into()) };
    if data.is_symlink() {
        return Ok(format!("link {}", fs::read_link(path)?.display()));
    }
    if data.is_dir() {
        return Ok("directory".into());
    }
    let digest =
        Sha256Sum::of_file(path, |_| {}).with_context(|| format!("reading {}", path.display()))?;
    Ok(format!("{:o} {digest}", data.mode() & 0o111))
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if entry.file_name() != ".git" {
                walk(&entry.path(), files)?;
            }
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::testing::fake_kernel;
    use super::*;

    fn prints(in_git: bool) {
        let dir = tempfile::tempdir().unwrap();
        let kernel = dir.path().join("linux");
        fake_kernel(&kernel);
        if in_git {
            for args in [
                &["init", "-q"][..],
                &["add", "-A"],
                &["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"],
            ] {
                assert!(
                    Command::new("git").current_dir(&kernel).args(args).status().unwrap().success()
                );
            }
        }
        let cache = Cache::open(&dir.path().join("cache")).unwrap();
        let tree = LinuxTree::open(&kernel).unwrap();
        let fingerprint = || tree.fingerprint(&cache).unwrap();
        let first = fingerprint();
        assert_eq!(first, fingerprint());

        fs::write(kernel.join("kernel/core.c"), "changed\n").unwrap();
        let changed = fingerprint();
        assert_ne!(changed.all, first.all);
        assert_eq!(changed.kconfig, first.kconfig);

        fs::write(kernel.join("kernel/new.c"), "new\n").unwrap();
        let added = fingerprint();
        assert_ne!(added.all, changed.all);

        fs::write(kernel.join("Kconfig"), "config X\n").unwrap();
        assert_ne!(fingerprint().kconfig, added.kconfig);
    }

    #[test]
    fn a_git_tree_is_known_by_head_and_what_differs() {
        prints(true);
    }

    #[test]
    fn another_tree_is_known_by_its_files() {
        prints(false);
    }

    #[test]
    fn a_tree_with_objects_needs_mrproper() {
        let dir = tempfile::tempdir().unwrap();
        fake_kernel(dir.path());
        assert!(LinuxTree::open(dir.path()).is_ok());
        fs::write(dir.path().join(".config"), "").unwrap();
        let error = LinuxTree::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("make mrproper"), "{error}");
    }

    #[test]
    fn a_directory_without_a_kernel_is_wrong_usage() {
        let dir = tempfile::tempdir().unwrap();
        let error = LinuxTree::open(dir.path()).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Stop::Usage(_))));
    }
}
