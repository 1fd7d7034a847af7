//! What a suite of the kernel's own gives on a base without the series, recorded in the repository: with
//! the series the kernel has to give no less.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use harness_host::files::write_whole;
use harness_host::paths;

/// What is recorded of a part of a suite in a mode.
pub trait OfPart: Serialize + DeserializeOwned {
    /// The suite's folder in `kernel-patches`; the rest of its name is `kernel/`.
    const SUITE: &str;
    /// What the results are, for the head of the file, which nobody should edit.
    const ABOUT: &str;
}

/// The results of one base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded<T> {
    /// Where they are from.
    pub made_with: MadeWith,
    /// By mode, then by part of the suite.
    pub modes: BTreeMap<String, BTreeMap<String, T>>,
}

/// The kernel that gave the results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeWith {
    /// Name of the base.
    pub base: String,
    /// Patches of the series, which must be 0.
    pub patches: usize,
    /// Key of the build.
    pub key: String,
}

impl<T: OfPart> Recorded<T> {
    /// The results of a base, `None` if none were recorded.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is of another shape, or was made with patches.
    pub fn load(base: &str) -> Result<Option<Self>> {
        let path = path::<T>(base);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read {}", path.display()));
            }
        };
        parse(&text, base)
            .map(Some)
            .with_context(|| format!("failed to read {}; renew it with --bless", path.display()))
    }

    /// Records the results.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn store(&self) -> Result<PathBuf> {
        let path = path::<T>(&self.made_with.base);
        let text = format!(
            "# {}\n# Written by: {}\n\n{}",
            T::ABOUT,
            Self::command(&self.made_with.base),
            toml::to_string_pretty(self)?
        );
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        write_whole(&path, text.as_bytes())?;
        Ok(path)
    }

    /// The command that records the results of a base.
    pub fn command(base: &str) -> String {
        format!("cargo xtask test kernel/{} --base {base} --series none --bless", T::SUITE)
    }

    /// What a mode gave, by part of the suite.
    pub fn of(&self, mode: &str) -> Option<&BTreeMap<String, T>> {
        self.modes.get(mode)
    }
}

fn path<T: OfPart>(base: &str) -> PathBuf {
    // Not with_extension(), which takes the end of 7.3.4 for one.
    paths::repository().join("kernel-patches").join(T::SUITE).join(format!("{base}.toml"))
}

fn parse<T: OfPart>(text: &str, base: &str) -> Result<Recorded<T>> {
    let recorded: Recorded<T> = toml::from_str(text)?;
    let MadeWith { base: of, patches, .. } = &recorded.made_with;
    ensure!(*patches == 0, "it was made with {patches} patches of the series, not with none");
    ensure!(of == base, "it was made with the base {of}, not {base}");
    Ok(recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Counts {
        passed: usize,
    }

    impl OfPart for Counts {
        const SUITE: &str = "some";
        const ABOUT: &str = "What some suite gives.";
    }

    fn text(base: &str, patches: usize) -> String {
        let made_with = MadeWith { base: base.into(), patches, key: "k".into() };
        let parts = BTreeMap::from([("part".to_owned(), Counts { passed: 3 })]);
        let modes = BTreeMap::from([("jit".to_owned(), parts)]);
        toml::to_string_pretty(&Recorded { made_with, modes }).unwrap()
    }

    #[test]
    fn results_of_a_patched_kernel_or_of_another_base_are_refused() {
        let recorded: Recorded<Counts> = parse(&text("7.3.4", 0), "7.3.4").unwrap();
        assert_eq!(recorded.of("jit").unwrap()["part"], Counts { passed: 3 });
        assert!(recorded.of("interp").is_none());
        let error = |text: &str| parse::<Counts>(text, "7.3.4").unwrap_err().to_string();
        assert!(error(&text("7.3.4", 8)).contains("8 patches"));
        assert!(error(&text("7.4", 0)).contains("the base 7.4"));
    }
}
