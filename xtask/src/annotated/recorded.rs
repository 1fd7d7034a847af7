//! What the suite gives on a base without the series, recorded in the repository: nothing that held
//! there may fail with the series.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::kernel::cache::write_whole;
use crate::paths;
use crate::run::test_bpf::recorded::MadeWith;

/// Heads the file, which nobody should edit.
const HEAD: &str = "\
# What the kernel's progs/verifier_*.c give on this base without the series: by mode and file, how
# many tests held, and which did not.
# Written by: cargo xtask test kernel/verifier --series none --bless
";

/// The results of one base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    /// Where they are from.
    pub(crate) made_with: MadeWith,
    /// By mode, then by file.
    pub(crate) modes: BTreeMap<String, BTreeMap<String, OfFile>>,
}

/// The tests of one file in one mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfFile {
    /// How many held.
    pub(crate) held: usize,
    /// Names of those that did not.
    pub(crate) failed: Vec<String>,
}

/// What the series means to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    change: Vec<Change>,
}

/// A test that holds on the base and not with the series.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// `FILE/TEST`.
    test: String,
    /// Modes by name.
    modes: Vec<String>,
    /// Subject of the patch that changes it.
    pub(crate) patch: String,
    /// Why that is right.
    pub(crate) why: String,
}

impl Changes {
    /// Those of the repository.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is of another shape.
    pub(crate) fn load() -> Result<Self> {
        let path = paths::repository().join("kernel-patches/verifier/changes.toml");
        let failed = || format!("failed to read {}", path.display());
        let text = fs::read_to_string(&path).with_context(failed)?;
        toml::from_str(&text).with_context(failed)
    }

    /// The change of a test (`FILE/TEST`) in a mode.
    pub(crate) fn of(&self, mode: &str, test: &str) -> Option<&Change> {
        let is = |change: &&Change| change.test == test && change.modes.iter().any(|it| it == mode);
        self.change.iter().find(is)
    }
}

impl Recorded {
    /// The results of a base, `None` if none were recorded.
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

    /// Records the results.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn store(&self) -> Result<PathBuf> {
        let path = path(&self.made_with.base);
        let text = format!("{HEAD}\n{}", toml::to_string_pretty(self)?);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        write_whole(&path, text.as_bytes())?;
        Ok(path)
    }

    /// What a mode gave of a file.
    pub(crate) fn of(&self, mode: &str, file: &str) -> Option<&OfFile> {
        self.modes.get(mode)?.get(file)
    }
}

fn path(base: &str) -> PathBuf {
    // Not with_extension(), which takes the end of 7.3.4 for one.
    paths::repository().join("kernel-patches/verifier").join(format!("{base}.toml"))
}

fn parse(text: &str, base: &str) -> Result<Recorded> {
    let recorded: Recorded = toml::from_str(text)?;
    let MadeWith { base: of, patches, .. } = &recorded.made_with;
    ensure!(*patches == 0, "it was made with {patches} patches of the series, not with none");
    ensure!(of == base, "it was made with the base {of}, not {base}");
    Ok(recorded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::bases;
    use crate::kernel::series::{Patch, Series};

    fn text(base: &str, patches: usize) -> String {
        let made_with = MadeWith { base: base.into(), patches, key: "k".into() };
        let file = OfFile { held: 3, failed: vec!["a @unpriv".into()] };
        let files = BTreeMap::from([("verifier_x".to_owned(), file)]);
        let modes = BTreeMap::from([("jit".to_owned(), files)]);
        toml::to_string_pretty(&Recorded { made_with, modes }).unwrap()
    }

    #[test]
    fn results_of_a_patched_kernel_or_of_another_base_are_refused() {
        let recorded = parse(&text("7.3.4", 0), "7.3.4").unwrap();
        assert_eq!(recorded.of("jit", "verifier_x").unwrap().failed, ["a @unpriv"]);
        assert!(recorded.of("interp", "verifier_x").is_none());
        let error = |text: &str| parse(text, "7.3.4").unwrap_err().to_string();
        assert!(error(&text("7.3.4", 8)).contains("8 patches"));
        assert!(error(&text("7.4", 0)).contains("the base 7.4"));
    }

    #[test]
    fn every_change_belongs_to_a_patch_and_to_a_test_that_held() {
        let changes = Changes::load().unwrap();
        let known = ["interp", "jit", "jit-hardened"];
        for base in bases::all().unwrap() {
            let series = Series::load(&base.series_dir()).unwrap();
            let recorded = Recorded::load(&base.name).unwrap().expect("results are recorded");
            for change in &changes.change {
                let subject = |patch: &Patch| patch.subject() == change.patch;
                assert!(series.patches.iter().any(subject), "{change:?}");
                let (file, test) = change.test.split_once('/').expect("FILE/TEST");
                for mode in &change.modes {
                    assert!(known.contains(&mode.as_str()) && !change.why.is_empty());
                    let of_file = recorded.of(mode, file).expect("the file is recorded");
                    assert!(!of_file.failed.iter().any(|name| name == test), "{change:?}");
                }
            }
        }
    }

    /// Mainline runs `gotox` in the JIT alone.
    #[test]
    fn every_base_has_results_in_which_gotox_needs_the_jit() {
        for base in bases::all().unwrap() {
            let recorded = Recorded::load(&base.name).unwrap().expect("results are recorded");
            let gotox = |mode: &str| recorded.of(mode, "verifier_gotox").expect("gotox is there");
            assert!(gotox("jit").failed.is_empty() && gotox("jit").held > 20);
            assert!(gotox("interp").failed.iter().any(|name| name == "jump_table_ok"));
        }
    }
}
