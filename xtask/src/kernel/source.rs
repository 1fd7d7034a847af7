//! The source of a base: from the cache or from the first place that has it, checked, and unpacked.

pub(crate) mod digest;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::digest::Sha256Sum;
use super::bases::Base;

/// A base's source as one file in the cache, its digest checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tarball {
    /// The file, below the cache directory.
    pub(crate) path: PathBuf,
    /// The file's digest.
    pub(crate) sha256: Sha256Sum,
    /// What the file is.
    pub(crate) form: Form,
}

/// What a source file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// kernel.org's .tar.xz.
    KernelOrg,
    /// A .deb that holds a .tar.xz of the source with Debian's patches applied.
    Debian,
}

/// The source of `base`: from below `cache`, else from the first of the base's places that has it.
pub(crate) fn obtain(base: &Base, cache: &Path) -> Result<Tarball> {
    bail!("no source for {} in {}: obtaining it is not written yet", base.name, cache.display())
}

/// Unpacks a tarball to the new directory `into`, without the tarball's top directory.
pub(crate) fn unpack(tarball: &Tarball, into: &Path) -> Result<()> {
    bail!("unpacking {} to {} is not written yet", tarball.path.display(), into.display())
}
