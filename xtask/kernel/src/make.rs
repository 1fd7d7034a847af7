//! Runs the kernel's make, out of tree: the same command line and variables every time, all output
//! in a log, a progress bar, and the first compiler error when it fails.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use regex::Regex;
use thiserror::Error;

use super::cache::Cache;
use super::toolchain::Toolchain;
use harness_host::exit::Stop;
use harness_host::files::{Lock, write_whole};
use harness_host::interrupt::Group;
use harness_host::ui::Progress;

/// Variables of the caller's environment that change what make builds or how.
const UNWANTED: &[&str] = &[
    "ARCH",
    "C",
    "CC",
    "CFLAGS",
    "CROSS_COMPILE",
    "HOSTCC",
    "INSTALL_MOD_PATH",
    "KAFLAGS",
    "KBUILD_OUTPUT",
    "KBUILD_VERBOSE",
    "KCFLAGS",
    "KCONFIG_ALLCONFIG",
    "KCONFIG_CONFIG",
    "KCPPFLAGS",
    "LD",
    "LDFLAGS",
    "LLVM",
    "M",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "O",
    "SUBARCH",
    "V",
    "W",
];

/// Variables that make the same source give the same vmlinux: banner, release string.
const FIXED: &[(&str, &str)] = &[
    ("KBUILD_BUILD_TIMESTAMP", "1970-01-01"),
    ("KBUILD_BUILD_USER", "bpf-indirect"),
    ("KBUILD_BUILD_HOST", "localhost"),
    ("KBUILD_BUILD_VERSION", "1"),
    // Set though empty: keeps scripts/setlocalversion from adding "+" in a git tree.
    ("LOCALVERSION", ""),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("LC_ALL", "C"),
];

/// Object files that a first build of the fragment `base` compiles (7.3.4), until a build directory
/// remembers its own number.
const TYPICAL_OBJECTS: u64 = 1_100;
/// Where a build directory remembers that number.
const OBJECTS_NOTE: &str = ".bpf-indirect-objects";
/// How much of a log an error quotes when there is no compiler error in it.
const TAIL_LINES: usize = 15;

static INVOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// How often this process has started make.
pub fn invocations() -> usize {
    INVOCATIONS.load(Ordering::Relaxed)
}

/// make did not succeed.
#[derive(Debug, Error)]
#[error("{what} failed{}\nfull log: {}", quote(.error), .log.display())]
pub struct MakeFailed {
    /// What was being made.
    pub what: String,
    /// The first compiler error with what the compiler shows of the place; else the log's end.
    pub error: String,
    /// All that make wrote.
    pub log: PathBuf,
}

impl MakeFailed {
    /// As an error: itself, or [`Stop::HostLacks`] where it says nothing of the source because the
    /// disk or the memory did not suffice.
    fn into_error(self) -> anyhow::Error {
        if HOST.as_ref().is_some_and(|regex| regex.is_match(&self.error)) {
            let text = format!("{self}\nthis machine's disk or memory does not suffice");
            return Stop::HostLacks(text).into();
        }
        self.into()
    }
}

fn quote(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!(":\n{error}") }
}

/// A step of the configuration.
#[derive(Clone, Copy, Debug)]
pub enum Goal<'a> {
    /// A target of make.
    Target(&'a str),
    /// scripts/kconfig/merge_config.sh with these fragments.
    Merge(&'a [&'a Path]),
}

/// The make of one source tree and one build directory.
#[derive(Debug)]
pub struct Make {
    source: PathBuf,
    objects: PathBuf,
    log: PathBuf,
    base: PathBuf,
    ccache: bool,
    lock: File,
}

impl Make {
    /// Builds `source` in `objects`, which is made if need be, and logs to `log`. Each make holds
    /// `lock`, the source's, for as long as it runs.
    pub fn new(
        source: &Path,
        objects: &Path,
        log: &Path,
        cache: &Cache,
        toolchain: &Toolchain,
        lock: &Lock,
    ) -> Result<Self> {
        fs::create_dir_all(objects).with_context(|| format!("making {}", objects.display()))?;
        Ok(Self {
            source: source.to_owned(),
            objects: objects.to_owned(),
            log: log.to_owned(),
            base: cache.root().to_owned(),
            ccache: toolchain.ccache,
            lock: lock.share()?,
        })
    }

    /// The build directory.
    pub fn objects(&self) -> &Path {
        &self.objects
    }

    /// The source tree.
    pub fn source(&self) -> &Path {
        &self.source
    }

    fn prepare(&self, command: &mut Command) {
        for name in UNWANTED {
            command.env_remove(name);
        }
        command.envs(FIXED.iter().copied());
        // Paths below it are hashed as relative ones, so a moved cache still hits.
        command.env("CCACHE_BASEDIR", &self.base);
    }

