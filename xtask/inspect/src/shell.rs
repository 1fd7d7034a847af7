//! A machine for somebody at the terminal, or for one command: without the agent's channel.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use harness_host::exit::Stop;
use harness_host::{interrupt, terminal};
use harness_kernel::boot::BootOptions;
use harness_vm::accel::Accel;
use harness_vm::device::{
    Board, Boot, CommandPorts, Device, Memory, Processor, ResetEnds, SerialConsole, Terminal,
};
use harness_vm::qemu::{self, Qemu};

/// Memory in MiB: objects and tools take some of it.
const MEMORY_MIB: u32 = 512;

/// How long QEMU may take to end once the command's output has.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Debug)]
pub struct ShellMachine<'a> {
    /// Uncompressed ELF `vmlinux` with a PVH note.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// KVM or TCG.
    pub accel: Accel,
    /// How the kernel is to be started.
    pub boot: &'a BootOptions,
}

impl ShellMachine<'_> {
    fn args(&self, talk: &[&dyn Device]) -> Vec<std::ffi::OsString> {
        let processor = Processor { accel: self.accel, tcg_cpu: self.boot.tcg_cpu.clone() };
        let memory = Memory { mib: MEMORY_MIB.max(self.boot.memory_mib) };
        let boot = Boot { kernel: self.kernel.clone(), initramfs: self.initramfs.clone() };
        let parts: [&dyn Device; 5] = [&Board, &processor, &memory, &ResetEnds, &boot];
        qemu::command_line(&[&parts, talk].concat(), &self.boot.kernel_args)
    }

    /// Runs it in this terminal until it ends.
    ///
    /// # Errors
    ///
    /// When QEMU cannot be started or fails.
    pub fn in_terminal(&self) -> Result<()> {
        let failed = || format!("failed to run {}", qemu::PROGRAM);
        let mut command = qemu::command().with_context(failed)?;
        let status = terminal::run(command.args(self.args(&[&Terminal]))).with_context(failed)?;
        match status.success() {
            true => Ok(()),
            false => anyhow::bail!("{} {}", qemu::PROGRAM, qemu::describe(status)),
        }
    }

    /// Runs it until it ends, with what its command writes going to `out` and its console to a file;
    /// gives the command's exit status.
    ///
    /// # Errors
    ///
    /// When QEMU cannot be started, the guest does not get as far as the command's end, or this
    /// process is to end.
    pub fn command(&self, console: &Path, out: &mut dyn FnMut(&[u8])) -> Result<u8> {
        interrupt::install();
        let dir = tempfile::Builder::new()
            .prefix("bpf-indirect-vm-")
            .tempdir()
            .context("failed to create a temporary folder for the machine's sockets")?;
        let (output, status) = (dir.path().join("output"), dir.path().join("status"));
        let listener = UnixListener::bind(&output)
            .with_context(|| format!("failed to listen on {}", output.display()))?;
        listener.set_nonblocking(true)?;
        let log = SerialConsole { log: console.to_owned() };
        let ports = CommandPorts { output, status: status.clone() };
        let mut qemu = Qemu::spawn(&self.args(&[&log, &ports]), &dir.path().join("stderr"))
            .with_context(|| format!("failed to start {}", qemu::PROGRAM))?;
        copy(&mut qemu, &listener, out)?;
        let ended = qemu.wait(END_DEADLINE);
        let text = fs::read_to_string(&status).unwrap_or_default();
        if let Ok(number) = text.trim().parse() {
            return Ok(number);
        }
        let how = ended.map_or_else(|| "does not end".to_owned(), qemu::describe);
        Err(Stop::CaseFailed(format!(
            "the guest ended before its command did: QEMU {how}; its console: {}\n{}",
            console.display(),
            qemu.said()
        ))
        .into())
    }
}

/// Hands on what comes from the socket until QEMU closes it.
fn copy(qemu: &mut Qemu, listener: &UnixListener, out: &mut dyn FnMut(&[u8])) -> Result<()> {
    let mut stream: Option<UnixStream> = None;
    let mut chunk = vec![0; 64 << 10];
    loop {
        interrupt::check()?;
        let Some(connected) = &mut stream else {
            match listener.accept() {
                Ok((accepted, _)) => {
                    accepted.set_nonblocking(true)?;
                    stream = Some(accepted);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if qemu.exited().is_some() {
                        return Ok(());
                    }
                    wait(listener);
                }
                Err(error) => return Err(error).context("failed to accept QEMU's connection"),
            }
            continue;
        };
        match io::Read::read(connected, &mut chunk) {
            Ok(0) => return Ok(()),
            Ok(len) => out(&chunk[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(connected),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error).context("failed to read what the guest writes"),
        }
    }
}

/// Waits until there is something to read, or for a moment.
fn wait(source: &impl AsFd) {
    let mut fds = [PollFd::new(source.as_fd(), PollFlags::POLLIN)];
    // Nothing is lost by an error: the loop looks again.
    let _ = poll(&mut fds, PollTimeout::from(100_u8));
}

#[cfg(test)]
mod tests;
