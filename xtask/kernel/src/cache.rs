//! The cache's layout, and finished builds that appear whole or not at all.
//!
//! ```text
//! <cache>/kernel/builds/<key>/   vmlinux, test_bpf.ko, config, build.log, build.json
//! <cache>/kernel/mutants/<key>/  the same of mutants, which push no other build out
//! <cache>/kernel/configs/<id>    final .config of fragments on a source
//! <cache>/kernel/<source>/       lock, tree/ (git), objects/<fragments>/ (make O=), build.log
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::source::digest::Sha256Sum;
use harness_host::files::write_whole;
use harness_host::interrupt;
use harness_host::ui::errln;

/// Finished builds that a shelf keeps; the least recently used go first. Each is some 30 MB.
const KEPT_BUILDS: usize = 40;
/// The shelf of builds.
const BUILDS: &str = "builds";
/// The shelf of builds with a deliberate fault.
const MUTANTS: &str = "mutants";
const NOTE: &str = "build.json";

/// The part of the cache that belongs to kernels.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    /// The directory of finished builds.
    shelf: &'static str,
}

impl Cache {
    /// The kernels' part of the cache directory `cache`, made if need be.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or when make could not work below it: a path with blanks or colons.
    pub fn open(cache: &Path) -> Result<Self> {
        let root = cache.join("kernel");
        let text = root.to_string_lossy();
        if text.contains(|c: char| c.is_whitespace() || c == ':') {
            bail!(
                "the cache is at {text:?}: the kernel cannot be built below a path with blanks or \
                 colons; set BPF_INDIRECT_CACHE to another"
            );
        }
        for dir in [BUILDS, MUTANTS, "configs"].map(|name| root.join(name)) {
            fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        }
        Ok(Self { root, shelf: BUILDS })
    }

    /// The same cache with the shelf of mutants for finished builds.
    pub fn of_mutants(self) -> Self {
        Self { shelf: MUTANTS, ..self }
    }

    /// The cache's own root: paths below it are the same wherever it is moved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of one source, made if need be.
    pub fn source(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        Ok(dir)
    }

    /// The remembered configuration of this id, if it is there and undamaged.
    pub fn config(&self, id: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join("configs").join(id)).ok()?;
        let (digest, config) = text.split_once('\n')?;
        (digest == digest_of(config)).then(|| config.to_owned())
    }

    /// Remembers a configuration.
    pub fn remember_config(&self, id: &str, config: &str) -> Result<()> {
        let path = self.root.join("configs").join(id);
        write_whole(&path, format!("{}\n{config}", digest_of(config)).as_bytes())
    }

    fn entry(&self, key: &str) -> PathBuf {
        self.root.join(self.shelf).join(key)
    }

    /// The finished build of this key. One that is damaged is removed, with a line that says so.
    pub fn load(&self, key: &str) -> Result<Option<Entry>> {
        let dir = self.entry(key);
        if !dir.exists() {
            return Ok(None);
        }
        match Entry::open(&dir) {
            Ok(entry) => {
                // Marks the entry as used; a read-only cache does not matter.
                let _ = File::open(&dir).and_then(|dir| dir.set_modified(SystemTime::now()));
                Ok(Some(entry))
            }
            Err(error) => {
                errln!("cached kernel {key} is damaged and is built again: {error:#}");
                fs::remove_dir_all(&dir)
                    .with_context(|| format!("removing the damaged {}", dir.display()))?;
                Ok(None)
            }
        }
    }

    /// Makes a finished build of copies of `files` (name in the entry, where it is now). It appears
    /// by a rename.
    pub fn store(&self, key: &str, release: &str, files: &[(&str, &Path)]) -> Result<Entry> {
        let builds = self.root.join(self.shelf);
        self.prune(KEPT_BUILDS - 1)?;
        let new = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(&builds)
            .with_context(|| format!("making a directory in {}", builds.display()))?;
        let mut note = Note { release: release.to_owned(), files: Vec::new() };
        for (name, from) in files {
            let to = new.path().join(name);
            fs::copy(from, &to)
                .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
            File::open(&to)?.sync_all()?;
            note.files.push(Noted::of(&to, name)?);
        }
        let text = serde_json::to_string_pretty(&note)? + "\n";
        write_whole(&new.path().join(NOTE), text.as_bytes())?;
        interrupt::check()?;
        let dir = self.entry(key);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::rename(new.path(), &dir).with_context(|| format!("renaming to {}", dir.display()))?;
        let _ = new.keep();
        let names = note.files.into_iter().map(|noted| noted.name).collect();
        Ok(Entry { dir, release: note.release, names })
    }

    /// Removes the least recently used builds until `keep` are left, and what crashed processes left
    /// over a day ago.
    fn prune(&self, keep: usize) -> Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.root.join(self.shelf))? {
            let entry = entry?;
            let modified = entry.metadata()?.modified()?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                entries.push((modified, entry.path()));
            } else if modified.elapsed().is_ok_and(|age| age > Duration::from_secs(86_400)) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        entries.sort();
        for (_, dir) in entries.iter().take(entries.len().saturating_sub(keep)) {
            fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
        }
        Ok(())
    }
}

