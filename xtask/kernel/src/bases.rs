//! `kernel-patches/bases.toml`: the kernels that the series is made for, and where they come from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::source::digest::Sha256Sum;
use harness_host::exit::Stop;
use harness_host::paths;

/// One kernel version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The version, as `--base` takes it and `make kernelversion` prints it: `7.3.4`.
    pub name: String,
    /// The folder of the patches under `kernel-patches/`: `7.3`. Without such a folder the base has no
    /// patches.
    pub series: String,
    /// Where to get the source, in the order in which the places are tried.
    #[serde(rename = "place")]
    pub places: Vec<Place>,
}

impl Base {
    /// The folder that holds this base's patches.
    pub fn series_dir(&self) -> PathBuf {
        folder().join(&self.series)
    }
}

/// A place that has a base's source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Place {
    /// A tarball over HTTPS.
    #[serde(rename = "kernel.org")]
    KernelOrg {
        /// Of the .tar.xz.
        url: String,
        /// Of a `sha256sum` listing, asked when `sha256` is not known.
        sums: Option<String>,
        /// The tarball's digest; wins over `sums`.
        sha256: Option<Sha256Sum>,
    },
    /// A binary package of Debian's archive, component main, that holds
    /// `usr/src/<package>.tar.xz`.
    #[serde(rename = "debian-source")]
    DebianSource {
        /// `linux-source-7.3`.
        package: String,
        /// The exact version, as apt takes it after `=`.
        version: String,
        /// The .deb's digest.
        sha256: Sha256Sum,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The base where the command line names none.
    default: String,
    #[serde(rename = "base")]
    bases: Vec<Base>,
}

fn folder() -> PathBuf {
    paths::repository().join("kernel-patches")
}

/// All bases, in the order of the file.
///
/// # Errors
///
/// When `bases.toml` cannot be read or says something that is not understood; the message names the
/// line.
pub fn all() -> Result<Vec<Base>> {
    Ok(read()?.bases)
}

/// Name of the base where the command line names none. Empty where `bases.toml` cannot be read, which
/// [`find`] reports.
pub fn default_name() -> String {
    read().map_or_else(|_| String::new(), |file| file.default)
}

