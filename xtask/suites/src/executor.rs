//! Who executes batches: a guest, or what tests have in its place.

use anyhow::Result;
use bpf_wire::{BatchReport, Mode, Step};

use harness_vm::GuestFailure;

/// Executes batches. The real one is a guest; tests have others.
pub trait Executor {
    /// Executes one batch, starting a guest first where there is none.
    ///
    /// # Errors
    ///
    /// When no guest can be started or the session was interrupted.
    fn execute(&mut self, name: &str, mode: Mode, steps: Vec<Step>) -> Result<Answer>;

    /// What the console showed while the last batch ran.
    fn console(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Executes batches of which some are sent ahead.
pub trait Pipeline: Executor {
    /// Sends a batch behind those that are not answered yet, starting a guest first where there is
    /// none.
    ///
    /// # Errors
    ///
    /// When no guest can be started or the session was interrupted.
    fn submit(&mut self, name: &str, mode: Mode, steps: Vec<Step>) -> Result<()>;

    /// Waits for what comes of the oldest batch without an answer. Those behind it are not affected by
    /// its end, whatever that is.
    ///
    /// # Errors
    ///
    /// As of [`Pipeline::submit`].
    fn answer(&mut self) -> Result<Answer>;

    /// Forgets the batches without an answer, and ends the guest that has them.
    fn abandon(&mut self);
}

/// Where a session with several jobs has its further executors from.
pub trait Crew: Sync {
    /// How many there are beside the first.
    fn helpers(&self) -> usize;

    /// Has the helper with this number, from 1 on, do some work in the calling thread, and ends what it
    /// started there.
    ///
    /// # Errors
    ///
    /// Those of the work.
    fn employ(
        &self,
        number: usize,
        work: &mut dyn FnMut(&mut dyn Pipeline) -> Result<()>,
    ) -> Result<()>;
}

/// No further executors.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Crew for Alone {
    fn helpers(&self) -> usize {
        0
    }

    fn employ(&self, _: usize, _: &mut dyn FnMut(&mut dyn Pipeline) -> Result<()>) -> Result<()> {
        Ok(())
    }
}

/// What came of a batch.
#[derive(Debug)]
pub enum Answer {
    /// The guest answered.
    Report {
        /// What the agent reported.
        report: BatchReport,
        /// Titles of splats that the console showed meanwhile.
        splats: Vec<String>,
    },
    /// The guest is gone; the next batch starts another one.
    Dead(Box<GuestFailure>),
}