/// A finished build, checked.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its directory.
    pub dir: PathBuf,
    /// The kernel's release string.
    pub release: String,
    names: Vec<String>,
}

impl Entry {
    fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(NOTE);
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let note: Note =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
        for noted in &note.files {
            let path = dir.join(&noted.name);
            let size = fs::metadata(&path).with_context(|| path.display().to_string())?.len();
            if size != noted.size {
                bail!("{} has {size} bytes and should have {}", path.display(), noted.size);
            }
            let is = Noted::of(&path, &noted.name)?;
            if is.sha256 != noted.sha256 {
                bail!("{}: its SHA-256 is not {}", path.display(), noted.sha256);
            }
        }
        let names = note.files.into_iter().map(|noted| noted.name).collect();
        Ok(Self { dir: dir.to_owned(), release: note.release, names })
    }

    /// The path of one of its files, if it has it.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.names.iter().any(|have| have == name).then(|| self.dir.join(name))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    release: String,
    files: Vec<Noted>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    name: String,
    size: u64,
    sha256: Sha256Sum,
}

impl Noted {
    fn of(path: &Path, name: &str) -> Result<Self> {
        let mut size = 0;
        let sha256 = Sha256Sum::of_file(path, |read| size += read)
            .with_context(|| format!("reading {}", path.display()))?;
        Ok(Self { name: name.to_owned(), size, sha256 })
    }
}

fn digest_of(text: &str) -> String {
    let mut digester = super::key::Digester::new("file");
    digester.field("content", text);
    digester.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(dir: &Path) -> (Cache, Entry) {
        let cache = Cache::open(dir).unwrap();
        let file = dir.join("out");
        fs::write(&file, "kernel").unwrap();
        let entry = cache.store("k", "7.3.4", &[("vmlinux", &file)]).unwrap();
        (cache, entry)
    }

    #[test]
    fn what_is_stored_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, _) = stored(dir.path());
        let entry = cache.load("k").unwrap().unwrap();
        assert_eq!(fs::read(entry.file("vmlinux").unwrap()).unwrap(), b"kernel");
        assert_eq!(entry.release, "7.3.4");
        assert_eq!(entry.file("test_bpf.ko"), None);
        assert!(cache.load("other").unwrap().is_none());
        // Nothing else is left in the directory.
        assert_eq!(fs::read_dir(cache.root().join("builds")).unwrap().count(), 1);
    }

    #[test]
    fn damage_is_noticed_and_removed() {
        type Damage = fn(&Path);
        let damages: [Damage; 4] = [
            |entry| fs::write(entry.join("vmlinux"), "kern").unwrap(),
            |entry| fs::write(entry.join("vmlinux"), "KERNEL").unwrap(),
            |entry| fs::remove_file(entry.join("vmlinux")).unwrap(),
            |entry| fs::write(entry.join(NOTE), "{").unwrap(),
        ];
        for damage in damages {
            let dir = tempfile::tempdir().unwrap();
            let (cache, entry) = stored(dir.path());
            damage(&entry.dir);
            assert!(cache.load("k").unwrap().is_none());
            assert!(!entry.dir.exists());
        }
    }

    #[test]
    fn a_failed_store_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let error = cache.store("k", "r", &[("vmlinux", &dir.path().join("missing"))]);
        assert!(error.is_err());
        assert_eq!(fs::read_dir(cache.root().join("builds")).unwrap().count(), 0);
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, old) = stored(dir.path());
        let file = dir.path().join("out");
        let young = cache.store("young", "r", &[("vmlinux", &file)]).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(1000);
        File::open(&old.dir).unwrap().set_modified(long_ago).unwrap();
        cache.prune(1).unwrap();
        assert!(!old.dir.exists() && young.dir.exists());
    }

    #[test]
    fn a_damaged_config_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        cache.remember_config("c", "CONFIG_A=y\n").unwrap();
        assert_eq!(cache.config("c").as_deref(), Some("CONFIG_A=y\n"));
        let path = cache.root().join("configs/c");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("=y", "=m")).unwrap();
        assert_eq!(cache.config("c"), None);
    }

    #[test]
    fn a_cache_that_make_cannot_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Cache::open(&dir.path().join("my cache")).unwrap_err();
        assert!(error.to_string().contains("blanks"), "{error}");
    }
}
