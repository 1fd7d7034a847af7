//! Compiles the programs for BPF: first the small `core` and the crate `bpf`, then the programs;
//! only what has changed.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use crate::catalog::{Program, programs};

/// Why a program cannot be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A file cannot be read or written.
    #[error("failed to {what} {}: {source}", path.display())]
    File {
        /// The operation.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// rustc cannot be started.
    #[error("failed to start {command}: {source}; install rustup")]
    Start {
        /// The command.
        command: String,
        /// The error.
        source: io::Error,
    },
    /// rustc rejects the source.
    #[error("failed to compile {name} for BPF: {command}\n{messages}")]
    Rejected {
        /// The crate.
        name: String,
        /// The command.
        command: String,
        /// rustc's output.
        messages: String,
    },
}

/// Result of building a program.
#[derive(Clone, Debug)]
pub struct Built {
    /// The program.
    pub program: &'static Program,
    /// Its object.
    pub object: PathBuf,
    /// Whether it was compiled; otherwise it was up to date.
    pub compiled: bool,
}

/// Flags for all crates. Symbols of the `v0` scheme are identifiers, as BTF requires for function
/// names. `-Z` options and `no_core` are unstable.
const FLAGS: [&str; 13] = [
    "-Zunstable-options",
    "--edition=2024",
    "-Ctarget-cpu=v4",
    "-Copt-level=2",
    "-Cpanic=abort",
    "-Ccodegen-units=1",
    "-Cdebuginfo=0",
    "-Coverflow-checks=off",
    "-Csymbol-mangling-version=v0",
    "-Cforce-unwind-tables=no",
    "--crate-type=rlib",
    // Tables of pointers to data are not supported: data can only point to functions.
    "-Cllvm-args=-switch-to-lookup=0",
    "-Dwarnings",
];

/// The folder of this package, with the sources.
fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the objects: `programs` in cargo's target folder.
fn output() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    target.map_or_else(|| sources().join("../../target"), PathBuf::from).join("programs")
}

/// The object of a program, compiled if necessary.
///
/// # Errors
///
/// If rustc is missing or rejects the source, or a file cannot be read or written.
pub fn object(program: &'static Program) -> Result<Vec<u8>, BuildError> {
    let built = Builder::new()?.program(program)?;
    fs::read(&built.object).map_err(file("read", &built.object))
}

/// Compiles every program that has changed.
///
/// # Errors
///
/// As [`object`].
pub fn build() -> Result<Vec<Built>, BuildError> {
    let builder = Builder::new()?;
    programs().iter().map(|program| builder.program(program)).collect()
}

/// The compiled crates that programs need. Holds the lock of the folder.
struct Builder {
    dir: PathBuf,
    /// Digest of everything that the crates were compiled from.
    key: u64,
    _lock: File,
}

impl Builder {
    fn new() -> Result<Self, BuildError> {
        let dir = output();
        fs::create_dir_all(&dir).map_err(file("create", &dir))?;
        let lock = dir.join("lock");
        let locked = File::create(&lock).and_then(|held| held.lock().map(|()| held));
        let mut hasher = DefaultHasher::new();
        hasher.write(version()?.as_bytes());
        FLAGS.iter().for_each(|flag| hasher.write(flag.as_bytes()));
        for folder in ["core", "core/src", "support"] {
            hash_folder(&sources().join(folder), &mut hasher)?;
        }
        let builder =
            Self { dir, key: hasher.finish(), _lock: locked.map_err(file("lock", &lock))? };
        if !builder.is_current("crates", builder.key)? {
            builder.crates()?;
            builder.record("crates", builder.key)?;
        }
        Ok(builder)
    }

    fn crates(&self) -> Result<(), BuildError> {
        for (name, source, with) in [
            ("core", "core/src/lib.rs", &[][..]),
            ("compiler_builtins", "core/compiler_builtins.rs", &["core"]),
            ("bpf", "support/lib.rs", &["core"]),
        ] {
            self.rustc(name, source, with, "link", &format!("lib{name}.rlib"))?;
        }
        Ok(())
    }

    fn program(&self, program: &'static Program) -> Result<Built, BuildError> {
        let Program { name, .. } = program;
        let source = format!("bpf/{name}.rs");
        let object = format!("{name}.o");
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.key);
        hash_file(&sources().join(&source), &mut hasher)?;
        let key = hasher.finish();
        let path = self.dir.join(&object);
        let compiled = !self.is_current(name, key)? || !path.exists();
        if compiled {
            self.rustc(name, &source, &["core", "bpf"], "obj", &object)?;
            self.record(name, key)?;
        }
        Ok(Built { program, object: path, compiled })
    }

    fn rustc(
        &self,
        name: &str,
        source: &str,
        with: &[&str],
        emit: &str,
        output: &str,
    ) -> Result<(), BuildError> {
        let mut command = Command::new(compiler());
        command
            .current_dir(sources())
            // `no_core` and custom targets are unstable; this makes the pinned stable compiler
            // accept them.
            .env("RUSTC_BOOTSTRAP", "1")
            .args(FLAGS)
            .arg("--target=support/target.json")
            .arg(format!("--crate-name={name}"))
            .arg(format!("--emit={emit}"))
            .arg("-L")
            .arg(&self.dir);
        for name in with {
            let library = self.dir.join(format!("lib{name}.rlib"));
            let mut argument = OsString::from(format!("--extern={name}="));
            argument.push(library);
            command.arg(argument);
        }
        command.arg("-o").arg(self.dir.join(output)).arg(source);
        let shown = format!("{command:?}");
        let done = command
            .output()
            .map_err(|source| BuildError::Start { command: shown.clone(), source })?;
        if done.status.success() {
            return Ok(());
        }
        Err(BuildError::Rejected {
            name: name.to_owned(),
            command: shown,
            messages: String::from_utf8_lossy(&done.stderr).trim_end().to_owned(),
        })
    }

    fn is_current(&self, name: &str, key: u64) -> Result<bool, BuildError> {
        let path = self.dir.join(format!("{name}.key"));
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text == format!("{key:016x}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(file("read", &path)(error)),
        }
    }

    /// Written last, so that an interrupted build is redone.
    fn record(&self, name: &str, key: u64) -> Result<(), BuildError> {
        let path = self.dir.join(format!("{name}.key"));
        fs::write(&path, format!("{key:016x}")).map_err(file("write", &path))
    }
}

/// The compiler that cargo uses, or rustup's choice for this folder.
fn compiler() -> OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The compiler's version.
fn version() -> Result<String, BuildError> {
    let mut command = Command::new(compiler());
    command.current_dir(sources()).arg("-vV");
    let shown = format!("{command:?}");
    let done = command.output().map_err(|source| BuildError::Start { command: shown, source })?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn hash_folder(folder: &Path, hasher: &mut DefaultHasher) -> Result<(), BuildError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(file("read", folder))? {
        let path = entry.map_err(file("read", folder))?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().try_for_each(|path| hash_file(path, hasher))
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) -> Result<(), BuildError> {
    let bytes = fs::read(path).map_err(file("read", path))?;
    hasher.write(path.as_os_str().as_encoded_bytes());
    hasher.write_usize(bytes.len());
    hasher.write(&bytes);
    Ok(())
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::File { what, path, source }
}
