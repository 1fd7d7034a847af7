//! Runs git so that nothing of the user's git set-up reaches the cache's repositories: no global
//! configuration, hooks, signing, ignore or attribute files, and no `GIT_*` variables.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use harness_host::exit::Stop;
use harness_host::interrupt;

/// Settings that hold forevery command.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.fileMode=true",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "advice.detachedHead=false",
    "gc.auto=0",
    "maintenance.auto=false",
    // The tree is 96,000 files: the cheapest compression, no fsync each (the importer syncs once).
    "core.looseCompression=1",
    "core.fsync=none",
    "core.untrackedCache=true",
    "index.threads=true",
];

/// Who the commits of the cache are by, and when: always the same, so that their hashes are.
const IDENTITY: &[(&str, &str)] = &[
    ("GIT_AUTHOR_NAME", "bpf-indirect"),
    ("GIT_AUTHOR_EMAIL", "bpf-indirect@localhost"),
    ("GIT_AUTHOR_DATE", "@0 +0000"),
    ("GIT_COMMITTER_NAME", "bpf-indirect"),
    ("GIT_COMMITTER_EMAIL", "bpf-indirect@localhost"),
    ("GIT_COMMITTER_DATE", "@0 +0000"),
];

/// A repository, or a work tree of one, and how commands see it.
#[derive(Clone, Debug)]
pub struct Git {
    dir: PathBuf,
    variables: Vec<(String, PathBuf)>,
}

impl Git {
    /// Commands run in `dir`, and find the repository from there.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), variables: Vec::new() }
    }

    /// The same with another index file, so that the work tree's own stays untouched.
    pub fn with_index(mut self, index: &Path) -> Self {
        self.variables.push(("GIT_INDEX_FILE".into(), index.to_owned()));
        self
    }

    /// The same for the files of another directory, which is only read.
    pub fn for_files_of(mut self, repository: &Path, files: &Path) -> Self {
        self.variables.push(("GIT_DIR".into(), repository.to_owned()));
        self.variables.push(("GIT_WORK_TREE".into(), files.to_owned()));
        files.clone_into(&mut self.dir);
        self
    }

    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.dir).envs(IDENTITY.iter().copied()).envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            // Reading somebody's tree must not refresh its index.
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
        ]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command.args(args);
        command
    }

    /// Runs git to its end and gives status and both outputs; `input` becomes standard input, and
    /// `variables` are set for this command alone.
    ///
    /// # Errors
    ///
    /// When git cannot be run at all ([`Stop::HostLacks`] when there is none).
    pub fn output<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
        variables: &[(&str, &str)],
    ) -> Result<Output> {
        interrupt::check()?;
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        interrupt::output(&mut command, input).map_err(|error| {
            match error.downcast_ref().map(std::io::Error::kind) {
                Some(std::io::ErrorKind::NotFound) if self.dir.is_dir() => Stop::HostLacks(
                    "git is not installed; `cargo xtask doctor` says how to get it".into(),
                )
                .into(),
                _ => error.context(format!("running git in {}", self.dir.display())),
            }
        })
    }

    /// Runs git, which must succeed, and gives its output without the last line end.
    ///
    /// # Errors
    ///
    /// When it fails; the message has the command and what git said.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S> + Clone,
    ) -> Result<String> {
        self.run_with(args, &[], &[])
    }

    /// [`Git::run`] with standard input and variables.
    pub fn run_with<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S> + Clone,
        input: &[u8],
        variables: &[(&str, &str)],
    ) -> Result<String> {
        let output = self.output(args.clone(), input, variables)?;
        if !output.status.success() {
            let words: Vec<_> =
                args.into_iter().map(|word| word.as_ref().to_string_lossy().into_owned()).collect();
            bail!(
                "`git {}` in {} failed: {}",
                words.join(" "),
                self.dir.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let mut text = String::from_utf8(output.stdout).context("git's output is not UTF-8")?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(text)
    }
}