fn read() -> Result<File> {
    let path = folder().join("bases.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text, &path)
}

/// The base of this name.
///
/// # Errors
///
/// As [`all`]; and a [`Stop::Usage`] that lists the names when there is no such base.
pub fn find(name: &str) -> Result<Base> {
    let bases = all()?;
    let names: Vec<_> = bases.iter().map(|base| base.name.clone()).collect();
    bases.into_iter().find(|base| base.name == name).ok_or_else(|| {
        let names = names.join(", ");
        Stop::Usage(format!("no base {name:?} in kernel-patches/bases.toml; it has {names}")).into()
    })
}

fn parse(text: &str, path: &Path) -> Result<File> {
    let File { default, bases } =
        toml::from_str(text).with_context(|| format!("reading {}", path.display()))?;
    for (position, base) in bases.iter().enumerate() {
        let at = || format!("{}: base {:?}", path.display(), base.name);
        for (field, value) in [("name", &base.name), ("series", &base.series)] {
            // Both become names of files.
            if value.is_empty() || value.starts_with('.') || value.contains('/') {
                bail!("{}: {field} {value:?} is not the name of a file", at());
            }
        }
        if bases[..position].iter().any(|other| other.name == base.name) {
            bail!("{}: stands there twice; remove one", at());
        }
        if base.places.is_empty() {
            bail!("{}: no place to get it from; add a [[base.place]]", at());
        }
        for place in &base.places {
            place.check().with_context(at)?;
        }
    }
    if !bases.iter().any(|base| base.name == default) {
        bail!("{}: the default base {default:?} is none of the bases", path.display());
    }
    Ok(File { default, bases })
}

impl Place {
    fn check(&self) -> Result<()> {
        match self {
            Self::KernelOrg { url, sums, sha256 } => {
                for url in [Some(url), sums.as_ref()].into_iter().flatten() {
                    if !url.starts_with("https://") {
                        bail!("{url}: not an https:// address");
                    }
                }
                if sums.is_none() && sha256.is_none() {
                    bail!("{url}: neither sums nor sha256 tells its digest");
                }
            }
            Self::DebianSource { package, version, .. } => {
                for value in [package, version] {
                    // They become part of an address and of a file name.
                    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.~:".contains(c);
                    if value.is_empty() || value.starts_with('-') || !value.chars().all(fits) {
                        bail!("{value:?} is not a name or version of a Debian package");
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3";

    fn error(text: &str) -> String {
        format!("{:#}", parse(text, Path::new("bases.toml")).unwrap_err())
    }

    fn with_place(place: &str) -> String {
        format!("default = \"1.2\"\n{}", base(place))
    }

    fn base(place: &str) -> String {
        format!("[[base]]\nname = \"1.2\"\nseries = \"1\"\n[[base.place]]\n{place}\n")
    }

    #[test]
    fn the_default_is_a_base_with_a_series() {
        let base = find(&default_name()).unwrap();
        assert!(base.series_dir().join("series").exists());
    }

    #[test]
    fn a_default_that_is_no_base_is_refused() {
        let place = format!("kind = \"kernel.org\"\nurl = \"https://h/f\"\nsha256 = \"{DIGEST}\"");
        let text = with_place(&place).replace("default = \"1.2\"", "default = \"1.3\"");
        assert!(error(&text).contains("the default base \"1.3\" is none of the bases"));
    }

    #[test]
    fn an_unknown_base_is_wrong_usage_and_lists_those_there_are() {
        let error = find("1.0").unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Stop::Usage(_))));
        assert!(error.to_string().contains(&default_name()), "{error}");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let place =
            "kind = \"kernel.org\"\nurl = \"https://h/f\"\nsums = \"https://h/s\"\nsha1 = 1";
        let error = error(&with_place(place));
        assert!(error.contains("sha1") && error.contains("line"), "{error}");
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let error = error(&with_place("kind = \"ftp\""));
        assert!(error.contains("ftp") && error.contains("debian-source"), "{error}");
    }

    #[test]
    fn a_digest_must_be_one() {
        for wrong in ["", "abc", &DIGEST[1..], &DIGEST.replace('7', "g")] {
            let place = format!(
                "kind = \"debian-source\"\npackage = \"p\"\nversion = \"1\"\n\
                 sha256 = \"{wrong}\""
            );
            let error = error(&with_place(&place));
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn a_debian_package_must_have_its_digest() {
        let place = "kind = \"debian-source\"\npackage = \"p\"\nversion = \"1\"";
        assert!(error(&with_place(place)).contains("missing field `sha256`"));
    }

    #[test]
    fn a_tarball_without_any_digest_is_refused() {
        let place = "kind = \"kernel.org\"\nurl = \"https://h/f.tar.xz\"";
        assert!(error(&with_place(place)).contains("neither sums nor sha256"));
    }

    #[test]
    fn plain_http_is_refused() {
        let place = format!("kind = \"kernel.org\"\nurl = \"http://h/f\"\nsha256 = \"{DIGEST}\"");
        assert!(error(&with_place(&place)).contains("not an https:// address"));
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for version in ["-o", "a b", "a\\nb", "", "../x"] {
            let place = format!(
                "kind = \"debian-source\"\npackage = \"p\"\nversion = \"{version}\"\n\
                 sha256 = \"{DIGEST}\""
            );
            assert!(error(&with_place(&place)).contains("is not a name"), "{version}");
        }
    }

    #[test]
    fn names_are_unique_and_are_file_names() {
        let place = format!("kind = \"kernel.org\"\nurl = \"https://h/f\"\nsha256 = \"{DIGEST}\"");
        let one = with_place(&place);
        assert!(error(&format!("{one}{}", base(&place))).contains("twice"));
        assert!(error(&one.replace("\"1.2\"", "\"../x\"")).contains("not the name of a file"));
        assert!(
            error("default = \"1\"\n[[base]]\nname = \"1\"\nseries = \"1\"\nplace = []")
                .contains("no place")
        );
    }
}
