//! What the host must have: tools and headers, the packages that bring them, and their installation.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nix::unistd::Uid;

use crate::exit::Stop;
use crate::programs;
use crate::ui::errln;

/// Something that the host has or lacks.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// What it is called in messages.
    pub name: &'static str,
    /// How to find it.
    probe: Probe,
    /// Debian's package that brings it.
    pub package: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether the job goes on without it.
    pub optional: bool,
}

/// How to find out whether something is there.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// A program on the `PATH`.
    Program(&'static str),
    /// A header in the C compiler's default directories.
    Header(&'static str),
}

/// The browser's program, as Debian calls it.
pub const BROWSER: &str = "chromium";

/// A userland in one program.
pub const BUSYBOX: &str = "busybox";

/// The kernel's tool for programs and maps.
pub const BPFTOOL: &str = "bpftool";

/// The debugger's program.
pub const GDB: &str = "gdb";

/// Everything that building the kernel and running the guest takes.
pub const NEEDS: &[Need] = &[
    program("qemu-system-x86_64", "qemu-system-x86", "runs the guest"),
    program("gcc", "gcc", "compiles the kernel"),
    program("ld", "binutils", "links the kernel"),
    program("make", "make", "builds the kernel"),
    program("flex", "flex", "kernel configuration"),
    program("bison", "bison", "kernel configuration"),
    program("bc", "bc", "kernel build"),
    program("perl", "perl", "kernel build and checkpatch"),
    program("git", "git", "the kernel tree and the patch series"),
    program("tar", "tar", "unpacks the kernel source"),
    program("xz", "xz-utils", "unpacks the kernel source"),
    program("curl", "curl", "downloads the kernel source"),
    program("setpriv", "util-linux", "ends QEMU together with its parent"),
    Need {
        name: "libelf headers",
        probe: Probe::Header("gelf.h"),
        package: "libelf-dev",
        purpose: "objtool, part of the kernel build",
        optional: false,
    },
    Need {
        name: "ccache",
        probe: Probe::Program("ccache"),
        package: "ccache",
        purpose: "makes repeated kernel builds quick",
        optional: true,
    },
    Need {
        name: "browser",
        probe: Probe::Program(BROWSER),
        package: "chromium",
        purpose: "looks at the HTML report, in `check --full`",
        optional: true,
    },
    Need {
        name: "python3",
        probe: Probe::Program("python3"),
        package: "python3",
        purpose: "runs the kernel's own KTAP parser, in `check`",
        optional: true,
    },
    Need {
        name: BUSYBOX,
        probe: Probe::Program(BUSYBOX),
        package: "busybox-static",
        purpose: "the userland of `cargo xtask shell`",
        optional: true,
    },
    Need {
        name: BPFTOOL,
        probe: Probe::Program(BPFTOOL),
        package: "bpftool",
        purpose: "looks at programs and maps in `cargo xtask shell`",
        optional: true,
    },
    Need {
        name: GDB,
        probe: Probe::Program(GDB),
        package: "gdb",
        purpose: "`cargo xtask debug`",
        optional: true,
    },
    Need {
        name: "c++",
        probe: Probe::Program("c++"),
        package: "g++",
        purpose: "builds libFuzzer, for `cargo xtask fuzz` and `check --full`",
        optional: true,
    },
];

/// A program that the job cannot do without.
const fn program(name: &'static str, package: &'static str, purpose: &'static str) -> Need {
    Need { name, probe: Probe::Program(name), package, purpose, optional: false }
}

impl Need {
    /// Where it was found, `None` when the host lacks it.
    pub fn find(&self) -> Option<PathBuf> {
        match self.probe {
            Probe::Program(name) => find_program(name),
            Probe::Header(name) => {
                ["/usr/include", "/usr/local/include", "/usr/include/x86_64-linux-gnu"]
                    .iter()
                    .map(|dir| Path::new(dir).join(name))
                    .find(|path| path.is_file())
            }
        }
    }
}

/// Finds a program on the `PATH`, or where Debian keeps some that an ordinary user's `PATH` does not
/// lead to.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(extra).map(|dir| dir.join(name)).find(|file| {
        nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok() && file.is_file()
    })
}

