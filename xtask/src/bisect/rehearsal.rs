//! A rehearsal: a tree is made whose commits are known, and bisected as a user's would be.

use anyhow::{Context, Result};

use super::history::History;
use crate::mutants::mutant::{self, Mutant};
use harness_host::exit::Stop;
use harness_host::paths;
use harness_kernel::build::BaseTree;
use harness_kernel::git::Git;
use harness_kernel::patch;
use harness_kernel::series::Series;

/// The commits on top of the series.
const COMMITS: usize = 18;
/// From this one on the kernel does not build, and from the other one on it does again. A bisection
/// of 18 commits looks at the ninth first.
const BROKEN: std::ops::Range<usize> = 8..10;
/// The one that breaks a case.
const FAULT: usize = 12;
/// What it does: a mutant that these cases notice.
const MUTANT: &str = "interp-takes-original-offsets";
/// What the other commits change, so that there is something to compile.
const TOUCHED: &str = "kernel/bpf/tnum.c";

/// A tree to bisect, and what must be found in it.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    /// The repository, its files checked out at the last commit.
    pub(crate) history: History,
    /// The old end: the series as it is.
    pub(crate) good: String,
    /// The new end.
    pub(crate) bad: String,
    /// The commit to be found.
    pub(crate) fault: String,
    /// Filters of the cases that it breaks.
    pub(crate) filters: Vec<String>,
}

/// Makes the tree in the cache, from the series of `base`.
///
/// # Errors
///
/// When the base has no such mutant, or the cache cannot be written.
pub(crate) fn make(base: &str) -> Result<Rehearsal> {
    let tree = BaseTree::open(base)?;
    let series = Series::load(&tree.series_dir)?;
    let good = tree.tree.apply(&tree.base, &series)?;
    let name = tree.series_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mutants = mutant::load(&mutant::folder(&name))?;
    let mutant = mutants
        .into_iter()
        .find(|mutant| mutant.name == MUTANT)
        .with_context(|| format!("the rehearsal needs the mutant {MUTANT}"))?;
    let history = History::open(&paths::cache()?.join("bisect/rehearsal"), &tree.tree.files())?;
    let commits = commits(&history, &good, &mutant)?;
    let bad = commits.last().cloned().context("no commits")?;
    history.checkout(&bad)?;
    Ok(Rehearsal { fault: commits[FAULT - 1].clone(), history, good, bad, filters: mutant.cases })
}

/// The commits on top of `parent`, the first first.
fn commits(history: &History, parent: &str, mutant: &Mutant) -> Result<Vec<String>> {
    let scratch = tempfile::tempdir().context("making a directory for intermediate files")?;
    let git = history.git().with_index(&scratch.path().join("index"));
    git.run(["read-tree", parent])?;
    let source = git.run(["show", &format!("{parent}:{TOUCHED}")])?;
    let mut parent = parent.to_owned();
    let mut commits = Vec::new();
    for number in 1..=COMMITS {
        parent = if number == FAULT {
            patch::commit(&git, &parent, &mutant.patch(), scratch.path())?
        } else {
            let mut text = format!("{source}\n/* rehearsal {number} */\n");
            if BROKEN.contains(&number) {
                text += "#error \"the rehearsal's commits that do not build\"\n";
            }
            commit(&git, &parent, &text, number)?
        };
        commits.push(parent.clone());
    }
    Ok(commits)
}

fn commit(git: &Git, parent: &str, text: &str, number: usize) -> Result<String> {
    let blob = git.run_with(["hash-object", "-w", "--stdin"], text.as_bytes(), &[])?;
    git.run(["update-index", "--cacheinfo", &format!("100644,{blob},{TOUCHED}")])?;
    let tree = git.run(["write-tree"])?;
    let message = format!("bpf: Rehearsal, commit {number}\n");
    git.run_with(["commit-tree", &tree, "-p", parent], message.as_bytes(), &[])
}

impl Rehearsal {
    /// Checks what a bisection has found.
    ///
    /// # Errors
    ///
    /// [`Stop::CaseFailed`] when it is not the commit that breaks the cases.
    pub(crate) fn check(&self, found: &[&str]) -> Result<()> {
        if found == [self.fault.as_str()] {
            return Ok(());
        }
        Err(Stop::CaseFailed(format!(
            "the bisection found {}, the commit that breaks the cases is {}",
            found.join(" or "),
            self.fault
        ))
        .into())
    }
}
