//! The fuzz targets.
//!
//! Each module is a target: `run` takes the bytes, and a panic is a finding; `seeds` returns
//! initial inputs, made from the suites' cases. `cargo xtask fuzz` builds and runs them.

pub mod decode;
mod exercise;
pub mod object;
pub mod plan;
pub mod program;
pub mod source;
mod steps;
pub mod structured;

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// An initial input: its name and its bytes.
pub type Seed = (String, Vec<u8>);

/// A target.
pub struct Target {
    /// Name of the target, its module and its binary.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&[u8]),
    /// Returns the initial inputs.
    pub seeds: fn() -> Vec<Seed>,
}

/// Inputs for targets that only make choices: deterministic arbitrary bytes, of growing length.
/// Without them libFuzzer would take long to grow a program of some size.
fn choices() -> Vec<Seed> {
    // Marsaglia's xorshift64.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (1..=64).map(|n| (format!("{n:02}"), (0..n * 24).map(|_| next()).collect())).collect()
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "decode", run: decode::run, seeds: decode::seeds },
    Target { name: "object", run: object::run, seeds: object::seeds },
    Target { name: "plan", run: plan::run, seeds: choices },
    Target { name: "program", run: program::run, seeds: program::seeds },
    Target { name: "source", run: source::run, seeds: source::seeds },
    Target { name: "structured", run: structured::run, seeds: choices },
];

/// The binary of a target: runs under libFuzzer if compiled for it, otherwise on the files on the
/// command line.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::$name::run(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for path in std::env::args_os().skip(1) {
                $crate::$name::run(&std::fs::read(path)?);
            }
            Ok(())
        }
    };
}

#[cfg(test)]
mod tests {
    use super::TARGETS;

    #[test]
    fn every_seed_runs() {
        for target in TARGETS {
            (target.run)(&[]);
            for (_, seed) in (target.seeds)() {
                (target.run)(&seed);
            }
        }
    }
}
