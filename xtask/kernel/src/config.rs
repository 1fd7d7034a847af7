//! Kernel configuration: tinyconfig, fragments on top, and the proof that nothing asked for was
//! dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use thiserror::Error;

use super::boot;
use super::key::Digester;
use super::make::{Goal, Make};
use harness_host::exit::Stop;

/// The fragment that is always there.
const BASE: &str = "base";
const EXTENSION: &str = "config";

/// Config fragments, in the order in which they are merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragments {
    files: Vec<Fragment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragment {
    name: String,
    path: PathBuf,
    text: String,
}

impl Fragments {
    /// The fragment `base` and the named ones, from `folder`.
    ///
    /// # Errors
    ///
    /// [`Stop::Usage`] for a name that there is no fragment of; it lists those there are.
    pub fn load(folder: &Path, names: &[String]) -> Result<Self> {
        let mut files: Vec<Fragment> = Vec::new();
        for name in std::iter::once(BASE).chain(names.iter().map(String::as_str)) {
            if files.iter().any(|file| file.name == name) {
                continue;
            }
            let path = folder.join(name).with_extension(EXTENSION);
            let known = |path: &Path| !name.contains('/') && path.is_file();
            if name != BASE && !known(&path) && known(&path.with_extension(boot::EXTENSION)) {
                // Only the command line is another: the same build.
                continue;
            }
            if !known(&path) {
                let have = available(folder).join(", ");
                return Err(Stop::Usage(format!(
                    "no config {name:?} in {}; it has {have}",
                    folder.display()
                ))
                .into());
            }
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            files.push(Fragment { name: name.to_owned(), path, text });
        }
        Ok(Self { files })
    }

    /// The fragments' names: `base`, `base+kasan`. A build directory is named after it, so that a
    /// changed fragment is an incremental build.
    pub fn name(&self) -> String {
        self.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join("+")
    }

    /// Identifies the fragments' contents.
    pub fn digest(&self) -> String {
        let mut digester = Digester::new("fragments");
        for file in &self.files {
            digester.field("fragment", &file.text);
        }
        digester.finish()
    }

    /// What is asked for: value by option, without `CONFIG_`. A later fragment wins.
    fn requested(&self) -> BTreeMap<String, String> {
        self.files.iter().flat_map(|file| options(&file.text)).collect()
    }
}

fn available(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|ext| ext == EXTENSION || ext == boot::EXTENSION)
        })
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The options that a .config or fragment sets. `# CONFIG_X is not set` is `n`.
fn options(text: &str) -> BTreeMap<String, String> {
    let option = |line: &str| {
        let line = line.trim();
        if let Some(name) =
            line.strip_prefix("# CONFIG_").and_then(|l| l.strip_suffix(" is not set"))
        {
            return Some((name.to_owned(), "n".to_owned()));
        }
        let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(option).collect()
}

/// Options that the kernel's configuration did not take over.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the kernel's configuration drops what the fragments ask for:{}", lines(.0))]
pub struct DroppedOptions(pub Vec<Dropped>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    option: String,
    asked: String,
    got: String,
    hint: String,
}

impl fmt::Display for Dropped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, asked, got, hint } = self;
        write!(out, "CONFIG_{option}: asked for {asked}, got {got} ({hint})")
    }
}

fn lines(dropped: &[Dropped]) -> String {
    dropped.iter().map(|one| format!("\n  {one}")).collect()
}

/// Configures the kernel that `make` builds: the final .config, which is not yet in place.
///
/// # Errors
///
/// [`DroppedOptions`] with every option that is not in the result as it was asked for.
pub fn configure(make: &Make, fragments: &Fragments) -> Result<String> {
    // Beside .config: an interrupted or failed attempt leaves the build directory as it was.
    let file = make.objects().join(".config.new");
    let _ = fs::remove_file(&file);
    make.config(&file, Goal::Target("tinyconfig"))?;
    let paths: Vec<&Path> = fragments.files.iter().map(|file| file.path.as_path()).collect();
    make.config(&file, Goal::Merge(&paths))?;
    make.config(&file, Goal::Target("olddefconfig"))?;
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let dropped = dropped(&fragments.requested(), &options(&text), make.source());
    if !dropped.is_empty() {
        return Err(DroppedOptions(dropped).into());
    }
    let _ = fs::remove_file(&file);
    let _ = fs::remove_file(file.with_file_name(".config.new.old"));
    Ok(text)
}

fn dropped(
    asked: &BTreeMap<String, String>,
    got: &BTreeMap<String, String>,
    source: &Path,
) -> Vec<Dropped> {
    let mut dropped: Vec<_> = asked
        .iter()
        .filter_map(|(option, asked)| {
            let got = got.get(option).map_or("n", String::as_str);
            (asked != got).then(|| Dropped {
                option: option.clone(),
                asked: asked.clone(),
                got: got.to_owned(),
                hint: String::new(),
            })
        })
        .collect();
    if !dropped.is_empty() {
        let mut files = Vec::new();
        kconfig_files(source, source, &mut files);
        for one in &mut dropped {
            one.hint = hint(&one.option, &files, source);
        }
    }
    dropped
}

