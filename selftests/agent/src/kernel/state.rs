//! The kernel's settings and log, as files that stay open because every batch uses them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::thread;
use std::time::Duration;

use bpf_wire::{Mode, marker};

use super::mounts;

/// `DEVKMSG_LOG_MASK_DEFAULT` drops messages after ten in five seconds; batches are faster.
const DEVKMSG: &str = "/proc/sys/kernel/printk_devkmsg";

/// Prefix of a marker.
const MARKER: &str = "bpf-indirect: case ";

/// More than the longest record of `/dev/kmsg` (`kernel/printk/printk.c`: `PRINTK_MESSAGE_MAX`).
const RECORD_SIZE: usize = 8 << 10;

/// How long the console may take to start printing: a tick, at least 100 per second
/// (`kernel/printk/nbcon.c`: `nbcon_kthreads_wake()` defers it to lazy work).
const PRINTING: Duration = Duration::from_millis(20);

const UNPRIVILEGED_DISABLED: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

/// State that the agent keeps between requests.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    kmsg: Option<File>,
    jit: Option<Jit>,
}

#[derive(Debug)]
struct Jit {
    enable: Sysctl,
    harden: Sysctl,
}

impl Kernel {
    /// Writes the marker of a case to the kernel log, and so to the console.
    ///
    /// Its level is `err`, the lowest that reaches the console of a kernel booted with `quiet`.
    pub(crate) fn mark(&mut self, case: &str, mode: Mode) -> Result<(), String> {
        // A write to /dev/kmsg is one record, at most 1 KiB (PRINTKRB_RECORD_MAX), one line.
        // Without the newline printk holds the line back until the next one
        // (kernel/printk/printk.c, vprintk_store()), and a guest that hangs never prints it.
        let marker = marker(case, mode);
        self.kmsg()?
            .write_all(format!("<3>{MARKER}{marker}\n").as_bytes())
            .map_err(|e| format!("failed to write the marker of {marker} to /dev/kmsg: {e}"))
    }

    /// If anything but markers was logged, waits until the console has printed it, so that the
    /// receiver of the response finds the splats that belong to it. See [`super::printer`].
    pub(crate) fn let_print(&mut self) -> Result<(), String> {
        if logged(self.kmsg()?).map_err(|e| format!("failed to read /dev/kmsg: {e}"))? {
            thread::sleep(PRINTING);
        }
        Ok(())
    }

    /// Sets the mode for programs that are loaded from now on.
    pub(crate) fn set_mode(&mut self, mode: Mode) -> Result<(), String> {
        let (enable, harden) = mode.sysctls();
        let jit = self.jit()?;
        jit.harden.set(harden)?;
        jit.enable.set(enable)
    }

    /// Reads back `net.core.bpf_jit_enable` and `net.core.bpf_jit_harden`.
    pub(crate) fn read_mode(&mut self) -> Result<(u32, u32), String> {
        let jit = self.jit()?;
        Ok((jit.enable.read()?, jit.harden.read()?))
    }

    /// Opens the files that stay open, so that they do not count as new later.
    pub(crate) fn open_all(&mut self) -> Result<(), String> {
        self.kmsg()?;
        self.jit().map(drop)
    }

    /// Allows loading programs without `CAP_BPF`, permanently:
    /// `kernel.unprivileged_bpf_disabled=0`.
    #[expect(clippy::unused_self, reason = "takes part in the state that only requests change")]
    pub(crate) fn allow_unprivileged(&mut self) -> Result<(), String> {
        mounts::proc()?;
        let setting = Sysctl::open(UNPRIVILEGED_DISABLED)?.read()?;
        match setting {
            0 => Ok(()),
            // 1 cannot be changed back (kernel/bpf/syscall.c: bpf_unpriv_handler()).
            1 => Err(format!(
                "{UNPRIVILEGED_DISABLED} is 1, which lasts until the next boot; \
                 build the kernel without CONFIG_BPF_UNPRIV_DEFAULT_OFF"
            )),
            _ => Sysctl::open(UNPRIVILEGED_DISABLED)?.set(0),
        }
    }

    fn kmsg(&mut self) -> Result<&mut File, String> {
        match &mut self.kmsg {
            Some(kmsg) => Ok(kmsg),
            none => Ok(none.insert(open_kmsg()?)),
        }
    }

