//! Which commit to look at next: `git bisect` decides, which knows about merges and about commits
//! that cannot be judged.

use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use regex::Regex;

use super::history::History;

/// On which side of the change a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// As the old end.
    Old,
    /// As the new end.
    New,
    /// It cannot be said.
    Unknown,
}

/// What a search ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The first commit that is as the new end.
    First(String),
    /// One of these: the others could not be judged.
    OneOf(Vec<String>),
}

/// How much is left, by git's estimate, when a commit is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Commits that may still be the one.
    pub(crate) commits: usize,
    /// Steps, this one counted.
    pub(crate) steps: usize,
}

/// Looks for the first commit that is as `new`. Both ends are known.
///
/// # Errors
///
/// Those of `judge`, which end the search, and of git.
pub(crate) fn search(
    history: &History,
    old: &str,
    new: &str,
    mut judge: impl FnMut(&str, Left) -> Result<Side>,
) -> Result<Found> {
    bisect(history, &["reset"])?;
    // git bisect wants a HEAD, and a new repository has none. The index stays as it is.
    history.git().run(["update-ref", "--no-deref", "HEAD", old])?;
    let mut said =
        bisect(history, &["start", "--no-checkout", "--term-old=old", "--term-new=new", new, old])?;
    loop {
        if let Some(found) = end(&said) {
            return Ok(found);
        }
        let commit = history
            .git()
            .run(["rev-parse", "--verify", "BISECT_HEAD"])
            .with_context(|| format!("git bisect said: {said}"))?;
        let word = match judge(&commit, left(&said))? {
            Side::Old => "old",
            Side::New => "new",
            Side::Unknown => "skip",
        };
        said = bisect(history, &[word, &commit])?;
    }
}

/// Runs `git bisect` and gives what it says. That only commits are left which cannot be judged makes
/// it fail with status 2, and is an answer all the same.
fn bisect(history: &History, args: &[&str]) -> Result<String> {
    let args = || std::iter::once("bisect").chain(args.iter().copied());
    let output = history.git().output(args(), &[], &[])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() || end(&said).is_some() {
        return Ok(said);
    }
    let words: Vec<_> = args().collect();
    bail!("`git {}` failed: {}", words.join(" "), said.trim());
}

fn hash(line: &str) -> Option<&str> {
    let word = line.split_whitespace().next()?;
    (word.len() >= 40 && word.bytes().all(|b| b.is_ascii_hexdigit())).then_some(word)
}

/// The end of the search, if git says so.
fn end(said: &str) -> Option<Found> {
    let first = said.lines().find(|line| line.ends_with(" is the first new commit"));
    if let Some(commit) = first.and_then(hash) {
        return Some(Found::First(commit.to_owned()));
    }
    let (_, list) = said.split_once("The first new commit could be any of:")?;
    Some(Found::OneOf(list.lines().filter_map(hash).map(str::to_owned).collect()))
}

/// `Bisecting: 7 revisions left to test after this (roughly 3 steps)`.
fn left(said: &str) -> Left {
    static LEFT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(\d+) revisions? left to test after this \(roughly (\d+) steps?\)").ok()
    });
    let numbers = LEFT.as_ref().and_then(|regex| regex.captures(said));
    let number = |at| {
        let text = numbers.as_ref()?.get(at)?.as_str();
        text.parse::<usize>().ok()
    };
    Left { commits: number(1).unwrap_or(0) + 1, steps: number(2).unwrap_or(0) + 1 }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use harness_kernel::git::Git;

    /// A repository with so many commits, and their hashes, the first first.
    fn repository(dir: &Path, count: usize) -> Vec<String> {
        let git = Git::at(dir);
        git.run(["init", "--quiet", "--template=", "."]).unwrap();
        (0..count)
            .map(|number| {
                fs::write(dir.join("file"), format!("{number}\n")).unwrap();
                git.run(["add", "file"]).unwrap();
                git.run(["commit", "--quiet", "-m", &format!("commit {number}")]).unwrap();
                git.run(["rev-parse", "HEAD"]).unwrap()
            })
            .collect()
    }

    /// Searches in twenty commits, with a side for each; gives the find and what was looked at.
    fn searched(side: impl Fn(usize) -> Side) -> (Found, Vec<usize>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let origin = dir.path().join("origin");
        fs::create_dir(&origin).unwrap();
        let commits = repository(&origin, 20);
        let history = History::open(&dir.path().join("cache/history"), &origin).unwrap();
        assert_eq!(history.between(&commits[0], &commits[19]).unwrap().len(), 19);
        let mut seen = Vec::new();
        let mut steps = usize::MAX;
        let found = search(&history, &commits[0], &commits[19], |commit, left| {
            let number = commits.iter().position(|known| known == commit).unwrap();
            seen.push(number);
            assert!(left.steps <= steps.saturating_add(1), "{left:?} after {steps}");
            steps = left.steps;
            history.checkout(commit).unwrap();
            let file = fs::read_to_string(history.dir().join("file")).unwrap();
            assert_eq!(file, format!("{number}\n"));
            Ok(side(number))
        })
        .unwrap();
        // The user's own files are where they were.
        assert_eq!(fs::read_to_string(origin.join("file")).unwrap(), "19\n");
        (found, seen, commits)
    }

    #[test]
    fn the_first_commit_is_found_wherever_it_is() {
        for first in 1..20 {
            let (found, seen, commits) =
                searched(|number| if number < first { Side::Old } else { Side::New });
            assert_eq!(found, Found::First(commits[first].clone()), "{first}");
            assert!(seen.len() <= 5, "{seen:?}");
        }
    }

    #[test]
    fn commits_that_cannot_be_judged_are_gone_round() {
        let (found, _, commits) = searched(|number| match number {
            9 | 10 | 14 => Side::Unknown,
            ..=12 => Side::Old,
            _ => Side::New,
        });
        assert_eq!(found, Found::First(commits[13].clone()));
    }

    #[test]
    fn what_hides_between_such_commits_is_said() {
        let (found, _, commits) = searched(|number| match number {
            5..8 => Side::Unknown,
            ..5 => Side::Old,
            _ => Side::New,
        });
        let Found::OneOf(mut candidates) = found else { panic!("{found:?}") };
        candidates.sort();
        let mut expected = commits[5..9].to_vec();
        expected.sort();
        assert_eq!(candidates, expected);
    }

    #[test]
    fn neighbours_need_no_step() {
        let dir = tempfile::tempdir().unwrap();
        let commits = repository(dir.path(), 2);
        let history = History::open(&dir.path().join("history"), dir.path()).unwrap();
        let found = search(&history, &commits[0], &commits[1], |_, _| panic!("nothing to judge"));
        assert_eq!(found.unwrap(), Found::First(commits[1].clone()));
    }

    #[test]
    fn an_end_that_is_no_ancestor_is_wrong_usage() {
        let dir = tempfile::tempdir().unwrap();
        let commits = repository(dir.path(), 3);
        let history = History::open(&dir.path().join("history"), dir.path()).unwrap();
        let error = history.between(&commits[2], &commits[0]).unwrap_err();
        assert!(
            matches!(error.downcast_ref(), Some(harness_host::exit::Stop::Usage(_))),
            "{error}"
        );
    }
}
