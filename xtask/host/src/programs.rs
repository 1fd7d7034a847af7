//! Programs that are run to their end. They end with this process, see [`crate::interrupt`].

use std::env;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

use crate::interrupt::{self, Group};
use crate::paths;

/// How the variables begin that `cargo run` sets for the program that it runs.
const SET_BY_CARGO_RUN: [&str; 3] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"];

/// The cargo that runs this program, in the repository.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::repository());
    // Build scripts that ask for what `cargo run` has set for this program would run again now, and
    // once more at the next `cargo xtask`.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| SET_BY_CARGO_RUN.iter().any(|p| name.starts_with(p))) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command without input. What it writes goes where the command says, by default to where this
/// program writes.
///
/// # Errors
///
/// When it cannot be started; [`Stop::Interrupted`](crate::exit::Stop::Interrupted).
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    Group::spawn(command, Stdio::null())
        .with_context(|| format!("failed to start {command:?}"))?
        .wait()
}

/// Runs a command without input and returns what it wrote to standard output.
///
/// # Errors
///
/// As [`run`]; when its status is not 0, with what it wrote to standard error; when the output is not
/// UTF-8.
pub fn read(command: &mut Command) -> Result<String> {
    let output =
        interrupt::output(command, &[]).with_context(|| format!("failed to start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} did not print UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_returned_or_part_of_the_error() {
        let read = |script: &str| read(Command::new("sh").args(["-c", script]));
        assert_eq!(read("echo yes").unwrap(), "yes\n");
        assert_eq!(
            read("echo no >&2; exit 3").unwrap_err().to_string(),
            "\"sh\" \"-c\" \"echo no >&2; exit 3\" failed: exit status: 3\nno"
        );
    }
}
