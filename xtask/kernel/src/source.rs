//! The source of a base: from the cache or from the first place that has it, checked, and unpacked.

mod debian;
pub mod digest;
mod http;
pub mod space;
#[cfg(test)]
mod test_server;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use self::unpack::unpack;

use self::debian::{Apt, Package};
use self::digest::{Mismatch, Note, Sha256Sum};
use self::http::{Client, Options};
use super::bases::{Base, Place};
use harness_host::exit::Stop;
use harness_host::files::Lock;
use harness_host::ui::errln;

/// A base's source as one file in the cache, its digest checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tarball {
    /// The file, below the cache directory.
    pub path: PathBuf,
    /// The file's digest.
    pub sha256: Sha256Sum,
    /// What the file is.
    pub form: Form,
}

/// What a source file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// kernel.org's .tar.xz.
    KernelOrg,
    /// A .deb that holds a .tar.xz of the source with Debian's patches applied.
    Debian,
}

/// The source of `base`: from below `cache`, else from the first of the base's places that has it.
///
/// Processes that ask at the same time wait for each other. A file in the cache is read again only
/// where its size or time of modification is not what it was when it was checked.
///
/// # Errors
///
/// [`Stop::HostLacks`] when no place has it, with each place's reason; or when the cache cannot be
/// written.
pub fn obtain(base: &Base, cache: &Path) -> Result<Tarball> {
    obtain_with(base, cache, &Options::default())
}

fn obtain_with(base: &Base, cache: &Path, options: &Options) -> Result<Tarball> {
    let dir = cache.join("source");
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let _lock = Lock::take(&dir.join("lock"), "the kernel sources")?;
    for place in &base.places {
        if let Some(tarball) = place.cached(&dir)? {
            return Ok(tarball);
        }
    }
    let mut reasons = Vec::new();
    for place in &base.places {
        match place.fetch(&dir, options) {
            Ok(sha256) => {
                return Ok(Tarball { path: place.target(&dir), sha256, form: place.form() });
            }
            // What this machine lacks, such as room, it lacks for all places.
            Err(error) if error.downcast_ref::<Stop>().is_some() => return Err(error),
            Err(error) => {
                let reason = format!("{}: {error:#}", place.title());
                errln!("{reason}");
                reasons.push(reason);
            }
        }
    }
    Err(nowhere(base, &dir, &reasons).into())
}

fn nowhere(base: &Base, dir: &Path, reasons: &[String]) -> Stop {
    let mut text = format!("no place has the source of Linux {}:\n", base.name);
    text.push_str(&format!("  cache: {} does not hold it\n", dir.display()));
    for reason in reasons {
        text.push_str(&format!("  {reason}\n"));
    }
    text.push_str("give this machine a way to one of them, or use a kernel tree that you have: ");
    text.push_str("--linux DIR");
    for place in &base.places {
        if place.pinned().is_some() {
            let target = place.target(dir);
            text.push_str(&format!("; or bring the file {} from elsewhere", target.display()));
        }
    }
    Stop::HostLacks(text)
}

impl Place {
    fn form(&self) -> Form {
        match self {
            Self::KernelOrg { .. } => Form::KernelOrg,
            Self::DebianSource { .. } => Form::Debian,
        }
    }

    fn title(&self) -> String {
        match self {
            Self::KernelOrg { .. } => "kernel.org".to_owned(),
            Self::DebianSource { package, version, .. } => format!("Debian {package} {version}"),
        }
    }

    /// The digest that bases.toml gives.
    fn pinned(&self) -> Option<Sha256Sum> {
        match self {
            Self::KernelOrg { sha256, .. } => *sha256,
            Self::DebianSource { sha256, .. } => Some(*sha256),
        }
    }

    fn target(&self, dir: &Path) -> PathBuf {
        match self {
            Self::KernelOrg { url, .. } => dir.join(url.rsplit('/').next().unwrap_or(url)),
            Self::DebianSource { package, version, sha256 } => {
                dir.join(Package::new(package, version, *sha256).file_name())
            }
        }
    }

    /// The file in the cache, if it is there and right. One that is wrong is removed, with a line
    /// that says so.
    fn cached(&self, dir: &Path) -> Result<Option<Tarball>> {
        let path = self.target(dir);
        if !path.exists() {
            return Ok(None);
        }
        let note = Note::read(&path);
        // What bases.toml says wins over what was right when the file was downloaded.
        let expected = self.pinned().or(note.as_ref().map(|note| note.sha256));
        let Some(sha256) = expected else {
            errln!("{}: no checksum known; removed", path.display());
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            return Ok(None);
        };
        if !note.is_some_and(|note| note.sha256 == sha256 && note.is_current(&path)) {
            match digest::check(&path, sha256) {
                Err(error) if error.downcast_ref::<Mismatch>().is_some() => {
                    errln!("{error}");
                    let _ = fs::remove_file(Note::path(&path));
                    return Ok(None);
                }
                checked => checked?,
            }
            Note::write(&path, &path, sha256)?;
        }
        Ok(Some(Tarball { path, sha256, form: self.form() }))
    }

    /// Downloads the file to its place in `dir` and returns its digest.
    fn fetch(&self, dir: &Path, options: &Options) -> Result<Sha256Sum> {
        let target = self.target(dir);
        match self {
            Self::KernelOrg { url, sums, sha256 } => {
                let client = Client::new(options.clone());
                let name = target.file_name().unwrap_or_default().to_string_lossy();
                let expected = match (sha256, sums) {
                    (Some(sha256), _) => *sha256,
                    (None, Some(sums)) => client.listed_digest(sums, &name)?,
                    (None, None) => bail!("nothing tells the digest of {name}"),
                };
                let part = target.with_added_extension("part");
                fetch(&client, url, &part, &target, expected)?;
                Ok(expected)
            }
            Self::DebianSource { package, version, sha256 } => {
                let package = Package::new(package, version, *sha256);
                package.download(&Apt::default(), &target)?;
                Ok(*sha256)
            }
        }
    }
}

/// Downloads `url` to `part` and lets it appear as `target` if its digest is the expected one.
///
/// # Errors
///
/// When it cannot be downloaded, or its digest is another ([`Mismatch`]).
fn fetch(
    client: &Client,
    url: &str,
    part: &Path,
    target: &Path,
    expected: Sha256Sum,
) -> Result<()> {
    let kept = client.file(url, part)?;
    let admitted = digest::admit(part, target, expected);
    if kept && admitted.as_ref().is_err_and(|error| error.is::<Mismatch>()) {
        // What an earlier run left may be of another file: once more from the start.
        let _ = fs::remove_file(part);
        client.file(url, part)?;
        return digest::admit(part, target, expected);
    }
    admitted
}

#[cfg(test)]
mod tests;
