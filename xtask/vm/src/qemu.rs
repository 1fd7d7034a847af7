//! The QEMU process: its command line, its start and its end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use super::clock::Clock;
use super::device::Device;
use harness_host::interrupt;
use harness_host::needs::find_program;

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// The arguments that a machine of these parts is started with.
pub fn command_line(devices: &[&dyn Device], further_kernel_args: &[String]) -> Vec<OsString> {
    let mut args: Vec<OsString> = devices.iter().flat_map(|device| device.qemu_args()).collect();
    let mut kernel: Vec<String> = devices.iter().flat_map(|device| device.kernel_args()).collect();
    kernel.extend_from_slice(further_kernel_args);
    if !kernel.is_empty() {
        args.push("-append".into());
        args.push(kernel.join(" ").into());
    }
    args
}

/// `qemu-system-x86_64 --version`, first line. Asked for once.
///
/// # Errors
///
/// When the program cannot be run.
pub fn version() -> io::Result<String> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(version.clone());
    }
    let output = Command::new(PROGRAM).arg("--version").stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(VERSION.get_or_init(|| text.lines().next().unwrap_or_default().to_owned()).clone())
}

/// QEMU without arguments, which the kernel kills when the calling thread ends, however that happens.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] when there is none.
pub fn command() -> io::Result<Command> {
    if find_program(PROGRAM).is_none() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // setpriv (util-linux) sets the parent-death signal, which a safe program cannot do for its
    // child by itself; without it, only Drop ends QEMU.
    if find_program("setpriv").is_none() {
        return Ok(Command::new(PROGRAM));
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", PROGRAM]);
    Ok(command)
}

/// A running QEMU. Dropping it kills it.
#[derive(Debug)]
pub struct Qemu {
    child: Child,
    stderr: PathBuf,
    status: Option<ExitStatus>,
}

impl Qemu {
    /// Starts QEMU in a process group of its own, so that Ctrl-C reaches us alone, and has the
    /// kernel kill it when the calling thread ends, however that happens.
    ///
    /// `stderr` is the file that takes what QEMU has to say.
    ///
    /// # Errors
    ///
    /// When the program cannot be run or the file not be written.
    pub fn spawn(args: &[OsString], stderr: &Path) -> io::Result<Self> {
        let log = File::create(stderr)?;
        let mut command = command()?;
        let child = command
            .args(args)
            .process_group(0)
            .stdin(Stdio::piped())
            // Where the monitor echoes. Complaints go to the other one.
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self { child, stderr: stderr.to_owned(), status: None })
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Waits for it to end by itself, or for the user to stop this process. `deadline` is by the
    /// guest's time.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let mut started = Clock::start(Some(self.child.id()));
        loop {
            let status = self.exited();
            if status.is_some() || started.elapsed() >= deadline || interrupt::check().is_err() {
                return status;
            }
            sleep(Duration::from_millis(2));
        }
    }

    /// What QEMU said so far.
    pub fn said(&self) -> String {
        let bytes = fs::read(&self.stderr).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    /// Has the guest's processor take a non-maskable interrupt, if the machine has a
    /// [`Monitor`](super::device::Monitor).
    pub(super) fn interrupt(&mut self) -> io::Result<()> {
        match &mut self.child.stdin {
            Some(monitor) => monitor.write_all(b"nmi\n"),
            None => Ok(()),
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended, in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel::Accel;
    use crate::device::{Boot, Memory, Processor, ResetEnds};

    #[test]
    fn all_kernel_arguments_go_into_one_append() {
        let boot = Boot { kernel: "k".into(), initramfs: "i".into() };
        let args = command_line(&[&Memory { mib: 64 }, &ResetEnds, &boot], &["quiet".into()]);
        let expected = [
            "-m",
            "64M",
            "-no-reboot",
            "-kernel",
            "k",
            "-initrd",
            "i",
            "-append",
            "panic=-1 oops=panic reboot=t quiet",
        ];
        assert_eq!(args, expected.map(OsString::from));
    }

    #[test]
    fn no_kernel_argument_no_append() {
        let args = command_line(&[&Processor { accel: Accel::Kvm, tcg_cpu: String::new() }], &[]);
        assert!(!args.contains(&"-append".into()), "{args:?}");
    }
}
