//! From a request to a built kernel: from the cache where nothing changed, else by make.

pub mod bench;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use super::bases::{self, Base};
use super::boot::BootOptions;
use super::cache::{Cache, Entry};
use super::config::{self, Fragments};
use super::key::{BUILDER_VERSION, Digester, Ingredients};
use super::linux::{Fingerprint, LinuxTree};
use super::make::Make;
use super::series::{Patch, Selection, Series};
use super::source::digest::Sha256Sum;
use super::source::{self, Tarball};
use super::toolchain::Toolchain;
use super::tree::Tree;
use harness_host::exit::Stop;
use harness_host::files::Lock;
use harness_host::paths;
use harness_results::facts::KernelFacts;

const VMLINUX: &str = "vmlinux";
const TEST_BPF: &str = "test_bpf.ko";
const CONFIG: &str = "config";
const LOG: &str = "build.log";

/// Which kernel is wanted.
#[derive(Clone, Debug)]
pub struct KernelRequest {
    /// The base's name in `bases.toml`. With `linux`: the base whose series goes on top.
    pub base: String,
    /// The user's own tree.
    pub linux: Option<PathBuf>,
    /// How much of the series; unset is all on a base, and nothing at all on a tree of the user's.
    pub selection: Option<Selection>,
    /// Config fragments beside `base`.
    pub config: Vec<String>,
    /// Patches to select from instead of the repository's.
    pub series: Option<Series>,
    /// The cache directory, if not the usual one.
    pub cache: Option<PathBuf>,
    /// The folder of the fragments, if not the repository's.
    pub fragments: Option<PathBuf>,
    /// A deliberate fault on top of the series. What is built with it is kept apart.
    pub mutant: Option<Patch>,
}

impl KernelRequest {
    /// A base with its whole series.
    pub fn of_base(name: &str) -> Self {
        Self {
            base: name.to_owned(),
            linux: None,
            selection: None,
            config: Vec::new(),
            series: None,
            cache: None,
            fragments: None,
            mutant: None,
        }
    }
}

/// A kernel that is ready to boot, in the cache.
#[derive(Clone, Debug)]
pub struct BuiltKernel {
    /// The uncompressed kernel, an ELF file with a PVH entry.
    pub vmlinux: PathBuf,
    /// lib/test_bpf.ko, if the configuration has it as a module.
    pub test_bpf: Option<PathBuf>,
    /// The build's key.
    pub key: String,
    /// The final .config.
    pub config: PathBuf,
    /// All that make wrote.
    pub log: PathBuf,
    /// The base's name, or the path of the user's tree.
    pub base: String,
    /// How much of the series.
    pub series: Selection,
    /// How many patches that were, without a mutant.
    pub patches_applied: usize,
    /// Digest of the contents of all patches, a mutant's included.
    pub series_digest: String,
    /// Names of the configs beside `base`.
    pub configs: Vec<String>,
    /// Versions of compiler, assembler and linker, a line each.
    pub toolchain: String,
    /// How long the build took, if there was one.
    pub took: Option<Duration>,
    /// Whether nothing had to be built.
    pub from_cache: bool,
    /// What `uname -r` says in it.
    pub release: String,
    /// How to start it.
    pub boot: BootOptions,
}

impl BuiltKernel {
    /// What identifies it in reports; `release` is what the guest says.
    ///
    /// # Errors
    ///
    /// When its configuration cannot be read.
    pub fn facts(&self, release: String) -> Result<KernelFacts> {
        let config = fs::read(&self.config)
            .with_context(|| format!("failed to read {}", self.config.display()))?;
        Ok(KernelFacts {
            base: self.base.clone(),
            series: self.series.to_string(),
            series_digest: self.series_digest.clone(),
            patches: self.patches_applied,
            configs: self.configs.clone(),
            config_digest: Sha256Sum::of(Sha256::new_with_prefix(config)).to_string(),
            toolchain: self.toolchain.lines().map(str::to_owned).collect(),
            key: self.key.clone(),
            release,
        })
    }
}

