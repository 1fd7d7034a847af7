//! Applies patches to an index, without a work tree, and says where one does not apply.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;
use thiserror::Error;

use super::git::Git;
use super::series::Patch;

/// A patch that does not apply.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("patch {patch} does not apply{}", places(.failures, .said))]
pub struct DoesNotApply {
    /// The patch's file name.
    pub patch: String,
    /// Where, a file each.
    pub failures: Vec<Failure>,
    /// What git said.
    pub said: String,
}

/// A file that a patch could not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The file, relative to the kernel's root.
    pub file: String,
    /// The first hunk that does not fit: its number in the file from 1, and its `@@` line.
    pub hunk: Option<(usize, String)>,
    /// What else is wrong: the file is missing, or exists already.
    pub reason: Option<String>,
}

fn places(failures: &[Failure], said: &str) -> String {
    if failures.is_empty() {
        return format!(": {said}");
    }
    let mut text = String::new();
    for Failure { file, hunk, reason } in failures {
        text += &format!("\n  {file}");
        if let Some((number, header)) = hunk {
            text += &format!(": hunk {number}: {header}");
        }
        if let Some(reason) = reason {
            text += &format!(": {reason}");
        }
    }
    text
}

/// Commits `patch` on top of `parent`, whose tree the index of `git` must hold, and gives the new
/// commit. Author, date and message are the patch's; the committer is the author, so that the same
/// patches always give the same commits. `scratch` is a directory for git's intermediate files.
///
/// # Errors
///
/// [`DoesNotApply`] when the patch does not apply exactly (offsets are tolerated, fuzz is not).
pub fn commit(git: &Git, parent: &str, patch: &Patch, scratch: &Path) -> Result<String> {
    let (message, diff) = (scratch.join("message"), scratch.join("diff"));
    let (message_arg, diff_arg) = (message.to_string_lossy(), diff.to_string_lossy());
    // As git am splits a mail: -b keeps [tags] of the subject that are not [PATCH].
    let head = git
        .run_with(
            ["mailinfo", "-b", "--no-scissors", "--encoding=UTF-8", &message_arg, &diff_arg],
            &patch.content,
            &[],
        )
        .with_context(|| format!("reading patch {}", patch.name))?;
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).with_context(
            || format!("patch {} has no {name}; git format-patch writes it", patch.name),
        )
    };
    let (author, email, date) = (field("Author")?, field("Email")?, field("Date")?);
    let body = fs::read_to_string(&message).context("reading a patch's message")?;
    let text = format!("{}\n\n{body}", field("Subject")?);

    let applied = git.output(["apply", "--cached", "--whitespace=nowarn", &diff_arg], &[], &[])?;
    if !applied.status.success() {
        let said = String::from_utf8_lossy(&applied.stderr);
        return Err(explain(patch, &String::from_utf8_lossy(&fs::read(&diff)?), &said).into());
    }
    let tree = git.run(["write-tree"])?;
    let message = git.run_with(["stripspace"], text.as_bytes(), &[])? + "\n";
    git.run_with(
        ["commit-tree", "-p", parent, &tree],
        message.as_bytes(),
        &[
            ("GIT_AUTHOR_NAME", author),
            ("GIT_AUTHOR_EMAIL", email),
            ("GIT_AUTHOR_DATE", date),
            ("GIT_COMMITTER_DATE", date),
        ],
    )
    .with_context(|| format!("committing patch {}", patch.name))
}

/// Turns what git-apply says into the files and hunks that it means.
fn explain(patch: &Patch, diff: &str, said: &str) -> DoesNotApply {
    static HUNK: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^error: patch failed: (.+):(\d+)$").ok());
    static OTHER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^error: (.+): (does not exist in index|already exists in index)$").ok()
    });
    let mut failures = Vec::new();
    for line in said.lines() {
        if let Some(found) = HUNK.as_ref().and_then(|regex| regex.captures(line)) {
            let file = found[1].to_owned();
            let hunk = found[2].parse().ok().and_then(|at| hunk_at(diff, &file, at));
            failures.push(Failure { file, hunk, reason: None });
        } else if let Some(found) = OTHER.as_ref().and_then(|regex| regex.captures(line)) {
            let reason = found[2].replace(" in index", "").replace("does not", "the file does not");
            failures.push(Failure { file: found[1].to_owned(), hunk: None, reason: Some(reason) });
        }
    }
    DoesNotApply { patch: patch.name.clone(), failures, said: said.trim().to_owned() }
}

/// The number and the `@@` line of the hunk of `file` that starts at line `at` of the old file.
fn hunk_at(diff: &str, file: &str, at: usize) -> Option<(usize, String)> {
    let mut inside = false;
    let mut number = 0;
    for line in diff.lines() {
        if let Some(names) = line.strip_prefix("diff --git ") {
            inside =
                names.starts_with(&format!("a/{file} ")) || names.ends_with(&format!(" b/{file}"));
            number = 0;
        } else if let Some(rest) = line.strip_prefix("@@ -").filter(|_| inside) {
            number += 1;
            let start = rest.split([',', ' ']).next()?;
            if start.parse() == Ok(at) {
                return Some((number, line.to_owned()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\
diff --git a/one.c b/one.c
--- a/one.c
+++ b/one.c
@@ -1,3 +1,4 @@
 a
@@ -40,3 +41,4 @@ int f(void)
 b
diff --git a/two.c b/two.c
@@ -40,2 +40,3 @@ int g(void)
 c
";

    fn explained(said: &str) -> DoesNotApply {
        explain(&Patch { name: "0002-x.patch".into(), content: vec![] }, DIFF, said)
    }

    #[test]
    fn patch_file_and_hunk_are_named() {
        let error = explained(
            "error: patch failed: one.c:40\nerror: one.c: patch does not apply\n\
             error: patch failed: two.c:40\nerror: two.c: patch does not apply\n",
        );
        assert_eq!(
            error.to_string(),
            "patch 0002-x.patch does not apply\n  one.c: hunk 2: @@ -40,3 +41,4 @@ int f(void)\n  \
             two.c: hunk 1: @@ -40,2 +40,3 @@ int g(void)"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = explained("error: gone.c: does not exist in index\n");
        assert!(error.to_string().ends_with("\n  gone.c: the file does not exist"), "{error}");
    }

    #[test]
    fn anything_else_is_quoted() {
        let error = explained("error: corrupt patch at line 12\n");
        assert_eq!(
            error.to_string(),
            "patch 0002-x.patch does not apply: error: corrupt patch at line 12"
        );
    }
}
