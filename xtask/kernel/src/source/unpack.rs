//! Unpacks a kernel source through dpkg-deb, xz and tar, all at once, to a directory that appears
//! whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Form, Tarball, space};
use harness_host::exit::Stop;
use harness_host::interrupt::Group;
use harness_host::ui::Progress;

/// Room that an unpacked kernel takes, by experience: ten times the archive (7.3.4: 1.64 GB of
/// files out of 166 MB, and 94,000 last blocks that are half empty).
const EXPANSION: u64 = 12;

/// Unpacks a tarball to the new directory `into`, without the tarball's top directory. The
/// directory's parent is created where it lacks; a leftover `<into>.unpacking` of a run that was
/// killed is removed, so the caller must hold a lock that keeps others off `into`.
///
/// # Errors
///
/// When `into` exists already, a tool is missing ([`Stop::HostLacks`]), the disk is full
/// ([`Stop::HostLacks`]), or the archive is damaged. `into` does not exist then.
pub fn unpack(tarball: &Tarball, into: &Path) -> Result<()> {
    if into.exists() {
        bail!("unpacking {}: {} exists already", tarball.path.display(), into.display());
    }
    let temporary = sibling(into);
    remove(&temporary)?;
    fs::create_dir_all(&temporary).with_context(|| format!("creating {}", temporary.display()))?;
    let result = fill(tarball, &temporary).and_then(|()| {
        fs::rename(&temporary, into)
            .with_context(|| format!("renaming {} to {}", temporary.display(), into.display()))
    });
    if result.is_err() {
        // The first error is the one to tell; the next run removes what this one could not.
        let _ = remove(&temporary);
    }
    result.with_context(|| format!("unpacking {}", tarball.path.display()))
}

fn sibling(into: &Path) -> PathBuf {
    let mut name = into.as_os_str().to_owned();
    name.push(".unpacking");
    name.into()
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn fill(tarball: &Tarball, dir: &Path) -> Result<()> {
    let mut file = File::open(&tarball.path).context("opening it")?;
    let size = file.metadata().context("asking for its size")?.len();
    space::require(dir, size.saturating_mul(EXPANSION))?;
    let name = tarball.path.file_name().unwrap_or_default().display();
    let progress = Progress::bytes(size, format!("unpacking {name}"));

    let mut pipeline = Pipeline::default();
    if tarball.form == Form::Debian {
        pipeline.add("dpkg-deb", &["--fsys-tarfile", "-"])?;
        // The one tarball that Debian's linux-source packages hold.
        let tar = ["-xO", "--wildcards", "./usr/src/linux-source-*.tar.xz"];
        pipeline.add("tar", &tar)?;
    }
    // Debian's file consists of blocks that xz decompresses in parallel.
    pipeline.add("xz", &["-dc", "-T0"])?;
    let target = dir.display().to_string();
    let tar = ["-x", "--strip-components=1", "--no-same-owner", "-C", &target];
    pipeline.add("tar", &tar)?;
    let fed = pipeline.feed(&mut file, |more| progress.inc(more));
    pipeline.finish(dir, size.saturating_mul(EXPANSION))?;
    fed.with_context(|| format!("reading {}", tarball.path.display()))?;
    if !dir.join("Makefile").exists() {
        bail!("there is no Makefile in the archive's top directory: it is not a kernel source");
    }
    progress.finish();
    Ok(())
}

/// Commands, each reading what the one before it writes.
#[derive(Default)]
struct Pipeline {
    input: Option<std::process::ChildStdin>,
    output: Option<std::process::ChildStdout>,
    stages: Vec<Stage>,
}

struct Stage {
    line: String,
    group: Group,
    errors: File,
}

impl Pipeline {
    fn add(&mut self, program: &str, args: &[&str]) -> Result<()> {
        let first = self.stages.is_empty();
        let input = self.output.take().map_or_else(Stdio::piped, Stdio::from);
        let errors = tempfile::tempfile().context("creating a temporary file")?;
        let mut command = Command::new(program);
        command.args(args).env("LC_ALL", "C").stdout(Stdio::piped());
        command.stderr(errors.try_clone()?);
        let mut group = Group::spawn(&mut command, input).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow::Error::new(Stop::HostLacks(format!(
                "{program} is not installed; it is in the Debian package {}",
                if program == "xz" { "xz-utils" } else { program.trim_end_matches("-deb") }
            ))),
            _ => anyhow::Error::new(error).context(format!("starting {program}")),
        })?;
        let (input, output) = group.pipes();
        if first {
            self.input = input;
        }
        self.output = output;
        let line = [program].iter().chain(args).copied().collect::<Vec<_>>().join(" ");
        self.stages.push(Stage { line, group, errors });
        Ok(())
    }

    /// Writes all of `from` to the first command. That a command stops reading is not an error here:
    /// its exit status tells more.
    fn feed(&mut self, from: &mut File, mut fed: impl FnMut(u64)) -> io::Result<()> {
        // The last command writes nothing there: tar -x without -v.
        drop(self.output.take());
        let Some(mut input) = self.input.take() else { return Ok(()) };
        let mut buffer = vec![0; 1 << 18];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            match input.write_all(&buffer[..length]) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
            fed(length as u64);
        }
    }

    /// Waits for all. Who only complains that nobody read on is not quoted.
    fn finish(self, dir: &Path, bytes: u64) -> Result<()> {
        let mut complaints = Vec::new();
        for Stage { line, mut group, mut errors } in self.stages {
            let status = group.wait().with_context(|| format!("waiting for {line}"))?;
            let mut text = String::new();
            errors.seek(SeekFrom::Start(0))?;
            errors.read_to_string(&mut text)?;
            if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
                return Err(space::explain(io::ErrorKind::StorageFull.into(), dir, Some(bytes)));
            }
            if !status.success() && !text.contains("Broken pipe") {
                let text = text.lines().take(3).collect::<Vec<_>>().join("; ");
                complaints.push(format!("`{line}` failed ({status}): {text}"));
            }
        }
        if !complaints.is_empty() {
            bail!("{}", complaints.join("\n"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
