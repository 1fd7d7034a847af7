//! What the guest of `cargo xtask shell` holds beside its recipe: busybox, bpftool, the cases.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use bpf_case::Case;
use bpf_wire::{Batch, Mode, Request, encode};
use goblin::elf::Elf;

use harness_host::needs::{BPFTOOL, BUSYBOX, find_program};
use harness_suites::lower::lower;
use harness_vm::image::Entry;

/// Where the dynamic linker looks by itself (ld.so(8)), here and in the guest.
const LIBRARIES: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// Files by their paths in the guest, with the folders above them.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Entry>,
}

impl Tree {
    /// Adds a file of the host, under its own path or another one.
    fn copy(&mut self, from: &Path, to: &str) -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("failed to read {}", from.display()))?;
        self.add(Entry::file(to, bytes, 0o755), to);
        Ok(())
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, bytes: Vec<u8>) {
        self.add(Entry::file(path, bytes, 0o644), path);
    }

    fn add(&mut self, entry: Entry, path: &str) {
        self.files.insert(path.to_owned(), entry);
    }

    /// The entries, each folder before what is in it.
    pub fn entries(self) -> Vec<Entry> {
        let mut folders = BTreeSet::new();
        for path in self.files.keys() {
            let above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
            folders.extend(above.filter(|path| *path != "/").map(str::to_owned));
        }
        let folders = folders.iter().map(|path| Entry::folder(path));
        folders.chain(self.files.into_values()).collect()
    }
}

/// Adds busybox and a link for each of its applets.
///
/// # Errors
///
/// When the host has none, or a library of it is missing.
pub fn busybox(tree: &mut Tree) -> Result<()> {
    let path = find_program(BUSYBOX).context("the host lacks busybox")?;
    program(&path, BUSYBOX, tree)?;
    let output = Command::new(&path).arg("--list").output().context("failed to run busybox")?;
    ensure!(output.status.success(), "busybox --list failed: {}", output.status);
    for applet in String::from_utf8_lossy(&output.stdout).lines() {
        let at = format!("/bin/{applet}");
        if applet != BUSYBOX {
            tree.add(Entry::link(&at, BUSYBOX), &at);
        }
    }
    // Without these the guest ends in a panic that says nothing of them.
    for applet in ["cttyhack", "init", "mount", "reboot", "setsid", "sh", "stty", "usleep"] {
        ensure!(
            tree.files.contains_key(&format!("/bin/{applet}")),
            "{} has no applet {applet}; install with:\n  apt-get install -y busybox-static",
            path.display()
        );
    }
    Ok(())
}

/// Adds bpftool and its libraries; says what it is that is missing, if so.
///
/// # Errors
///
/// When there is one, and it cannot be read.
pub fn bpftool(tree: &mut Tree) -> Result<Option<String>> {
    let Some(path) = find_program(BPFTOOL) else {
        let how = "apt-get install -y bpftool";
        return Ok(Some(format!("the host lacks bpftool, so that the guest has none: {how}")));
    };
    match program(&path, BPFTOOL, tree) {
        Ok(()) => Ok(None),
        Err(error) => Ok(Some(format!("the guest has no bpftool: {error:#}"))),
    }
}

/// Adds a program of the host to /bin, and the libraries that it is linked with to where they are on
/// the host.
fn program(path: &Path, name: &str, tree: &mut Tree) -> Result<()> {
    for library in libraries(path)? {
        let at = library.to_str().context("a library's path is not UTF-8")?;
        tree.copy(&library, at)?;
    }
    tree.copy(path, &format!("/bin/{name}"))
}

/// The libraries that a program is linked with, and those of these, and the dynamic linker; none if
/// it is linked statically.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut left = VecDeque::from([program.to_owned()]);
    while let Some(path) = left.pop_front() {
        let failed = || format!("failed to read {}", path.display());
        let bytes = fs::read(&path).with_context(failed)?;
        ensure!(bytes.starts_with(b"\x7fELF"), "{} is a script, not the program", path.display());
        let elf = Elf::parse(&bytes).with_context(failed)?;
        let interpreter = elf.interpreter.map(PathBuf::from);
        for needed in
            elf.libraries.iter().map(|name| library(name, &path)).chain(interpreter.map(Ok))
        {
            let needed = needed?;
            if !found.contains(&needed) {
                found.push(needed.clone());
                left.push_back(needed);
            }
        }
    }
    Ok(found)
}

fn library(name: &str, of: &Path) -> Result<PathBuf> {
    let at =
        LIBRARIES.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    match at {
        Some(path) => Ok(path),
        None => bail!("{} is linked with {name}, which is in no usual place", of.display()),
    }
}

/// Adds the cases: their objects under /objects, and under /cases what `bpf-case` executes.
///
/// # Errors
///
/// When one does not compile.
pub fn cases(cases: &[Case], tree: &mut Tree) -> Result<()> {
    for case in cases {
        let failed = || format!("failed to compile the case {}", case.name);
        let object = case.source.object().with_context(failed)?;
        let plan = case.plan().with_context(failed)?;
        let steps = lower(case, &plan).steps;
        // `bpf-case` sets the mode that it is told.
        let batch = Batch { name: case.name.clone(), mode: Mode::Jit, steps };
        let record = encode(0, &Request::Batch(batch)).with_context(failed)?;
        tree.file(&format!("/objects/{}.o", case.name), object);
        tree.file(&format!("/cases/{}", case.name), record);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bpf_case::builder::accepts;
    use bpf_wire::Decoder;

    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut tree = Tree::default();
        tree.file("/a/b/c", vec![1]);
        tree.file("/a/d", vec![2]);
        let entries = tree.entries();
        let file = |path, byte| Entry::file(path, vec![byte], 0o644);
        let expected =
            [Entry::folder("/a"), Entry::folder("/a/b"), file("/a/b/c", 1), file("/a/d", 2)];
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_case_is_an_object_and_a_batch() {
        let case: Case = accepts("t/one", "x", "r0 = 7\nexit").run(vec![], 7).into();
        let mut tree = Tree::default();
        cases(std::slice::from_ref(&case), &mut tree).unwrap();
        let object = case.source.object().unwrap();
        let expected = Entry::file("/objects/t/one.o", object, 0o644);
        assert_eq!(tree.files.get("/objects/t/one.o"), Some(&expected));
        let steps = lower(&case, &case.plan().unwrap()).steps;
        let batch = Request::Batch(Batch { name: "t/one".to_owned(), mode: Mode::Jit, steps });
        let record = encode(0, &batch).unwrap();
        let expected = Entry::file("/cases/t/one", record.clone(), 0o644);
        assert_eq!(tree.files.get("/cases/t/one"), Some(&expected));
        let mut decoder = Decoder::<Request>::new();
        decoder.push(&record);
        assert_eq!(decoder.pop().unwrap().unwrap().body, batch);
    }

    #[test]
    fn a_program_comes_with_its_libraries_or_says_why_not() {
        let found = libraries(Path::new("/bin/sh")).unwrap();
        let named = |part: &str| found.iter().any(|path| path.to_string_lossy().contains(part));
        // Either it needs nothing, or a C library and its dynamic linker.
        assert!(found.is_empty() || named("libc") && named("ld"), "{found:?}");
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        let error = libraries(&script).unwrap_err().to_string();
        assert!(error.contains("is a script"), "{error}");
        let error = library("libnone.so.7", &script).unwrap_err().to_string();
        assert!(error.contains("libnone.so.7"), "{error}");
    }
}
