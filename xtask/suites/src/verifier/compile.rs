//! Compiles the kernel's `progs/verifier_*.c` with clang. What was compiled once, or cannot be
//! compiled, is kept under a digest of all that went in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use harness_host::exit::Stop;
use harness_host::files::write_whole;
use harness_host::needs;
use harness_host::{interrupt, paths, programs};
use harness_kernel::key::Digester;

/// A program that the host needs for this alone.
struct Tool {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

/// The compiler, by its version: the first that makes jump tables.
const CLANG: Tool = Tool {
    program: "clang-22",
    package: "clang-22",
    purpose: "compiles the kernel's own tests of the verifier",
};
/// Runs the script that makes the header of the helpers.
const PYTHON: Tool = Tool {
    program: "python3",
    package: "python3-minimal",
    purpose: "makes the header of BPF's helpers",
};

/// The folder of the selftests in a kernel's tree.
const SELFTESTS: &str = "tools/testing/selftests/bpf";
/// The header of helpers, which is made.
const HELPER_DEFS: &str = "bpf_helper_defs.h";

/// Flags of the selftests' own Makefile (`BPF_CFLAGS`, and those of the instance `cpuv4`).
const FLAGS: [&str; 14] = [
    "-g",
    "-O2",
    "--target=bpfel",
    "-mcpu=v4",
    "-mlittle-endian",
    "-std=gnu11",
    "-fno-strict-aliasing",
    "-fms-extensions",
    "-D__TARGET_ARCH_x86",
    "-DENABLE_ATOMICS_TESTS",
    "-Wno-everything",
    "-idirafter",
    "/usr/include/x86_64-linux-gnu",
    "-c",
];

/// What clang 22 says where a function has a jump table and another switch became a table of pointers,
/// which it then leaves out, and the flags without which no switch becomes one.
const LOST_TABLE: &str = "Undefined temporary symbol .Lswitch.table";
const NO_LOOKUP_TABLES: [&str; 2] = ["-mllvm", "-switch-to-lookup=false"];

/// One source and what became of it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Name of the file without extension: `verifier_gotox`.
    pub name: String,
    /// The object, or why there is none.
    pub object: Result<Vec<u8>, String>,
}

/// Compiles all of them, in the order of their names.
///
/// # Errors
///
/// [`Stop::HostLacks`] when there is no clang or Python; when the tree or the cache cannot be read.
pub fn compile(tree: &Path) -> Result<Vec<Compiled>> {
    let clang = find(&CLANG)?;
    let python = find(&PYTHON)?;
    let cache = paths::cache()?.join("verifier");
    fs::create_dir_all(&cache).with_context(|| format!("failed to create {}", cache.display()))?;

    let version = programs::read(Command::new(&clang).arg("--version"))?;
    let selftests = tree.join(SELFTESTS);
    let headers = headers(tree, &selftests)?;
    let included = cache.join(format!("include-{headers}"));
    helper_defs(&python, tree, &included)?;
    let compiler =
        Compiler { clang, version, tree, selftests: &selftests, included, headers, cache };
    let sources = sources(&selftests)?;
    ensure!(!sources.is_empty(), "{} has no verifier_*.c", selftests.join("progs").display());
    compiler.all(&sources)
}

fn find(tool: &Tool) -> Result<PathBuf, Stop> {
    let Tool { program, package, purpose } = tool;
    needs::find_program(program).ok_or_else(|| {
        Stop::HostLacks(format!(
            "the host lacks {program} ({purpose}); install with:\n  apt-get install -y {package}"
        ))
    })
}

/// Makes sure that the host has what it takes.
///
/// # Errors
///
/// [`Stop::HostLacks`] with the command that installs what is missing.
pub fn ensure() -> Result<(), Stop> {
    [CLANG, PYTHON].iter().try_for_each(|tool| find(tool).map(drop))
}

