//! The guest's `/init`: executes the `bpf(2)` steps that the host sends, and judges nothing. Called as
//! `bpf-case`, in the guest of `cargo xtask shell`, it executes those of a file.

mod batch;
mod by_hand;
mod channel;
mod fault;
mod file;
mod kernel;
mod log;
mod module;
mod resources;
mod serve;
mod start;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args();
    if args.next().is_some_and(|name| name.ends_with(by_hand::NAME)) {
        return by_hand::run(args);
    }
    init()
}

/// Runs as process 1, so every way out ends in a restart, which QEMU turns into its own exit.
fn init() -> ! {
    match start::start().and_then(serve::serve) {
        Ok(()) => {}
        // The console is the one place left to complain to.
        Err(error) => eprintln!("bpf-indirect: agent: {error}"),
    }
    kernel::power::off()
}