/// The Kconfig files that x86 reads, in some order.
fn kconfig_files(dir: &Path, root: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let other_arch = dir == root.join("arch") && name != "x86";
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !other_arch && name != ".git" && name != "Documentation" {
                kconfig_files(&path, root, files);
            }
        } else if name.to_string_lossy().starts_with("Kconfig") {
            files.push(path);
        }
    }
}

/// What Kconfig says an option needs.
fn hint(option: &str, files: &[PathBuf], root: &Path) -> String {
    let heads = [format!("config {option}"), format!("menuconfig {option}")];
    for path in files {
        let Ok(text) = fs::read_to_string(path) else { continue };
        let mut lines = text.lines();
        if !lines.any(|line| heads.iter().any(|head| line.trim_end() == head)) {
            continue;
        }
        let body: Vec<_> = lines
            .take_while(|line| line.is_empty() || line.starts_with(['\t', ' ']))
            .map(str::trim)
            .collect();
        let mut words: Vec<&str> =
            body.iter().copied().filter(|line| line.starts_with("depends on ")).collect();
        let prompt = ["bool \"", "tristate \"", "prompt \"", "int \"", "string \"", "hex \""];
        if !body.iter().any(|line| prompt.iter().any(|start| line.starts_with(start))) {
            words.push("has no prompt: only other options set it");
        }
        let place = path.strip_prefix(root).unwrap_or(path).display();
        return if words.is_empty() {
            format!("see {place}")
        } else {
            format!("{place}: {}", words.join(", "))
        };
    }
    "no Kconfig file has it".to_owned()
}

/// Whether a source file, named relative to the kernel's root, can change what fragments come out as.
pub fn affects(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.starts_with("Kconfig")
        || file == "Makefile"
        || file.starts_with("scripts/")
        || file.starts_with("kernel/configs/")
        || file.starts_with("arch/x86/configs/")
        || file == "arch/x86/Makefile"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    #[test]
    fn later_fragments_win() {
        let dir = folder(&[
            ("base.config", "# why\nCONFIG_A=y\nCONFIG_B=y\n"),
            ("small.config", "# CONFIG_B is not set\nCONFIG_C=\"x y\"\n"),
        ]);
        let fragments = Fragments::load(dir.path(), &["small".into(), "base".into()]).unwrap();
        assert_eq!(fragments.name(), "base+small");
        let requested = fragments.requested();
        let get = |name: &str| requested[name].as_str();
        assert_eq!((get("A"), get("B"), get("C")), ("y", "n", "\"x y\""));
    }

    #[test]
    fn an_unknown_fragment_lists_those_there_are() {
        let dir = folder(&[("base.config", ""), ("kasan.config", "")]);
        let error = Fragments::load(dir.path(), &["kcsan".into()]).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Stop::Usage(_))));
        assert!(error.to_string().contains("base, kasan"), "{error}");
    }

    #[test]
    fn a_config_that_is_but_a_command_line_shares_the_build() {
        let dir = folder(&[("base.config", "CONFIG_A=y\n"), ("lfence.toml", ""), ("a.toml", "")]);
        let load = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Fragments::load(dir.path(), &names)
        };
        assert_eq!(load(&["lfence"]).unwrap(), load(&[]).unwrap());
        let error = load(&["other"]).unwrap_err().to_string();
        assert!(error.contains("a, base, lfence"), "{error}");
    }

    #[test]
    fn dropped_options_are_all_listed_with_what_they_need() {
        let source = folder(&[
            (
                "net/Kconfig",
                "config NET_X\n\tbool \"x\"\n\tdepends on NET\n\thelp\n\t  X.\n\nconfig Y\n",
            ),
            ("lib/Kconfig", "config AUTO\n\tdef_bool NET\n"),
            ("arch/arm/Kconfig", "config AUTO\n\tdepends on ARM\n"),
        ]);
        let asked =
            options("CONFIG_NET_X=y\nCONFIG_AUTO=n\nCONFIG_FINE=m\nCONFIG_OFF=n\nCONFIG_NO=y\n");
        let got = options("CONFIG_AUTO=y\nCONFIG_FINE=m\n# CONFIG_OFF is not set\n");
        let error = DroppedOptions(dropped(&asked, &got, source.path())).to_string();
        assert_eq!(
            error,
            "the kernel's configuration drops what the fragments ask for:\n  \
             CONFIG_AUTO: asked for n, got y \
             (lib/Kconfig: has no prompt: only other options set it)\n  \
             CONFIG_NET_X: asked for y, got n (net/Kconfig: depends on NET)\n  \
             CONFIG_NO: asked for y, got n (no Kconfig file has it)"
        );
    }

    #[test]
    fn only_files_that_kconfig_reads_affect_it() {
        for file in ["Kconfig", "net/Kconfig", "lib/Kconfig.debug", "scripts/cc-version.sh"] {
            assert!(affects(file), "{file}");
        }
        for file in ["kernel/bpf/verifier.c", "kernel/bpf/Makefile", "include/linux/bpf.h"] {
            assert!(!affects(file), "{file}");
        }
    }
}