/// Whether the tests of an object are run without `CAP_SYS_ADMIN` by the tree's own runner
/// (`prog_tests/verifier.c`: `RUN()` and `run_tests_aux()`).
pub fn without_sys_admin(tree: &Path, name: &str) -> bool {
    let runner = tree.join(SELFTESTS).join("prog_tests/verifier.c");
    let text = fs::read_to_string(runner).unwrap_or_default();
    text.contains(&format!("RUN({name})")) || text.contains(&format!("run_tests_aux(\"{name}\""))
}

fn sources(selftests: &Path) -> Result<Vec<PathBuf>> {
    let folder = selftests.join("progs");
    let mut sources: Vec<PathBuf> = files(&folder)?
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("verifier_") && name.ends_with(".c")
        })
        .collect();
    sources.sort();
    Ok(sources)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = || format!("failed to read {}", folder.display());
    let entries = fs::read_dir(folder).with_context(failed)?;
    entries.map(|entry| Ok(entry.with_context(failed)?.path())).collect()
}

/// Digest of every header that a source may include, by path and content, and of what makes one.
fn headers(tree: &Path, selftests: &Path) -> Result<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![tree.join("tools/include"), tree.join("tools/lib")];
    for folder in [selftests.to_owned(), selftests.join("progs")] {
        found.extend(files(&folder)?);
    }
    folders.push(selftests.join("libarena"));
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for path in files(&folder)? {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    let mut digester = Digester::new("headers");
    // Links to headers of the kernel itself lead nowhere here.
    let header = |path: &&PathBuf| path.extension().is_some_and(|it| it == "h") && path.is_file();
    for path in found.iter().filter(header) {
        let read = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        let name = path.strip_prefix(tree).unwrap_or(path).to_string_lossy().into_owned();
        digester.field("path", name).field("content", read);
    }
    let script = script(tree);
    let read = fs::read(&script).with_context(|| format!("failed to read {}", script.display()))?;
    digester.field("script", read);
    Ok(digester.finish())
}

fn script(tree: &Path) -> PathBuf {
    tree.join("scripts/bpf_doc.py")
}

/// Makes `bpf_helper_defs.h` as `tools/lib/bpf/Makefile` does.
fn helper_defs(python: &Path, tree: &Path, folder: &Path) -> Result<()> {
    let header = folder.join(HELPER_DEFS);
    if header.is_file() {
        return Ok(());
    }
    let uapi = tree.join("tools/include/uapi/linux/bpf.h");
    let (shell, script) = (Shell::new()?, script(tree));
    let text = programs::read(&mut cmd!(shell, "{python} {script} --header --file {uapi}").into())?;
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    write_whole(&header, text.as_bytes())
}

struct Compiler<'a> {
    clang: PathBuf,
    version: String,
    tree: &'a Path,
    selftests: &'a Path,
    included: PathBuf,
    headers: String,
    cache: PathBuf,
}

