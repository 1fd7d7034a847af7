//! The last steps of a run, kept in a ring.

use std::collections::VecDeque;

use crate::value::Value;

/// One step, by code index; the machine turns it into text when it is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) code: usize,
    pub(crate) depth: usize,
    pub(crate) changed: Option<(u8, Value)>,
}

/// Collects steps; its buffer is allocated once.
#[derive(Clone, Debug)]
pub(crate) struct Tracer {
    keep: usize,
    steps: VecDeque<Step>,
    before: [Value; 16],
}

impl Tracer {
    /// Keeps the last `keep` steps.
    pub(crate) fn new(keep: usize) -> Self {
        Self { keep, steps: VecDeque::new(), before: [Value::UNINIT; 16] }
    }

    /// A step starts; the one before it has ended.
    pub(crate) fn step(&mut self, code: usize, depth: usize, regs: &[Value; 16]) {
        self.end(regs);
        if self.keep == 0 {
            return;
        }
        if self.steps.len() == self.keep {
            self.steps.pop_front();
        }
        self.steps.push_back(Step { code, depth, changed: None });
        self.before = *regs;
    }

    /// The last step has ended with these registers.
    pub(crate) fn end(&mut self, regs: &[Value; 16]) {
        if let Some(step) = self.steps.back_mut() {
            let changed = (0..11).find(|&reg| regs[reg] != self.before[reg]);
            step.changed = changed.map(|reg| (reg as u8, regs[reg]));
        }
    }

    /// The steps, oldest first.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.steps.iter().copied()
    }
}
