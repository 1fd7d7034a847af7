//! The last steps of a run, kept in a ring.

use std::collections::VecDeque;

use crate::lower::Program;
use crate::memory::Memory;
use crate::state::State;
use crate::value::Value;
use crate::watch::Watch;

/// Registers that programs see.
const REGS: usize = 11;

/// One step, by program and code index; the machine turns it into text when it is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) program: usize,
    pub(crate) code: usize,
    pub(crate) depth: usize,
    before: [Value; REGS],
}

/// Collects steps.
#[derive(Clone, Debug)]
pub(crate) struct Tracer {
    keep: usize,
    seen: u64,
    steps: VecDeque<Step>,
    /// Registers behind the last step, where it has ended.
    after: Option<[Value; REGS]>,
}

impl Tracer {
    /// Keeps the last `keep` steps.
    pub(crate) fn new(keep: usize) -> Self {
        Self { keep, seen: 0, steps: VecDeque::new(), after: None }
    }

    /// Steps that are no longer there.
    pub(crate) fn left_out(&self) -> u64 {
        self.seen - self.steps.len() as u64
    }

    /// The steps, oldest first, each with the registers that it has given a value. A step that
    /// trapped has given none.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (Step, Vec<(u8, Value)>)> + '_ {
        let following = self.steps.iter().skip(1).map(|step| Some(step.before));
        self.steps.iter().zip(following.chain([self.after])).map(|(step, after)| {
            let changed = after.map_or_else(Vec::new, |after| changed(&step.before, &after));
            (*step, changed)
        })
    }
}

impl Watch for Tracer {
    fn step(&mut self, _: &Program, code: usize, state: &State, _: &Memory) {
        self.seen += 1;
        if self.keep == 0 {
            return;
        }
        if self.steps.len() == self.keep {
            self.steps.pop_front();
        }
        let State { program, depth, .. } = *state;
        self.steps.push_back(Step { program, code, depth, before: visible(&state.regs) });
    }

    fn end(&mut self, state: &State) {
        self.after = Some(visible(&state.regs));
    }
}

fn visible(regs: &[Value; 16]) -> [Value; REGS] {
    let mut visible = [Value::UNINIT; REGS];
    visible.copy_from_slice(&regs[..REGS]);
    visible
}

/// What has another value than before, without what has none now.
fn changed(before: &[Value; REGS], after: &[Value; REGS]) -> Vec<(u8, Value)> {
    (0u8..)
        .zip(before.iter().zip(after))
        .filter(|(_, (before, after))| before != after && **after != Value::UNINIT)
        .map(|(reg, (_, after))| (reg, *after))
        .collect()
}