impl Compiler<'_> {
    /// Compiles on as many processors as there are.
    fn all(&self, sources: &[PathBuf]) -> Result<Vec<Compiled>> {
        let next = AtomicUsize::new(0);
        let done: Mutex<BTreeMap<usize, Result<Compiled>>> = Mutex::default();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(source) = sources.get(at) else { break };
                        let compiled = interrupt::check().and_then(|()| self.one(source));
                        let failed = compiled.is_err();
                        if let Ok(mut done) = done.lock() {
                            done.insert(at, compiled);
                        }
                        if failed {
                            break;
                        }
                    }
                });
            }
        });
        let done = done.into_inner().unwrap_or_default();
        let compiled: Vec<Compiled> = done.into_values().collect::<Result<_>>()?;
        ensure!(compiled.len() == sources.len(), "a thread that compiles has stopped");
        Ok(compiled)
    }

    fn one(&self, source: &Path) -> Result<Compiled> {
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text =
            fs::read(source).with_context(|| format!("failed to read {}", source.display()))?;
        let mut digester = Digester::new("annotated object");
        digester
            .field("compiler", &self.version)
            .field("flags", FLAGS.join(" "))
            .field("headers", &self.headers)
            .field("source", text);
        let key = digester.finish();
        let object = self.cache.join(format!("{name}-{key}.o"));
        let refusal = object.with_extension("skipped");
        if let Ok(bytes) = fs::read(&object) {
            return Ok(Compiled { name, object: Ok(bytes) });
        }
        if let Ok(reason) = fs::read_to_string(&refusal) {
            return Ok(Compiled { name, object: Err(reason) });
        }
        let object = match self.clang(source)? {
            Ok(bytes) => {
                write_whole(&object, &bytes)?;
                Ok(bytes)
            }
            Err(messages) => {
                let reason = reason(&messages);
                write_whole(&refusal, reason.as_bytes())?;
                Err(reason)
            }
        };
        Ok(Compiled { name, object })
    }

    /// The object, or what clang says.
    fn clang(&self, source: &Path) -> Result<Result<Vec<u8>, String>> {
        let tried = self.clang_with(source, &[])?;
        match &tried {
            Err(messages) if messages.contains(LOST_TABLE) => {
                self.clang_with(source, &NO_LOOKUP_TABLES)
            }
            _ => Ok(tried),
        }
    }

    fn clang_with(&self, source: &Path, flags: &[&str]) -> Result<Result<Vec<u8>, String>> {
        let file = tempfile::NamedTempFile::new_in(&self.cache).context("failed to make a file")?;
        let mut command = Command::new(&self.clang);
        command.args(FLAGS).args(flags);
        for folder in [
            &self.included,
            self.selftests,
            &self.tree.join("tools/include/uapi"),
            &self.tree.join("tools/include"),
            &self.selftests.join("libarena/include"),
            &self.tree.join("tools/lib"),
        ] {
            command.arg("-I").arg(folder);
        }
        command.arg(source).arg("-o").arg(file.path());
        let output = interrupt::output(&mut command, &[])
            .with_context(|| format!("failed to start {command:?}"))?;
        if !output.status.success() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(Ok(fs::read(file.path()).context("failed to read what clang wrote")?))
    }
}

/// Why a source cannot be compiled: clang's first error.
fn reason(messages: &str) -> String {
    let error = messages.lines().find_map(|line| line.split_once("error: "));
    match error {
        Some((_, what)) if what.starts_with("'vmlinux.h'") => {
            "it includes vmlinux.h, the types of a kernel with BTF, which is not made here"
                .to_owned()
        }
        Some((_, what)) => format!("clang: {what}"),
        None => format!("clang: {}", messages.lines().next().unwrap_or("it says nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_clangs_first_error() {
        let messages = "In file included from x.c:3:\nx.h:3:1: error: one\nx.h:4:1: error: two\n";
        assert_eq!(reason(messages), "clang: one");
        assert!(reason("x.c:1:10: fatal error: 'vmlinux.h' file not found").contains("with BTF"));
        assert_eq!(reason(""), "clang: it says nothing");
    }

    #[test]
    fn the_digest_follows_every_header() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path();
        let selftests = tree.join(SELFTESTS);
        for (path, text) in [
            ("tools/include/linux/a.h", "a"),
            ("tools/lib/bpf/b.h", "b"),
            ("scripts/bpf_doc.py", "s"),
            ("tools/testing/selftests/bpf/c.h", "c"),
            ("tools/testing/selftests/bpf/progs/d.h", "d"),
            ("tools/testing/selftests/bpf/progs/verifier_x.c", "x"),
            ("tools/testing/selftests/bpf/prog_tests/verifier.c", "RUN(verifier_x); RUN_TESTS(y);"),
        ] {
            fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            fs::write(tree.join(path), text).unwrap();
        }
        let first = headers(tree, &selftests).unwrap();
        assert_eq!(headers(tree, &selftests).unwrap(), first);
        for path in ["tools/include/linux/a.h", "tools/testing/selftests/bpf/progs/d.h"] {
            fs::write(tree.join(path), "changed").unwrap();
            assert_ne!(headers(tree, &selftests).unwrap(), first, "{path}");
        }
        let found = sources(&selftests).unwrap();
        assert_eq!(found, [selftests.join("progs/verifier_x.c")]);
        assert!(without_sys_admin(tree, "verifier_x") && !without_sys_admin(tree, "y"));
    }
}