/// Builds the kernel, or finds it in the cache.
///
/// # Errors
///
/// Whatever stands in the way: no source, [`super::patch::DoesNotApply`],
/// [`config::DroppedOptions`], [`super::make::MakeFailed`], and the errors of [`harness_host::exit::Stop`].
pub fn build(request: &KernelRequest) -> Result<BuiltKernel> {
    let plan = Plan::new(request)?;
    if let Some(built) = plan.find()? {
        return Ok(built);
    }
    let lock = plan.lock()?;
    // Whoever held the lock may have built just this.
    if let Some(built) = plan.find()? {
        return Ok(built);
    }
    let start = Instant::now();
    let source = plan.place_source()?;
    let home = plan.home()?;
    let objects = home.join("objects").join(plan.fragments.name());
    let log = home.join(LOG);
    let make = Make::new(&source, &objects, &log, &plan.cache, &plan.toolchain, &lock)?;
    let config_id = plan.config_id();
    let config = match plan.cache.config(&config_id) {
        Some(config) => config,
        None => {
            let config = config::configure(&make, &plan.fragments)?;
            plan.cache.remember_config(&config_id, &config)?;
            config
        }
    };
    let key = plan.key(&config);
    if let Some(entry) = plan.cache.load(&key)? {
        return plan.built(&key, &entry, true);
    }
    make.place_config(&config)?;
    make.build(&plan.describe())?;
    let entry = plan.store(&key, &config, &objects, &log)?;
    Ok(BuiltKernel { took: Some(start.elapsed()), ..plan.built(&key, &entry, false)? })
}

/// A digest over all that decides on the key of a base's build and that is known before anything is
/// downloaded or configured: two requests with different keys have different ones.
///
/// # Errors
///
/// When the base, its series or a config cannot be read, or tools are missing; [`Stop::Usage`] for a
/// tree of the user's, which is read whole to know its key.
pub fn inputs_key(request: &KernelRequest) -> Result<String> {
    if request.linux.is_some() {
        return Err(Stop::Usage(
            "--print-key is for bases; what --linux names is known by its files alone".to_owned(),
        )
        .into());
    }
    let base = bases::find(&request.base)?;
    let folder = paths::repository().join("images/kernel");
    let series =
        Series::load(&base.series_dir())?.select(request.selection.unwrap_or(Selection::All))?;
    let mut digester = Digester::new("inputs");
    digester
        .field("builder", BUILDER_VERSION.to_le_bytes())
        .field("base", format!("{base:?}"))
        .field("series", series.digest(|_| true))
        .field("fragments", Fragments::load(&folder, &request.config)?.digest())
        .field("toolchain", Toolchain::probe()?.versions);
    Ok(digester.finish())
}

/// Subjects of the patches that the kernel of a base was built with.
///
/// # Errors
///
/// When the base's series cannot be read.
pub fn subjects(built: &BuiltKernel) -> Result<Vec<String>> {
    let base = bases::find(&built.base)?;
    let series = Series::load(&base.series_dir())?.select(built.series)?;
    Ok(series.patches.iter().map(Patch::subject).collect())
}

/// Where the source is.
#[derive(Clone, Debug)]
enum Origin {
    Base(Box<Base>, Tarball),
    AsIs(LinuxTree),
    Copy(LinuxTree),
}

/// A request with all that is needed to know whether its kernel is in the cache.
struct Plan {
    cache: Cache,
    origin: Origin,
    fingerprint: Fingerprint,
    selection: Selection,
    series: Series,
    fragments: Fragments,
    configs: Vec<String>,
    boot: BootOptions,
    toolchain: Toolchain,
    /// The name of the last patch, where that is a mutant.
    mutant: Option<String>,
}

