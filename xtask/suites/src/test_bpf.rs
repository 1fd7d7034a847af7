//! The suite `kernel/test_bpf`: the kernel's own tests of interpreter and JIT, `lib/test_bpf.ko`.
//!
//! It is no case of ours: the module judges itself. What is judged here is that it ran to its end,
//! in the mode asked for, that nothing failed, and that it counts the same as on the base.

mod log;
pub mod recorded;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use bpf_wire::Mode;

use harness_results::notation::errno_name;
use harness_results::record::{Record, Verdict};
use harness_vm::GuestFailure;

use log::{PARTS, Printed};
use recorded::Recorded;

/// The suite's name, which filters match as that of any case.
pub const NAME: &str = "kernel/test_bpf";

/// What it shows.
pub const ABOUT: &str =
    "the kernel's own tests of interpreter and JIT (lib/test_bpf.ko) pass, as many as on the base";

/// The parameters that the module is loaded with, one after the other.
///
/// Where constants are blinded, the tests of magnitudes and of staggered jumps are left out: each has
/// a program of thousands of instructions, and blinding takes time that is quadratic in their number
/// (`kernel/bpf/core.c`, `bpf_patch_insn_single()` for every constant). One of them takes minutes
/// under TCG, and there are two hundred.
fn loads(mode: Mode) -> &'static [&'static str] {
    match mode.hardens() {
        false => &[""],
        true => &[
            "test_suite=test_bpf test_range=0,854",
            "test_suite=test_tail_calls",
            "test_suite=test_skb_segment",
        ],
    }
}

/// Lines of failed tests that are shown.
const SHOWN_FAILURES: usize = 20;

/// Loads modules. The real one is a guest; tests have others.
pub trait Loader {
    /// Loads a module with parameters in a mode, for the suite, and unloads it. `logged` is told what the kernel logs meanwhile.
    ///
    /// # Errors
    ///
    /// When no guest can be started or the session was interrupted.
    fn load(
        &mut self,
        module: &Path,
        params: &str,
        mode: Mode,
        without_caps: &[u8],
        logged: &mut dyn FnMut(&str),
    ) -> Result<Loaded>;
}

/// What came of loading a module.
#[derive(Debug)]
pub enum Loaded {
    /// The guest answered.
    Done {
        /// errno of `init_module(2)`, 0 on success.
        errno: i32,
        /// Titles of splats that the console showed meanwhile.
        splats: Vec<String>,
    },
    /// The guest is gone.
    Dead(Box<GuestFailure>),
}

/// What the module's counts are compared with.
#[derive(Clone, Debug)]
pub enum Reference {
    /// What was recorded on the base.
    Base(Recorded),
    /// Nothing was recorded for the base, which has to be made up for.
    Missing,
    /// Nothing: the tree is the user's, or the counts are just being recorded.
    None,
}

impl Reference {
    /// How many tests there are in a mode, where that is known.
    pub fn tests(&self, mode: Mode) -> Option<u64> {
        let Self::Base(counts) = self else { return None };
        let tests = |tally: &log::Tally| u64::from(tally.passed + tally.failed);
        counts.of(mode.name()).map(|parts| parts.values().map(tests).sum())
    }
}

/// Runs the module in a mode. `tested` is told the number of tests that started so far, and
/// the new part of the kernel's log.
///
/// # Errors
///
/// When the guest cannot be started or the session was interrupted.
pub fn run(
    module: Option<&Path>,
    mode: Mode,
    reference: &Reference,
    loader: &mut dyn Loader,
    tested: &mut dyn FnMut(u32, &str),
) -> Result<(Record, Printed)> {
    let mut record = Record::new(NAME, mode);
    let mut printed = Printed::default();
    let Some(module) = module else {
        record.verdict = Verdict::Skipped;
        record.problems.push("the kernel was built without CONFIG_TEST_BPF=m".to_owned());
        return Ok((record, printed));
    };
    let without_caps = mode.row().without_caps;
    let start = Instant::now();
    let mut splats = Vec::new();
    for params in loads(mode) {
        let loaded = loader.load(module, params, mode, without_caps, &mut |text| {
            printed.feed(text);
            tested(printed.started, text);
        })?;
        match loaded {
            Loaded::Dead(failure) => {
                failure.judge(&mut record);
                break;
            }
            Loaded::Done { errno, splats: more } => {
                if errno != 0 {
                    let with = if params.is_empty() { "" } else { " with " };
                    let errno = errno_name(errno);
                    record
                        .problems
                        .push(format!("loading the module{with}{params} failed with {errno}"));
                }
                splats.extend(more);
            }
        }
    }
    record.millis = start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
    record.notes = notes(mode, &printed);
    if record.verdict == Verdict::Passed {
        judge(mode, &printed, reference, &mut record.problems);
        record.problems.extend(splats.into_iter().map(|title| format!("splat: {title}")));
        if !record.problems.is_empty() {
            record.verdict = Verdict::Failed;
        }
    }
    Ok((record, printed))
}

fn judge(mode: Mode, printed: &Printed, reference: &Reference, problems: &mut Vec<String>) {
    if printed.incomplete {
        problems.push(
            "part of the module's log was lost; raise CONFIG_LOG_BUF_SHIFT of the guest".to_owned(),
        );
    }
    problems.extend(printed.failures.iter().take(SHOWN_FAILURES).cloned());
    if let Some(more) = printed.failures.len().checked_sub(SHOWN_FAILURES).filter(|n| *n > 0) {
        problems.push(format!("{more} more tests failed"));
    }
    for part in PARTS {
        match printed.tallies.get(part) {
            None => problems.push(format!("{part} printed no summary")),
            Some(tally) if tally.failed > 0 => {
                problems.push(format!("{part}: {} tests failed", tally.failed));
            }
            Some(tally) if tally.run > 0 && (tally.jited == 0) != (mode == Mode::Interp) => {
                problems.push(format!(
                    "{part} ran in another mode than asked: {} and {} of {} programs JITed",
                    mode.name(),
                    tally.jited,
                    tally.run
                ));
            }
            Some(_) => {}
        }
    }
    compare(mode, printed, reference, problems);
}

fn compare(mode: Mode, printed: &Printed, reference: &Reference, problems: &mut Vec<String>) {
    let recorded = match reference {
        Reference::None => return,
        Reference::Base(counts) => counts.of(mode.name()),
        Reference::Missing => None,
    };
    let Some(recorded) = recorded else {
        problems.push(
            "there are no counts of the base to compare with; record them with \
             cargo xtask test kernel/test_bpf --series none --bless"
                .to_owned(),
        );
        return;
    };
    for part in PARTS {
        if let (Some(is), Some(base)) = (printed.tallies.get(part), recorded.get(part))
            && is != base
        {
            problems.push(format!("{part}: {}; on the base: {}", shown(is), shown(base)));
        }
    }
}

fn notes(mode: Mode, printed: &Printed) -> Vec<String> {
    let note = |part: &&str| Some(format!("{part}: {}", shown(printed.tallies.get(*part)?)));
    let mut notes: Vec<String> = PARTS.iter().filter_map(note).collect();
    if loads(mode) != [""] {
        notes.push(format!("left out for their time: all but {}", loads(mode).join(", ")));
    }
    notes
}

fn shown(tally: &log::Tally) -> String {
    let log::Tally { passed, failed, run, jited } = tally;
    match run {
        0 => format!("{passed} passed, {failed} failed"),
        _ => format!("{passed} passed, {failed} failed, {jited} of {run} JITed"),
    }
}

#[cfg(test)]
mod tests;
