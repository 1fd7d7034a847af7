//! The guest's `/init`: executes the `bpf(2)` steps that the host sends, and judges nothing.

mod batch;
mod channel;
mod fault;
mod file;
mod kernel;
mod log;
mod module;
mod resources;
mod serve;
mod start;

/// Runs as process 1, so every way out ends in a restart, which QEMU turns into its own exit.
fn main() {
    match start::start().and_then(serve::serve) {
        Ok(()) => {}
        // The console is the one place left to complain to.
        Err(error) => eprintln!("bpf-indirect: agent: {error}"),
    }
    kernel::power::off();
}