/// Makes sure that the host has what the job takes, installing it with `install_deps`.
///
/// # Errors
///
/// [`Stop::HostLacks`] with the one command to type when something required is missing and may
/// not, or cannot, be installed, or where there is no room for temporary files.
pub fn ensure(install_deps: bool) -> Result<()> {
    let temporary = env::temp_dir();
    if !temporary.is_dir() {
        return Err(Stop::HostLacks(format!(
            "{} does not exist, and temporary files go there; create it, or set TMPDIR to a folder \
             that exists",
            temporary.display()
        ))
        .into());
    }
    let missing = missing();
    let required: Vec<&Need> = missing.iter().copied().filter(|need| !need.optional).collect();
    let wanted = if install_deps { &missing } else { &required };
    if wanted.is_empty() {
        return Ok(());
    }
    let packages = packages(wanted);
    if !install_deps {
        return Err(lacks(&required, &packages).into());
    }
    if !Uid::effective().is_root() {
        if required.is_empty() {
            let packages = packages.join(" ");
            errln!("not root: --install-deps leaves out what is optional: {packages}");
            return Ok(());
        }
        return Err(lacks(&required, &packages).into());
    }
    install(&packages)?;
    let still: Vec<&Need> = self::missing().into_iter().filter(|need| !need.optional).collect();
    if still.is_empty() { Ok(()) } else { Err(lacks(&still, &self::packages(&still)).into()) }
}

/// Makes sure that the host has something that the job goes on without, but not the caller.
///
/// # Errors
///
/// [`Stop::HostLacks`] with the one command to type.
pub fn require(name: &str) -> Result<()> {
    match missing().into_iter().find(|need| need.name == name) {
        Some(need) => Err(lacks(&[need], &[need.package]).into()),
        None => Ok(()),
    }
}

/// What the host lacks, optional things included.
fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| need.find().is_none()).collect()
}

/// The packages that bring some needs, each once.
fn packages(needs: &[&Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// The error that says what is missing and how to get it.
fn lacks(needs: &[&Need], packages: &[&str]) -> Stop {
    let names: Vec<_> =
        needs.iter().map(|need| format!("{} ({})", need.name, need.purpose)).collect();
    let sudo = if Uid::effective().is_root() { "" } else { "sudo " };
    Stop::HostLacks(format!(
        "the host lacks {}; install with:\n  {sudo}apt-get install -y {}",
        names.join(", "),
        packages.join(" ")
    ))
}

/// Whether a process may have mounts of its own, without being root.
pub fn has_mount_namespaces() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "true"]);
    programs::read(&mut command).is_ok()
}

/// Installs packages through apt, after refreshing its lists.
fn install(packages: &[&str]) -> Result<()> {
    errln!("installing {}", packages.join(" "));
    apt(&["update", "-qq"])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages);
    apt(&args)
}

/// Runs `apt-get`; its complaint is shown when it fails.
fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    match programs::read(&mut command) {
        Ok(_) => Ok(()),
        Err(error) if error.is::<Stop>() => Err(error),
        Err(error) => Err(Stop::HostLacks(format!("{error:#}")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_once() {
        let needs = [&NEEDS[4], &NEEDS[4]];
        assert_eq!(packages(&needs), ["flex"]);
    }

    #[test]
    fn the_error_gives_the_command_to_type() {
        let text = lacks(&[&NEEDS[0]], &["qemu-system-x86"]).to_string();
        assert!(text.contains("qemu-system-x86_64 (runs the guest)"), "{text}");
        assert!(text.contains("apt-get install -y qemu-system-x86"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        assert!(find_program("no-such-program-anywhere").is_none());
        assert!(find_program("sh").is_some());
    }
}
