//! What `kernel/verifier` gives on a base without the series, and what the series means to change of it.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::recorded::OfPart;
use harness_host::paths;

/// The results of one base, by mode and file.
pub type Recorded = crate::recorded::Recorded<OfFile>;

/// The tests of one file in one mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfFile {
    /// How many passed.
    pub passed: usize,
    /// Names of those that did not.
    pub failed: Vec<String>,
}

impl OfPart for OfFile {
    const SUITE: &str = "verifier";
    const ABOUT: &str = "\
What the kernel's progs/verifier_*.c give on this base without the series: by mode and file, how
# many tests passed, and which did not.";
}

/// What the series means to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    change: Vec<Change>,
}

/// A test that passes on the base and fails with the series.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// `FILE/TEST`.
    test: String,
    /// Modes by name.
    modes: Vec<String>,
    /// Subject of the patch that changes it.
    pub patch: String,
    /// Why that is right.
    pub why: String,
}

impl Changes {
    /// Those of the repository.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is of another shape.
    pub fn load() -> Result<Self> {
        let path = paths::repository().join("kernel-patches/verifier/changes.toml");
        let failed = || format!("failed to read {}", path.display());
        let text = fs::read_to_string(&path).with_context(failed)?;
        toml::from_str(&text).with_context(failed)
    }

    /// The change of a test (`FILE/TEST`) in a mode.
    pub fn of(&self, mode: &str, test: &str) -> Option<&Change> {
        let is = |change: &&Change| change.test == test && change.modes.iter().any(|it| it == mode);
        self.change.iter().find(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_kernel::bases;
    use harness_kernel::series::{Patch, Series};

    #[test]
    fn every_change_belongs_to_a_patch_and_to_a_test_that_passed() {
        let changes = Changes::load().unwrap();
        let known = ["interp", "jit", "jit-hardened"];
        for base in bases::all().unwrap() {
            let series = Series::load(&base.series_dir()).unwrap();
            if series.patches.is_empty() {
                continue;
            }
            let recorded = Recorded::load(&base.name).unwrap().expect("results are recorded");
            for change in &changes.change {
                let subject = |patch: &Patch| patch.subject() == change.patch;
                assert!(series.patches.iter().any(subject), "{change:?}");
                let (file, test) = change.test.split_once('/').expect("FILE/TEST");
                for mode in &change.modes {
                    assert!(known.contains(&mode.as_str()) && !change.why.is_empty());
                    let of_file = &recorded.of(mode).expect("the mode is recorded")[file];
                    assert!(!of_file.failed.iter().any(|name| name == test), "{change:?}");
                }
            }
        }
    }

    /// Mainline runs `gotox` in the JIT alone.
    #[test]
    fn recorded_results_show_that_gotox_needs_the_jit() {
        for base in bases::all().unwrap() {
            // Without a series there is nothing to compare, so that results may be missing.
            let Some(recorded) = Recorded::load(&base.name).unwrap() else {
                assert_ne!(base.name, bases::default_name());
                continue;
            };
            let gotox =
                |mode: &str| &recorded.of(mode).expect("the mode is recorded")["verifier_gotox"];
            assert!(gotox("jit").failed.is_empty() && gotox("jit").passed > 20);
            assert!(gotox("interp").failed.iter().any(|name| name == "jump_table_ok"));
        }
    }
}
