//! gdb at the other end of QEMU's stub: the script that it starts with, and gdb itself in the terminal.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use harness_host::files::socket_folder;
use harness_host::needs::GDB;
use harness_host::terminal;

/// A place for gdb and QEMU to meet.
#[derive(Debug)]
pub struct Meeting {
    dir: TempDir,
}

impl Meeting {
    /// Makes a temporary folder with the script for a kernel; the socket is for QEMU to make.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or the kernel's path cannot be told to gdb.
    pub fn prepare(vmlinux: &Path) -> Result<Self> {
        let dir = socket_folder("bpf-indirect-gdb-")
            .context("failed to create a temporary folder for gdb's script")?;
        let meeting = Self { dir };
        let text = script(vmlinux, &meeting.socket())?;
        let path = meeting.script();
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(meeting)
    }

    /// The socket of QEMU's stub.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("stub")
    }

    fn script(&self) -> PathBuf {
        self.dir.path().join("script.gdb")
    }

    /// What to type in another terminal.
    pub fn command(&self) -> Vec<String> {
        vec![GDB.to_owned(), "-q".into(), "-x".into(), self.script().display().to_string()]
    }

    /// Waits until QEMU listens; whether it does, rather than all being over.
    pub fn wait(&self, over: &AtomicBool) -> bool {
        while !over.load(Ordering::Relaxed) {
            if self.socket().exists() {
                return true;
            }
            sleep(Duration::from_millis(20));
        }
        false
    }

    /// Runs gdb in this terminal until it ends. Ctrl-C is gdb's meanwhile.
    ///
    /// # Errors
    ///
    /// When gdb cannot be started.
    pub fn run_gdb(&self) -> Result<()> {
        let words = self.command();
        let mut command = Command::new(GDB);
        command.args(&words[1..]);
        terminal::run(&mut command)
            .map(drop)
            .with_context(|| format!("failed to run {}", words.join(" ")))
    }
}

/// The script. It needs symbols alone; with types (`--config dwarf`) gdb can do more by itself.
fn script(vmlinux: &Path, socket: &Path) -> Result<String> {
    let quoted = |path: &Path| match std::str::from_utf8(path.as_os_str().as_bytes()) {
        Ok(text) if !text.contains(['"', '\\', '\n']) => Ok(format!("\"{text}\"")),
        _ => bail!("{} cannot be told to gdb; use another folder", path.display()),
    };
    // gdb takes a socket's path as it is.
    let socket = quoted(socket)?.replace('"', "");
    Ok(TEMPLATE.replace("@VMLINUX@", &quoted(vmlinux)?).replace("@SOCKET@", &socket))
}

/// Registers hold the arguments at the first instruction of a function (System V ABI): those are where
/// breakpoints are, so that no types are needed. They are of hardware: the kernel's text is written
/// after the machine starts.
///
/// Offsets in `union bpf_attr` are those of include/uapi/linux/bpf.h. `struct bpf_ksym` starts with
/// the first and the last address, then the name (include/linux/bpf.h).
const TEMPLATE: &str = r#"# A case of bpf-indirect in its guest, stopped before its first instruction.
set confirm off
set language c
file @VMLINUX@
target remote @SOCKET@

# What is loaded: the second argument of bpf_check() points to the attributes.
hbreak *bpf_check
commands
  set $bpf_attr = (char *)$rsi
  printf "BPF_PROG_LOAD of \"%s\": type %u, %u instructions\n", $bpf_attr + 48, *(unsigned int *)$bpf_attr, *(unsigned int *)($bpf_attr + 4)
end

define bpf-log
  if *(unsigned long *)($bpf_attr + 32) == 0
    echo This load has no log. One that fails is repeated with a log: continue.\n
  else
    printf "%s", *(char **)($bpf_attr + 32)
  end
end
document bpf-log
Print the verifier's log of the load that is going on, as far as it has been handed out.
It is handed out at the end: `finish` goes there.
end

define bpf-jit
  hbreak *bpf_ksym_add
  commands
    printf "machine code of %s at %#lx\n", (char *)($rdi + 16), *(unsigned long *)$rdi
    eval "hbreak *%#lx", *(unsigned long *)$rdi
    continue
  end
end
document bpf-jit
Stop at the first instruction of the machine code of everything that is loaded from now on.
end

echo \nThe machine has not started. `continue` runs it to the load of the case.\n
echo bpf-jit    then stop in the program's machine code as well\n
echo bpf-log    print the verifier's log\n
echo detach     let the case run to its end\n\n
"#;

#[cfg(test)]
mod tests;
