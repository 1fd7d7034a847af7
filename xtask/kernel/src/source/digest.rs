//! SHA-256 digests of files, and the note beside a cached file that saves reading it again.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use harness_host::files::write_whole;
use harness_host::ui::Progress;

/// A SHA-256 digest. Text form: 64 hexadecimal digits, lower case when written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Sum([u8; 32]);

impl Sha256Sum {
    /// The digest of what `hasher` was fed.
    pub fn of(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// Reads a file to its end; `read` hears the size of each piece, in bytes.
    pub fn of_file(path: &Path, mut read: impl FnMut(u64)) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok(Self::of(hasher));
            }
            hasher.update(&buffer[..length]);
            read(length as u64);
        }
    }
}

impl fmt::Display for Sha256Sum {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Sum {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Sha256Sum {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("{text:?} is not a SHA-256 digest: it must be 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sha256Sum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sha256Sum> for String {
    fn from(digest: Sha256Sum) -> Self {
        digest.to_string()
    }
}

/// What stands beside a file that was checked: as long as size and time of modification are the
/// same, so is the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    size: u64,
    mtime_s: i64,
    mtime_ns: i64,
    /// What the file had when it was checked.
    pub sha256: Sha256Sum,
}

impl Note {
    fn new(path: &Path, sha256: Sha256Sum) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        let (mtime_s, mtime_ns) = (meta.mtime(), meta.mtime_nsec());
        Ok(Self { size: meta.len(), mtime_s, mtime_ns, sha256 })
    }

    /// Where the note about `file` stands.
    pub fn path(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".checked.json");
        name.into()
    }

    /// Notes that `checked` has this digest, for the time when it is called `file`. Renaming keeps
    /// size and time, so that the note can stand there before the file does.
    pub fn write(checked: &Path, file: &Path, sha256: Sha256Sum) -> Result<()> {
        let path = Self::path(file);
        let write = || -> Result<()> {
            let text = serde_json::to_string(&Self::new(checked, sha256)?)?;
            write_whole(&path, (text + "\n").as_bytes())
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// The note beside `file`, if there is one that can be read.
    pub fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(file)).ok()?).ok()
    }

    /// Whether the file is still the one that was checked.
    pub fn is_current(&self, file: &Path) -> bool {
        Self::new(file, self.sha256).is_ok_and(|now| now == *self)
    }
}

/// A file is not what it should be. It was removed.
#[derive(Debug, Error)]
#[error("{}: wrong SHA-256 digest: expected {expected}, got {got}; nothing of it is kept",
    file.display())]
pub struct Mismatch {
    /// The file that was removed.
    pub file: PathBuf,
    /// What it should have had.
    pub expected: Sha256Sum,
    /// What it had.
    pub got: Sha256Sum,
}

/// Checks the whole file `path`. It is removed when its digest is another.
///
/// # Errors
///
/// A [`Mismatch`], or when the file cannot be read.
pub fn check(path: &Path, expected: Sha256Sum) -> Result<()> {
    let read = || -> io::Result<Sha256Sum> {
        let name = path.file_name().unwrap_or_default().display();
        let progress = Progress::bytes(fs::metadata(path)?.len(), format!("checking {name}"));
        let got = Sha256Sum::of_file(path, |more| progress.inc(more))?;
        progress.finish();
        Ok(got)
    };
    let got = read().with_context(|| format!("reading {}", path.display()))?;
    if got == expected {
        return Ok(());
    }
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    Err(Mismatch { file: path.to_owned(), expected, got }.into())
}

/// Checks what was downloaded to `part`, and only then lets it appear as `target`.
///
/// # Errors
///
/// As [`check`]; and when `target` or its note cannot be written.
pub fn admit(part: &Path, target: &Path, expected: Sha256Sum) -> Result<()> {
    check(part, expected)?;
    // The note first: whoever is killed between the two leaves a note without a file, which counts
    // for nothing.
    Note::write(part, target, expected)?;
    fs::rename(part, target)
        .with_context(|| format!("renaming {} to {}", part.display(), target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn file_with(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_file_has_the_digest_of_the_standard() {
        let (_dir, path) = file_with("abc");
        let mut read = 0;
        let digest = Sha256Sum::of_file(&path, |length| read += length).unwrap();
        assert_eq!((digest.to_string().as_str(), read), (ABC, 3));
        assert_eq!(ABC.to_uppercase().parse(), Ok(digest));
    }

    #[test]
    fn text_that_is_no_digest_is_refused() {
        for wrong in ["", "abc", &ABC[1..], &ABC.replace('b', "+"), &ABC.replacen("ba", "é", 1)] {
            assert!(wrong.parse::<Sha256Sum>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_note_holds_until_the_file_changes() {
        let (_dir, path) = file_with("abc");
        let digest = ABC.parse().unwrap();
        assert_eq!(Note::read(&path), None);
        Note::write(&path, &path, digest).unwrap();
        let note = Note::read(&path).unwrap();
        assert!(note.sha256 == digest && note.is_current(&path));
        fs::write(&path, "abcd").unwrap();
        assert!(!note.is_current(&path));
    }

    #[test]
    fn same_size_with_another_time_is_not_trusted() {
        let (_dir, path) = file_with("abc");
        Note::write(&path, &path, ABC.parse().unwrap()).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(!Note::read(&path).unwrap().is_current(&path));
    }

    #[test]
    fn what_is_right_appears_under_its_name_with_a_note_that_holds() {
        let (dir, part) = file_with("abc");
        let target = dir.path().join("target");
        admit(&part, &target, ABC.parse().unwrap()).unwrap();
        assert!(!part.exists());
        assert!(Note::read(&target).unwrap().is_current(&target));
    }

    #[test]
    fn what_is_wrong_is_named_and_leaves_nothing() {
        let (dir, part) = file_with("abd");
        let target = dir.path().join("target");
        let error = admit(&part, &target, ABC.parse().unwrap()).unwrap_err().to_string();
        let got = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9";
        assert!(error.contains(&part.display().to_string()), "{error}");
        assert!(error.contains(&format!("expected {ABC}, got {got}")), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
