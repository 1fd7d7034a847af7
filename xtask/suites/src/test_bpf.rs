//! The suite `kernel/test_bpf`: the kernel's own tests of interpreter and JIT, `lib/test_bpf.ko`.
//!
//! It is not a case of ours: the module judges itself. What is judged here is that it ran to its end,
//! in the mode asked for, that nothing failed, and that it counts the same as on the base.

mod log;
pub mod recorded;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bpf_wire::{Mode, Request, Response};

use harness_results::event::Sort;
use harness_results::notation::errno_name;
use harness_results::record::{FailureClass, Record};
use harness_session::test::{Found, Judge, Plan, Test, Unmet};

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
/// (`kernel/bpf/core.c`, `bpf_patch_insn_single()` forevery constant). One of them takes minutes
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

/// Factor on the deadline of one load: it needs one minute or two under TCG.
const PATIENCE: u32 = 20;

/// Lines of failed tests that are shown.
const SHOWN_FAILURES: usize = 20;

/// What the module's counts are compared with.
#[derive(Clone, Debug)]
pub enum Reference {
    /// What was recorded on the base.
    Base(Recorded),
    /// Nothing was recorded for the base of this name, which has to be made up for.
    Missing(String),
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

/// The module as a test, in one mode.
#[derive(Debug)]
pub struct ModuleTest<'a> {
    /// The module; none where the kernel was built without.
    pub module: Option<&'a Path>,
    /// What its counts are compared with.
    pub reference: &'a Reference,
    /// What it has printed so far.
    pub printed: Mutex<Printed>,
}

impl ModuleTest<'_> {
    /// What it has printed so far.
    pub fn printed(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Test for ModuleTest<'_> {
    fn name(&self) -> &str {
        NAME
    }

    fn unmet(&self, _: Mode) -> Option<Unmet> {
        let reason = "the kernel was built without CONFIG_TEST_BPF=m".to_owned();
        self.module.is_none().then_some(Unmet { reason, declared: false })
    }

    fn plan(&self, mode: Mode) -> Result<Plan, String> {
        let module = self.module.unwrap_or(Path::new(""));
        let image = fs::read(module)
            .map_err(|error| format!("failed to read the module {}: {error}", module.display()))?;
        let load = |params: &&str| Request::LoadModule {
            name: NAME.to_owned(),
            image: image.clone(),
            params: (*params).to_owned(),
            mode,
            without_caps: mode.row().without_caps.to_vec(),
        };
        let requests = loads(mode).iter().map(load).collect();
        Ok(Plan { requests, patience: PATIENCE, roles: Vec::new() })
    }

    fn judge(&self) -> Box<dyn Judge + '_> {
        Box::new(ModuleJudge(self))
    }
}

struct ModuleJudge<'a>(&'a ModuleTest<'a>);

impl Judge for ModuleJudge<'_> {
    fn logged(&mut self, text: &str) -> u64 {
        let mut printed = self.0.printed();
        printed.feed(text);
        printed.started.into()
    }

    fn judge(&mut self, mode: Mode, _: &Plan, seen: &[Response], found: &mut Found<'_>) {
        let mut problems = Vec::new();
        for (params, response) in loads(mode).iter().zip(seen) {
            if let Response::Module { errno } = response
                && *errno != 0
            {
                let with = if params.is_empty() { "" } else { " with " };
                let errno = errno_name(*errno);
                problems.push(format!("loading the module{with}{params} failed with {errno}"));
            }
        }
        let printed = self.0.printed();
        judge(mode, &printed, self.0.reference, &mut problems);
        found.push(FailureClass::Result, problems);
        found.record.notes = notes(mode, &printed);
    }

    fn lost(&mut self, mode: Mode, record: &mut Record) {
        record.notes = notes(mode, &self.0.printed());
    }

    fn end(self: Box<Self>, _: &mut Vec<Record>) -> Sort {
        Sort::Module
    }
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
    let (recorded, base) = match reference {
        Reference::None => return,
        Reference::Base(counts) => (counts.of(mode.name()), &counts.made_with.base),
        Reference::Missing(base) => (None, base),
    };
    let Some(recorded) = recorded else {
        let command = Recorded::command(base);
        problems.push(format!(
            "there are no counts of the base to compare with; record them with {command}"
        ));
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