    fn command(&self) -> Command {
        let mut command = Command::new("make");
        self.prepare(&mut command);
        let mut output = std::ffi::OsString::from("O=");
        output.push(&self.objects);
        command.arg("-C").arg(&self.source).arg(output);
        if self.ccache {
            command.arg("CC=ccache gcc");
        }
        command
    }

    /// Runs a step of the configuration on the file `config`.
    pub fn config(&self, config: &Path, goal: Goal<'_>) -> Result<()> {
        let (mut command, what) = match goal {
            Goal::Target(target) => {
                let mut command = self.command();
                command.arg(target);
                (command, format!("`make {target}`"))
            }
            Goal::Merge(fragments) => {
                let script = self.source.join("scripts/kconfig/merge_config.sh");
                let mut command = Command::new("sh");
                self.prepare(&mut command);
                command.current_dir(&self.objects);
                command.arg(script).arg("-m").arg(config).args(fragments);
                (command, "merging the config fragments".to_owned())
            }
        };
        command.env("KCONFIG_CONFIG", config);
        let log = self.log.with_file_name("config.log");
        run(&mut command, &self.lock, &what, &log, |_| {})
    }

    /// Puts `config` in place, unless it is there already: make looks at the file's time.
    pub fn place_config(&self, config: &str) -> Result<()> {
        let path = self.objects.join(".config");
        if fs::read(&path).is_ok_and(|have| have == config.as_bytes()) {
            return Ok(());
        }
        write_whole(&path, config.as_bytes())
    }

    /// Builds vmlinux and the modules of the kernel that people know as `name`, with all cores.
    ///
    /// The bar's length is what a first build compiles: remembered from the build directory's own
    /// first build, else typical. How much an incremental build will compile is not known before
    /// make has found out, so that only counts.
    ///
    /// # Errors
    ///
    /// [`MakeFailed`]; [`harness_host::exit::Stop::Interrupted`].
    pub fn build(&self, name: &str) -> Result<()> {
        let first = !self.objects.join("vmlinux").exists();
        let note = self.objects.join(OBJECTS_NOTE);
        let known = fs::read_to_string(&note).ok().and_then(|text| text.trim().parse().ok());
        let mut total = first.then(|| known.unwrap_or(TYPICAL_OBJECTS));
        let progress = Progress::count(total, format!("building kernel {name}"));
        let mut compiled = 0;
        let mut command = self.command();
        let jobs = available_parallelism().map_or(1, usize::from);
        command.arg(format!("-j{jobs}")).args(["vmlinux", "modules"]);
        let result = run(&mut command, &self.lock, "building the kernel", &self.log, |line| {
            if let Some(object) = compiled_object(line) {
                compiled += 1;
                if total.is_some_and(|total| total < compiled) {
                    total = Some(compiled);
                    progress.set_total(compiled);
                }
                progress.set(compiled);
                progress.detail(object);
            }
        });
        result?;
        // Otherwise the closing line gives the expected number.
        progress.set_total(compiled);
        progress.finish();
        if first && compiled > 0 && known.is_none() {
            write_whole(&note, compiled.to_string().as_bytes())?;
        }
        Ok(())
    }
}

/// The object that a line of make's short output says is compiled: `  CC [M]  lib/test_bpf.o`.
fn compiled_object(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let compiles = matches!(words.next()?, "CC" | "AS" | "HOSTCC");
    words.last().filter(|last| compiles && last.ends_with(".o"))
}

/// Runs a command, which holds `lock`; each line of its output goes to the log and to `each`.
fn run(
    command: &mut Command,
    lock: &File,
    what: &str,
    log: &Path,
    mut each: impl FnMut(&str),
) -> Result<()> {
    INVOCATIONS.fetch_add(1, Ordering::Relaxed);
    let context = || format!("writing {}", log.display());
    let mut file = File::create(log).with_context(context)?;
    writeln!(file, "{command:?}").with_context(context)?;
    // One pipe for both, so that errors stand in the log where they happened.
    let (reader, writer) = std::io::pipe().context("making a pipe")?;
    command.stdout(writer.try_clone()?).stderr(writer);
    // Standard input is empty, and as good a place as any to hold a lock.
    let stdin = lock.try_clone().context("sharing a lock")?;
    let mut group = Group::spawn(command, stdin).with_context(|| format!("starting {what}"))?;
    // Closes this process's copies: of the pipe's writing end, so that the reader sees its end, and
    // of the lock.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("reading make's output")? > 0 {
        file.write_all(&line).with_context(context)?;
        each(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    let status = group.wait()?;
    if !status.success() {
        drop(file);
        let text = fs::read(log).unwrap_or_default();
        let error = first_error(&String::from_utf8_lossy(&text));
        let what = format!("{what} ({status})");
        return Err(MakeFailed { what, error, log: log.to_owned() }.into_error());
    }
    Ok(())
}

/// What any program of a build says when the disk or the memory does not suffice.
static HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"No space left on device|Disk quota exceeded|Cannot allocate memory|Killed signal|: Killed$",
    )
    .ok()
});