    fn jit(&mut self) -> Result<&mut Jit, String> {
        match &mut self.jit {
            Some(jit) => Ok(jit),
            none => {
                mounts::proc()?;
                Ok(none.insert(Jit {
                    enable: Sysctl::open("/proc/sys/net/core/bpf_jit_enable")?,
                    harden: Sysctl::open("/proc/sys/net/core/bpf_jit_harden")?,
                }))
            }
        }
    }
}

fn open_kmsg() -> Result<File, String> {
    mounts::proc()?;
    let rate = fs::read_to_string(DEVKMSG).map_err(|e| format!("failed to read {DEVKMSG}: {e}"))?;
    if rate.trim_end() != "on" {
        // The newline is required (kernel/printk/printk.c: devkmsg_sysctl_set_loglvl()).
        fs::write(DEVKMSG, "on\n").map_err(|e| {
            format!(
                "failed to write \"on\" to {DEVKMSG}, which is \"{}\": {e}; \
                 boot with printk.devkmsg=on, or without printk.devkmsg",
                rate.trim_end()
            )
        })?;
    }
    let failed = |e| format!("failed to open /dev/kmsg: {e}");
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let mut kmsg = options.open("/dev/kmsg").map_err(failed)?;
    kmsg.seek(SeekFrom::End(0)).map_err(failed)?;
    Ok(kmsg)
}

/// Whether anything but markers was logged since the last call.
fn logged(kmsg: &mut impl Read) -> std::io::Result<bool> {
    let mut more = false;
    let mut record = [0; RECORD_SIZE];
    loop {
        match kmsg.read(&mut record) {
            // The prefix before the text: priority, number, time and flags.
            Ok(len) => {
                let text = record[..len].split(|&byte| byte == b';').nth(1).unwrap_or_default();
                more |= !text.starts_with(MARKER.as_bytes());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(more),
            // Records were overwritten before they were read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => more = true,
            Err(error) => return Err(error),
        }
    }
}

/// A file under `/proc/sys` that contains one number.
#[derive(Debug)]
struct Sysctl {
    path: &'static str,
    file: File,
    /// The value of the last read or write.
    known: Option<u32>,
}

impl Sysctl {
    fn open(path: &'static str) -> Result<Self, String> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| format!("failed to open {path}: {e}"))?;
        Ok(Self { path, file, known: None })
    }

    fn read(&mut self) -> Result<u32, String> {
        let mut text = [0; 16];
        let len = self
            .file
            .read_at(&mut text, 0)
            .map_err(|e| format!("failed to read {}: {e}", self.path))?;
        let value = parse(&text[..len])
            .ok_or_else(|| format!("{} holds no number: {:?}", self.path, &text[..len]))?;
        self.known = Some(value);
        Ok(value)
    }

    fn set(&mut self, value: u32) -> Result<(), String> {
        if self.known == Some(value) {
            return Ok(());
        }
        self.file
            .write_all_at(value.to_string().as_bytes(), 0)
            .map_err(|e| format!("failed to write {value} to {}: {e}", self.path))?;
        match self.read()? {
            back if back == value => Ok(()),
            back => Err(format!(
                "{} took {value} but reads back as {back}; is CONFIG_BPF_JIT_ALWAYS_ON set?",
                self.path
            )),
        }
    }
}

fn parse(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.trim_ascii().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns record after record, like `/dev/kmsg`.
    struct Records(Vec<Result<&'static str, ErrorKind>>);

    impl Read for Records {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.0.remove(0)?.as_bytes().read(into)
        }
    }

    #[test]
    fn markers_are_no_news_and_all_else_is() {
        let marker = Ok("3,7,1024,-;bpf-indirect: case a/b jit\n");
        let splat = Ok("4,8,1025,-;WARNING: bpf-indirect: case\n SUBSYSTEM=x\n");
        let logged = |records: &[_]| logged(&mut Records(records.to_vec())).unwrap();
        assert!(!logged(&[]));
        assert!(!logged(&[marker, marker]));
        assert!(logged(&[marker, splat, marker]));
        assert!(logged(&[Err(ErrorKind::BrokenPipe), marker]));
    }

    #[test]
    fn sysctl_text_is_a_number_and_a_newline() {
        assert_eq!(parse(b"2\n"), Some(2));
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"on\n"), None);
    }
}
