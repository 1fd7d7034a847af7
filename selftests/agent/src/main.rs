//! The guest's `/init`: executes the `bpf(2)` steps that the host sends, without judging anything.
//! Called as `bpf-case`, in the guest of `cargo xtask shell`, it executes the steps in a file.

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

/// Runs as process 1, so every exit is a restart, at which QEMU exits.
fn init() -> ! {
    match start::start().and_then(serve::serve) {
        Ok(()) => {}
        // There is only the console left to report to.
        Err(error) => eprintln!("bpf-indirect: agent: {error}"),
    }
    kernel::power::off()
}