/// The first error that is the host's; else the first error of compiler, assembler or linker in a log with the lines that belong to it; else
/// make's own first complaint; else the log's last lines.
fn first_error(log: &str) -> String {
    static COMPILER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"^\S+:\d+(:\d+)?: (fatal )?[Ee]rror: |undefined reference to |^ERROR: modpost: |^(ld|\S+/ld): .*(error|cannot|undefined)",
        )
        .ok()
    });
    static MAKE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^make(\[\d+\])?: \*\*\* |^\*\*\* |rror: ").ok());
    let lines: Vec<&str> = log.lines().collect();
    for regex in [&*HOST, &*COMPILER, &*MAKE].into_iter().flatten() {
        if let Some(at) = lines.iter().position(|line| regex.is_match(line)) {
            // gcc shows the source line and a caret, indented, below the message.
            let shown = lines[at + 1..]
                .iter()
                .take(4)
                .take_while(|line| line.starts_with("   ") || line.trim_start().starts_with('|'));
            return std::iter::once(&lines[at])
                .chain(shown)
                .copied()
                .collect::<Vec<_>>()
                .join("\n");
        }
    }
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_compiler_error_is_found() {
        let log = "  CC      kernel/a.o\n\
            include/x.h:3:1: warning: odd\n\
            kernel/a.c: In function 'f':\n\
            kernel/a.c:7:5: error: 'x' undeclared (first use in this function)\n\
            \u{20}   7 |     x = 1;\n\
            \u{20}     |     ^\n\
            kernel/a.c:9:5: error: second\n\
            make[3]: *** [scripts/Makefile.build:289: kernel/a.o] Error 1\n";
        assert_eq!(
            first_error(log),
            "kernel/a.c:7:5: error: 'x' undeclared (first use in this function)\n    7 |     x = 1;\n      |     ^"
        );
    }

    #[test]
    fn a_full_disk_is_no_fault_of_the_source() {
        let error = |error: &str| {
            let (what, log) = ("building the kernel".into(), PathBuf::from("l"));
            MakeFailed { what, error: error.into(), log }.into_error()
        };
        let full = error("cc1: fatal error: a.s: No space left on device");
        assert!(matches!(full.downcast_ref(), Some(Stop::HostLacks(_))), "{full}");
        assert!(error("a.c:1:1: error: expected ;").is::<MakeFailed>());
    }

    #[test]
    fn linker_and_make_errors_are_found() {
        let log = "  LD      vmlinux\nld: vmlinux.o: in function `f':\n\
            core.c:(.text+0x5): undefined reference to `g'\nmake: *** [Makefile:1] Error 1\n";
        assert_eq!(first_error(log), "core.c:(.text+0x5): undefined reference to `g'");
        let log = "  LD      vmlinux\nld: final link failed: No space left on device\n\
            make: *** [Makefile:1] Error 1\n";
        assert_eq!(first_error(log), "ld: final link failed: No space left on device");
        let log = "x\nmake[1]: *** No rule to make target 'y'.  Stop.\nmake: *** [z] Error 2\n";
        assert_eq!(first_error(log), "make[1]: *** No rule to make target 'y'.  Stop.");
        assert_eq!(first_error("a\nb\n"), "a\nb");
    }

    #[test]
    fn a_config_that_is_in_place_keeps_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let lock = Lock::take(&dir.path().join("lock"), "x").unwrap();
        let toolchain = Toolchain { versions: String::new(), ccache: false };
        let objects = dir.path().join("objects");
        let log = dir.path().join("log");
        let make = Make::new(dir.path(), &objects, &log, &cache, &toolchain, &lock).unwrap();
        let inode = || {
            use std::os::unix::fs::MetadataExt;
            fs::metadata(objects.join(".config")).unwrap().ino()
        };
        make.place_config("CONFIG_A=y\n").unwrap();
        let first = inode();
        make.place_config("CONFIG_A=y\n").unwrap();
        assert_eq!(inode(), first);
        make.place_config("CONFIG_A=m\n").unwrap();
        assert_eq!(fs::read(objects.join(".config")).unwrap(), b"CONFIG_A=m\n");
    }

    #[test]
    fn compiled_objects_are_counted() {
        assert_eq!(compiled_object("  CC      kernel/a.o"), Some("kernel/a.o"));
        assert_eq!(compiled_object("  CC [M]  lib/test_bpf.o"), Some("lib/test_bpf.o"));
        assert_eq!(compiled_object("  AR      kernel/built-in.a"), None);
        assert_eq!(compiled_object("  HOSTCC  scripts/kconfig/conf"), None);
        assert_eq!(compiled_object("  LD      vmlinux.o"), None);
    }
}
