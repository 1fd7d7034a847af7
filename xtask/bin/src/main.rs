//! The program: the commands, and the cases that they are about. A package of its own, so that a case that
//! changes has the cases compiled and this linked, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness_commands::main(&bpf_suites::SUITES)
}