impl Plan {
    fn new(request: &KernelRequest) -> Result<Self> {
        let dir = request.cache.clone().map_or_else(paths::cache, Ok)?;
        let mut cache = Cache::open(&dir)?;
        let folder = || paths::repository().join("images/kernel");
        let fragments = request.fragments.clone().unwrap_or_else(folder);
        let boot = BootOptions::load(&fragments, &request.config)?;
        let fragments = Fragments::load(&fragments, &request.config)?;
        let default = if request.linux.is_some() { Selection::None } else { Selection::All };
        let selection = request.selection.unwrap_or(default);
        let series = match &request.series {
            Some(series) => series.clone(),
            None if selection == Selection::None => Series::default(),
            None => Series::load(&bases::find(&request.base)?.series_dir())?,
        };
        let mut series = series.select(selection)?;
        let mutant = request.mutant.as_ref().map(|mutant| mutant.name.clone());
        if let Some(mutant) = &request.mutant {
            cache = cache.of_mutants();
            series.patches.push(mutant.clone());
        }
        let toolchain = Toolchain::probe()?;
        let (origin, fingerprint) = if let Some(linux) = &request.linux {
            let tree = LinuxTree::open(linux)?;
            let fingerprint = tree.fingerprint(&cache)?;
            let copy = request.selection.is_some_and(|selection| selection != Selection::None);
            (if copy { Origin::Copy(tree) } else { Origin::AsIs(tree) }, fingerprint)
        } else {
            let base = bases::find(&request.base)?;
            let tarball = source::obtain(&base, &dir)?;
            let all = tarball.sha256.to_string();
            let fingerprint = Fingerprint { kconfig: all.clone(), all };
            (Origin::Base(Box::new(base), tarball), fingerprint)
        };
        let configs = request.config.clone();
        Ok(Self {
            cache,
            origin,
            fingerprint,
            selection,
            series,
            fragments,
            configs,
            boot,
            toolchain,
            mutant,
        })
    }

    /// The directory of this source in the cache.
    fn home(&self) -> Result<PathBuf> {
        self.cache.source(&match &self.origin {
            Origin::Base(base, tarball) => base_home(&base.name, tarball),
            Origin::AsIs(tree) => tree.name(),
            Origin::Copy(tree) => tree.name() + "-copy",
        })
    }

    fn lock(&self) -> Result<Lock> {
        Lock::take(&self.home()?.join("lock"), &format!("the source of {}", self.base()))
    }

    fn base(&self) -> String {
        match &self.origin {
            Origin::Base(base, _) => base.name.clone(),
            Origin::AsIs(tree) | Origin::Copy(tree) => tree.dir().display().to_string(),
        }
    }

    fn describe(&self) -> String {
        let kernel = match self.patches() {
            0 => self.base(),
            1 => format!("{} with 1 patch", self.base()),
            count => format!("{} with {count} patches", self.base()),
        };
        match &self.mutant {
            None => kernel,
            Some(name) => format!("{kernel} and {name}"),
        }
    }

    /// How many patches of the series are applied.
    fn patches(&self) -> usize {
        self.series.patches.len() - usize::from(self.mutant.is_some())
    }

    /// Identifies what fragments come out as. Only patches that Kconfig can notice count, so that a
    /// change of any other needs no configuration.
    fn config_id(&self) -> String {
        let affects = |file: &String| config::affects(file);
        let mut digester = Digester::new("config");
        digester
            .field("builder", BUILDER_VERSION.to_le_bytes())
            .field("source", &self.fingerprint.kconfig)
            .field("series", self.series.digest(|patch| patch.files().iter().any(affects)))
            .field("fragments", self.fragments.digest())
            .field("toolchain", &self.toolchain.versions);
        digester.finish()
    }

    fn key(&self, config: &str) -> String {
        Ingredients {
            source: &self.fingerprint.all,
            series: &self.series.digest(|_| true),
            config,
            toolchain: &self.toolchain.versions,
        }
        .key()
    }

