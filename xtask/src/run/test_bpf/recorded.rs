//! What the module gives on a base without the series, recorded in the repository: the patched
//! kernel has to give the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bpf_wire::Mode;
use serde::{Deserialize, Serialize};

use super::log::Tally;
use crate::kernel::cache::write_whole;
use crate::paths;

/// Heads the file, which nobody should edit.
const HEAD: &str = "\
# What lib/test_bpf.ko gives on this base without the series, in each mode.
# Written by: cargo xtask test kernel/test_bpf --series none --bless
";

/// The counts of one base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// Where they are from.
    pub(crate) made_with: MadeWith,
    /// By mode, then by part of the module.
    pub(crate) modes: BTreeMap<String, BTreeMap<String, Tally>>,
}

/// The kernel that gave the counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MadeWith {
    /// Name of the base.
    pub(crate) base: String,
    /// Patches of the series, which must be 0.
    pub(crate) patches: usize,
    /// Key of the build.
    pub(crate) key: String,
}

impl Recorded {
    /// The counts of a base, `None` if none were recorded.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is of another shape, or was made with patches.
    pub(crate) fn load(base: &str) -> Result<Option<Self>> {
        let path = path(base);
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

    /// Records the counts.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn store(&self) -> Result<PathBuf> {
        let path = path(&self.made_with.base);
        let text = format!("{HEAD}\n{}", toml::to_string(self)?);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        write_whole(&path, text.as_bytes())?;
        Ok(path)
    }

    /// What a mode gave, by part.
    pub(crate) fn of(&self, mode: Mode) -> Option<&BTreeMap<String, Tally>> {
        self.modes.get(mode.name())
    }
}

fn path(base: &str) -> PathBuf {
    // Not with_extension(), which takes the end of 7.3.4 for one.
    paths::repository().join("kernel-patches/test_bpf").join(format!("{base}.toml"))
}

fn parse(text: &str, base: &str) -> Result<Recorded> {
    let counts: Recorded = toml::from_str(text)?;
    let MadeWith { base: of, patches, .. } = &counts.made_with;
    anyhow::ensure!(
        *patches == 0,
        "it was made with {patches} patches of the series, not with none"
    );
    anyhow::ensure!(of == base, "it was made with the base {of}, not {base}");
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::bases;
    use crate::run::test_bpf::{MODES, PARTS};

    fn text(base: &str, patches: usize) -> String {
        let made_with = MadeWith { base: base.into(), patches, key: "k".into() };
        let tally = Tally { passed: 3, failed: 0, run: 2, jited: 2 };
        let parts = BTreeMap::from([("test_bpf".to_owned(), tally)]);
        let modes = BTreeMap::from([("jit".to_owned(), parts)]);
        toml::to_string(&Recorded { made_with, modes }).unwrap()
    }

    #[test]
    fn counts_of_a_patched_kernel_or_of_another_base_are_refused() {
        assert!(parse(&text("7.3.4", 0), "7.3.4").is_ok());
        let error = |text: &str| parse(text, "7.3.4").unwrap_err().to_string();
        assert!(error(&text("7.3.4", 8)).contains("8 patches"));
        assert!(error(&text("7.4", 0)).contains("the base 7.4"));
    }

    #[test]
    fn every_base_has_counts_that_were_made_without_the_series() {
        for base in bases::all().unwrap() {
            let counts = Recorded::load(&base.name).unwrap().expect("counts are recorded");
            for mode in MODES {
                let parts = counts.of(mode).expect("every mode is recorded");
                assert!(PARTS.iter().all(|part| parts.contains_key(*part)), "{parts:?}");
                assert!(parts.values().all(|tally| tally.failed == 0 && tally.passed > 0));
                assert_eq!(parts[PARTS[0]].jited == 0, mode == Mode::Interp, "{mode:?}");
            }
        }
    }
}
