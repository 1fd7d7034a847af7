//! `cargo xtask shell`: a shell in a guest, or one command there.

use std::io::{IsTerminal, Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::cli::GuestArgs;
use harness_host::exit::{Status, Stop};
use harness_host::ui::errln;
use harness_host::{needs, ui};
use harness_inspect::shell::ShellMachine;
use harness_inspect::userland::{self, Tree};
use harness_session::consoles;
use harness_session::start::ready;
use harness_suites::select::candidates;
use harness_vm::image;

/// Options of `shell`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask shell                                    a shell in the guest
  cargo xtask shell -- bpf-case callx/one_callee       one command, and its exit status
  cargo xtask shell -- 'bpftool prog list; uname -a'   one that the guest's shell takes apart
  cargo xtask shell --file prog.o:/tmp/prog.o          with a file of yours

The guest holds the cases as ELF objects (/objects/SUITE/CASE.o, those in Rust among them) and as what
`test` would have the kernel do with them: `bpf-case NAME [MODE]` loads and runs one and says what came
of it. `bpf-case NAME --hold &` keeps its programs and maps until `fg` and Enter, so that `bpftool prog
dump xlated` and `bpftool map dump` can look at them. bpftool is the host's, where the host has it; an
older one knows neither jump tables nor the two instructions.

`exit` or Ctrl-D ends the guest; Ctrl-A X kills it.

Exit status: that of the command; without one, 0. 2 wrong usage, 69 the host lacks something, 70 the
harness itself failed. A guest that ends before its command is status 1.")]
pub(crate) struct Shell {
    /// Put a file of the host's into the guest; may be repeated.
    #[arg(long, value_name = "HOST:GUEST", value_parser = pair)]
    file: Vec<(PathBuf, String)>,
    /// Memory in MiB.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..))]
    memory: Option<u32>,
    /// Append an argument to the kernel's command line; may be repeated.
    #[arg(long, value_name = "ARG")]
    append: Vec<String>,
    /// What to run instead of a shell: one word for the guest's shell to take apart, or words.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    on: GuestArgs,
}

impl Shell {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        if self.command.is_empty() && !(stdin().is_terminal() && stdout().is_terminal()) {
            return Err(Stop::Usage(
                "a shell needs a terminal; without one, give a command: cargo xtask shell -- COMMAND"
                    .to_owned(),
            )
            .into());
        }
        let mut tree = Tree::default();
        for (host, guest) in &self.file {
            let bytes = std::fs::read(host).map_err(|error| {
                Stop::Usage(format!("failed to read {}: {error}", host.display()))
            })?;
            tree.file(guest, bytes);
        }
        let (mut built, accel) = ready(&self.on.on())?;
        built.boot.kernel_args.extend_from_slice(&self.append);
        built.boot.memory_mib = built.boot.memory_mib.max(self.memory.unwrap_or_default());
        needs::require(needs::BUSYBOX)?;
        userland::busybox(&mut tree)?;
        if let Some(missing) = userland::bpftool(&mut tree)? {
            errln!("{missing}");
        }
        userland::cases(&candidates(crate::suites(), &[]), &mut tree)?;
        match script(&self.command) {
            Some(script) => tree.file("/etc/command", script.into_bytes()),
            None => {
                let (rows, columns) = ui::stdout_size();
                tree.file("/etc/size", format!("rows {rows} columns {columns}\n").into_bytes());
                tree.file("/etc/motd", MOTD.as_bytes().to_vec());
            }
        }
        let dir = tempfile::tempdir().context("failed to create a folder for the initramfs")?;
        let machine = ShellMachine {
            kernel: built.vmlinux.clone(),
            initramfs: image::build_from("shell.list", tree.entries(), dir.path())?,
            accel: accel.accel,
            boot: &built.boot,
        };
        if self.command.is_empty() {
            errln!("`exit` or Ctrl-D ends the guest; Ctrl-A X kills it");
            machine.in_terminal()?;
            return Ok(Status::Passed);
        }
        let console = consoles::folder()?.join("console.log");
        let mut failed = None;
        let status = machine.command(&console, &mut |bytes| {
            let mut out = stdout().lock();
            if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
                failed.get_or_insert(error);
            }
        })?;
        match failed {
            Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(error).context("failed to write to standard output")
            }
            _ if status == 0 => Ok(Status::Passed),
            _ => Ok(Status::OfCommand(status)),
        }
    }
}

/// A file of the host's and an absolute path in the guest.
fn pair(text: &str) -> Result<(PathBuf, String), String> {
    match text.rsplit_once(':') {
        Some((host, guest)) if !host.is_empty() && guest.starts_with('/') => {
            Ok((host.into(), guest.to_owned()))
        }
        _ => Err("HOST:GUEST is expected, with an absolute path in the guest".to_owned()),
    }
}

/// What the guest says in the beginning.
const MOTD: &str = "\
/objects  the cases as ELF objects; /cases  what bpf-case executes
bpf-case callx/one_callee jit        load and run a case
bpf-case callx/one_callee --hold &   keep it as well, until fg and Enter
bpftool prog list                    what is loaded
exit or Ctrl-D ends the guest; Ctrl-A X kills it
";

/// The command as a script; nothing for none.
fn script(command: &[String]) -> Option<String> {
    match command {
        [] => None,
        [line] => Some(format!("{line}\n")),
        words => {
            let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
            Some(words.iter().map(quoted).collect::<Vec<_>>().join(" ") + "\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_given_by_both_paths() {
        assert_eq!(pair("a:b:/c"), Ok(("a:b".into(), "/c".to_owned())));
        for wrong in ["a", "a:b", ":/c"] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_stay_words_and_a_line_is_the_shells() {
        let script = |words: &[&str]| {
            script(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(script(&[]), None);
        assert_eq!(script(&["ls; false"]).as_deref(), Some("ls; false\n"));
        assert_eq!(script(&["echo", "it's $x"]).as_deref(), Some("'echo' 'it'\\''s $x'\n"));
    }
}
