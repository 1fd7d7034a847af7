//! A patch series on disk, and which part of it is applied.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::key::Digester;
use harness_host::exit::Stop;

/// The file that lists a series' patches in order, as quilt does.
pub const LIST: &str = "series";
/// A file of the series' folder that is for the list's readers and is never applied.
pub const COVER_LETTER: &str = "0000-cover-letter.patch";

/// How much of a series to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every patch.
    All,
    /// No patch: the base as it is.
    None,
    /// The first patches, this many.
    First(usize),
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            number => number
                .parse()
                .map(Self::First)
                .map_err(|_| "expected all, none, or a number of patches".to_owned()),
        }
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => out.write_str("all"),
            Self::None => out.write_str("none"),
            Self::First(count) => write!(out, "{count}"),
        }
    }
}

/// One patch of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The file's name: `0001-bpf-….patch`.
    pub name: String,
    /// The file's content, as `git format-patch` wrote it.
    pub content: Vec<u8>,
}

impl Patch {
    /// The subject without `[PATCH n/m]`, folded lines joined; empty if there is none.
    pub fn subject(&self) -> String {
        let text = String::from_utf8_lossy(&self.content);
        let mut lines = text.lines().skip_while(|line| !line.starts_with("Subject: "));
        let Some(first) = lines.next() else { return String::new() };
        let mut subject = first.trim_start_matches("Subject: ").to_owned();
        for folded in lines.take_while(|line| line.starts_with(' ')) {
            subject.push_str(folded);
        }
        match subject.split_once("] ") {
            Some((tag, rest)) if tag.starts_with("[PATCH") => rest.to_owned(),
            _ => subject,
        }
    }

    /// The files that the patch changes, adds or removes, relative to the kernel's root.
    pub fn files(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.content);
        let mut files: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("diff --git a/"))
            .filter_map(|line| line.split_once(" b/"))
            .flat_map(|(old, new)| [old.to_owned(), new.to_owned()])
            .collect();
        files.sort();
        files.dedup();
        files
    }
}

/// Patches in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The patches.
    pub patches: Vec<Patch>,
}

impl Series {
    /// Reads the folder's `series` file and the patches that it lists. A folder without that file is
    /// a series without patches.
    ///
    /// # Errors
    ///
    /// When the list names a patch that is not there, or twice, or when a patch lies in the folder
    /// that the list does not name: a patch that is silently not applied misleads.
    pub fn load(folder: &Path) -> Result<Self> {
        let list = folder.join(LIST);
        let text = match fs::read_to_string(&list) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", list.display())),
        };
        let mut patches: Vec<Patch> = Vec::new();
        for name in names(&text) {
            if name.contains('/') || patches.iter().any(|patch| patch.name == name) {
                bail!("{}: {name} stands there twice or is not a file name", list.display());
            }
            let path = folder.join(name);
            let content = fs::read(&path)
                .with_context(|| format!("reading {}, which {LIST} lists", path.display()))?;
            patches.push(Patch { name: name.to_owned(), content });
        }
        for path in patch_files(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !patches.iter().any(|patch| patch.name == name) {
                bail!("{} is not listed in {}; add or remove it", path.display(), list.display());
            }
        }
        Ok(Self { patches })
    }

    /// The selected patches.
    ///
    /// # Errors
    ///
    /// [`Stop::Usage`] when more are selected than there are.
    pub fn select(mut self, selection: Selection) -> Result<Self> {
        match selection {
            Selection::All => {}
            Selection::None => self.patches.clear(),
            Selection::First(count) if count > self.patches.len() => {
                let have = self.patches.len();
                return Err(Stop::Usage(format!(
                    "--series {count}: the series has {have} patches"
                ))
                .into());
            }
            Selection::First(count) => self.patches.truncate(count),
        }
        Ok(self)
    }

    /// Identifies what the patches that pass `filter` contain. Their file names do not count.
    pub fn digest(&self, filter: impl Fn(&Patch) -> bool) -> String {
        let mut digester = Digester::new("series");
        for patch in self.patches.iter().filter(|patch| filter(patch)) {
            digester.field("patch", &patch.content);
        }
        digester.finish()
    }
}

/// The names in a `series` file: a line each, `#` starts a comment.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty())
}

/// The patch files of a folder, sorted, without the cover letter; none when there is no such folder.
pub fn patch_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in
            fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?
        {
            let path = entry?.path();
            let is_patch = path.extension().is_some_and(|extension| extension == "patch");
            if is_patch && path.file_name().is_some_and(|name| name != COVER_LETTER) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_subject_is_joined_and_loses_its_tag() {
        let content = b"From x\nSubject: [PATCH 3/8] bpf: Keep jump table entries that point to a\n removed nop\n\nBody\n";
        let patch = Patch { name: "0003.patch".into(), content: content.to_vec() };
        assert_eq!(patch.subject(), "bpf: Keep jump table entries that point to a removed nop");
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        dir
    }

    #[test]
    fn the_list_gives_the_order() {
        let dir = folder(&[
            ("series", "# first the second\nb.patch\n\n  a.patch # then this\n"),
            ("a.patch", "A"),
            ("b.patch", "B"),
            (COVER_LETTER, "not applied"),
        ]);
        let series = Series::load(dir.path()).unwrap();
        let names: Vec<_> = series.patches.iter().map(|patch| patch.name.as_str()).collect();
        assert_eq!(names, ["b.patch", "a.patch"]);
        assert_eq!(series.patches[1].content, b"A");
    }

    #[test]
    fn a_listed_patch_that_is_missing_is_named() {
        let dir = folder(&[("series", "a.patch\n")]);
        let error = format!("{:#}", Series::load(dir.path()).unwrap_err());
        assert!(error.contains("a.patch, which series lists"), "{error}");
    }

    #[test]
    fn a_patch_that_is_not_listed_is_an_error() {
        let dir = folder(&[("series", "a.patch\n"), ("a.patch", ""), ("b.patch", "")]);
        let error = Series::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("b.patch is not listed"), "{error}");
    }

    #[test]
    fn no_folder_is_no_patches() {
        assert_eq!(Series::load(Path::new("/nonexistent/7.3")).unwrap(), Series::default());
    }

    #[test]
    fn selecting_more_than_there_are_is_wrong_usage() {
        let series = Series { patches: vec![Patch { name: "a".into(), content: vec![] }] };
        assert_eq!(series.clone().select(Selection::First(1)).unwrap().patches.len(), 1);
        assert_eq!(series.clone().select(Selection::None).unwrap().patches.len(), 0);
        let error = series.select(Selection::First(2)).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Stop::Usage(_))), "{error}");
        assert!(error.to_string().contains("has 1 patches"), "{error}");
    }

    #[test]
    fn a_patch_knows_its_files() {
        let content = b"Subject: x\n\ndiff --git a/k/a.c b/k/a.c\n--- a/k/a.c\n+++ b/k/a.c\n\
            diff --git a/old b/new\n";
        let patch = Patch { name: "p".into(), content: content.to_vec() };
        assert_eq!(patch.files(), ["k/a.c", "new", "old"]);
    }

    #[test]
    fn the_digest_is_of_contents_in_order() {
        let patch = |content: &str| Patch { name: content.into(), content: content.into() };
        let digest = |patches: &[&str]| {
            Series { patches: patches.iter().map(|content| patch(content)).collect() }
                .digest(|_| true)
        };
        assert_eq!(digest(&["a", "b"]), digest(&["a", "b"]));
        assert_ne!(digest(&["a", "b"]), digest(&["b", "a"]));
        assert_ne!(digest(&["ab"]), digest(&["a", "b"]));
    }
}
