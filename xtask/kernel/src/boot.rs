//! How the kernel of a config is started: the file `NAME.toml` beside, or in place of, the fragment
//! `NAME.config`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Extension of the files.
pub(super) const EXTENSION: &str = "toml";

/// What a guest with this kernel needs, and what its kernel has to say of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootOptions {
    /// Further arguments for the kernel's command line. The kernel takes the last where it is told
    /// twice.
    pub kernel_args: Vec<String>,
    /// Least memory in MiB.
    pub memory_mib: u32,
    /// Memory in MiB that the kernel may keep though nothing holds it any more, beside what every
    /// kernel does.
    pub keeps_mib: u32,
    /// Factor on every deadline.
    pub slowdown: u32,
    /// Properties of TCG's processor beside the usual ones, as `-cpu` takes them; or empty.
    pub tcg_cpu: String,
    /// How files under `/sys/devices/system/cpu/vulnerabilities` have to start: proof that the
    /// command line did what it is there for.
    pub vulnerabilities: BTreeMap<String, String>,
}

impl Default for BootOptions {
    fn default() -> Self {
        Self {
            kernel_args: Vec::new(),
            memory_mib: 0,
            keeps_mib: 0,
            slowdown: 1,
            tcg_cpu: String::new(),
            vulnerabilities: BTreeMap::new(),
        }
    }
}

/// The shape of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    kernel_args: Vec<String>,
    memory_mib: u32,
    keeps_mib: u32,
    slowdown: u32,
    tcg_cpu: String,
    vulnerabilities: BTreeMap<String, String>,
}

impl BootOptions {
    /// What the configs of these names ask for together, from `folder`. A name without a file asks
    /// for nothing.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is of another shape.
    pub fn load(folder: &Path, names: &[String]) -> Result<Self> {
        let mut boot = Self::default();
        for name in names {
            let path = folder.join(name).with_extension(EXTENSION);
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(error).with_context(|| format!("reading {}", path.display()));
                }
            };
            let file: File =
                toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
            boot.add(file);
        }
        Ok(boot)
    }

    fn add(&mut self, file: File) {
        self.kernel_args.extend(file.kernel_args);
        self.memory_mib = self.memory_mib.max(file.memory_mib);
        self.keeps_mib += file.keeps_mib;
        self.slowdown = self.slowdown.max(file.slowdown);
        if !file.tcg_cpu.is_empty() {
            self.tcg_cpu = file.tcg_cpu;
        }
        self.vulnerabilities.extend(file.vulnerabilities);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_host::paths;

    fn load(files: &[(&str, &str)], names: &[&str]) -> Result<BootOptions> {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        BootOptions::load(dir.path(), &names)
    }

    #[test]
    fn what_several_configs_ask_for_adds_up_and_the_later_one_wins() {
        let a = "kernel_args = [\"x=1\"]\nmemory_mib = 512\nkeeps_mib = 3\n[vulnerabilities]\nv = \"A\"\n";
        let b = "kernel_args = [\"x=2\", \"y\"]\nslowdown = 4\n[vulnerabilities]\nv = \"B\"\n";
        let boot = load(&[("a.toml", a), ("b.toml", b)], &["a", "plain", "b"]).unwrap();
        assert_eq!(boot.kernel_args, ["x=1", "x=2", "y"]);
        assert_eq!((boot.memory_mib, boot.keeps_mib, boot.slowdown), (512, 3, 4));
        assert_eq!(boot.vulnerabilities["v"], "B");
    }

    #[test]
    fn a_word_that_means_nothing_is_refused() {
        let error = load(&[("a.toml", "kernel_arg = []\n")], &["a"]).unwrap_err();
        assert!(format!("{error:#}").contains("kernel_arg"), "{error:#}");
    }

    #[test]
    fn every_file_of_the_repository_can_be_read() {
        let folder = paths::repository().join("images/kernel");
        let names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        assert!(names.len() >= 4, "{names:?}");
        BootOptions::load(&folder, &names).unwrap();
    }
}
