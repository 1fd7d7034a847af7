//! Runs the binary as the conformance runner does.

use std::io::Write;
use std::process::{Command, Stdio};

/// Result of running the binary.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Exit status; -1 if a signal ended it.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Runs the binary with these arguments and this standard input.
pub(crate) fn plugin(arguments: &[&str], input: &[u8]) -> Answer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bpf-model-plugin"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // It may have exited without reading.
    let _ = child.stdin.take().expect("its input is a pipe").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    Answer {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("its output is text"),
        err: String::from_utf8(output.stderr).expect("its messages are text"),
    }
}

/// Hex in the runner's format: two digits and a space for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}