    /// The build, if it is in the cache. Runs neither git nor make.
    fn find(&self) -> Result<Option<BuiltKernel>> {
        let Some(config) = self.cache.config(&self.config_id()) else { return Ok(None) };
        let key = self.key(&config);
        self.cache.load(&key)?.map(|entry| self.built(&key, &entry, true)).transpose()
    }

    /// Brings the source to where make can build it.
    fn place_source(&self) -> Result<PathBuf> {
        let home = self.home()?;
        let (tree, base) = match &self.origin {
            Origin::AsIs(tree) => return Ok(tree.dir().to_owned()),
            Origin::Base(_, tarball) => base_tree(&home, tarball)?,
            Origin::Copy(linux) => {
                let tree = Tree::open(&home)?;
                let base = tree.import(linux.dir())?;
                (tree, base)
            }
        };
        tree.checkout(&tree.apply(&base, &self.series)?)?;
        Ok(tree.files())
    }

    fn store(&self, key: &str, config: &str, objects: &Path, log: &Path) -> Result<Entry> {
        let placed = objects.join(".config");
        if fs::read(&placed)? != config.as_bytes() {
            bail!("make changed its configuration {} while it was building", placed.display());
        }
        if let Origin::AsIs(tree) = &self.origin
            && tree.fingerprint(&self.cache)? != self.fingerprint
        {
            bail!("{} was changed while it was being built; start again", tree.dir().display());
        }
        let release = objects.join("include/config/kernel.release");
        let release = fs::read_to_string(&release)
            .with_context(|| format!("reading {}", release.display()))?;
        let vmlinux = objects.join("vmlinux");
        let module = objects.join("lib/test_bpf.ko");
        let mut files = vec![(VMLINUX, &*vmlinux), (CONFIG, &*placed), (LOG, log)];
        if config.lines().any(|line| line == "CONFIG_TEST_BPF=m") {
            files.push((TEST_BPF, &*module));
        }
        self.cache.store(key, release.trim(), &files)
    }

    fn built(&self, key: &str, entry: &Entry, from_cache: bool) -> Result<BuiltKernel> {
        let file =
            |name| entry.file(name).with_context(|| format!("cached kernel {key}: no {name}"));
        Ok(BuiltKernel {
            vmlinux: file(VMLINUX)?,
            test_bpf: entry.file(TEST_BPF),
            key: key.to_owned(),
            config: file(CONFIG)?,
            log: file(LOG)?,
            base: self.base(),
            series: self.selection,
            patches_applied: self.patches(),
            series_digest: self.series.digest(|_| true),
            configs: self.configs.clone(),
            toolchain: self.toolchain.versions.clone(),
            took: None,
            from_cache,
            release: entry.release.clone(),
            boot: self.boot.clone(),
        })
    }
}

pub(super) fn base_home(name: &str, tarball: &Tarball) -> String {
    format!("{name}-{}", &tarball.sha256.to_string()[..12])
}

fn base_tree(home: &Path, tarball: &Tarball) -> Result<(Tree, String)> {
    Tree::of_base(home, |dir| source::unpack(tarball, dir))
}

/// The source tree of a base, to work on. Others wait for as long as this is alive.
#[derive(Debug)]
pub struct BaseTree {
    /// The tree.
    pub tree: Tree,
    /// The base's commit.
    pub base: String,
    /// The folder of the base's patches.
    pub series_dir: PathBuf,
    _lock: Lock,
}

impl BaseTree {
    /// The tree of the base of this name, unpacked if need be.
    pub fn open(name: &str) -> Result<Self> {
        let dir = paths::cache()?;
        let base = bases::find(name)?;
        let tarball = source::obtain(&base, &dir)?;
        let home = Cache::open(&dir)?.source(&base_home(&base.name, &tarball))?;
        let lock = Lock::take(&home.join("lock"), &format!("the source of {name}"))?;
        let (tree, commit) = base_tree(&home, &tarball)?;
        Ok(Self { tree, base: commit, series_dir: base.series_dir(), _lock: lock })
    }
}

#[cfg(test)]
mod tests;
