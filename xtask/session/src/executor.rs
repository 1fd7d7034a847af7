//! Who executes tests: a guest, or what unit tests have in its place.

use std::collections::VecDeque;

use anyhow::{Result, bail};
use bpf_wire::{Batch, BatchReport, Mode, Request, Response, Step};

use harness_vm::GuestFailure;

/// What a guest is asked for on behalf of one test in one mode.
#[derive(Clone, Debug)]
pub struct Work {
    /// The test's name.
    pub name: String,
    /// The mode.
    pub mode: Mode,
    /// The requests, answered one after the other.
    pub requests: Vec<Request>,
    /// Factor on the deadline of each request.
    pub patience: u32,
}

impl Work {
    /// One batch of steps.
    pub fn batch(name: &str, mode: Mode, steps: Vec<Step>) -> Self {
        let request = Request::Batch(Batch { name: name.to_owned(), mode, steps });
        Self { name: name.to_owned(), mode, requests: vec![request], patience: 1 }
    }
}

/// Executes the work of tests, of which some is sent ahead. The real one is a guest.
pub trait Executor {
    /// Sends work after what is not answered yet, starting a guest first where there is none.
    ///
    /// # Errors
    ///
    /// When no guest can be started or the session was interrupted.
    fn submit(&mut self, work: Work) -> Result<()>;

    /// Waits for the outcome of the oldest work without an answer; `logged` is told what the kernel
    /// logs while it loads a module. What was sent later is not affected, whatever the outcome.
    ///
    /// # Errors
    ///
    /// As of [`Executor::submit`].
    fn answer(&mut self, logged: &mut dyn FnMut(&str)) -> Result<Answer>;

    /// Forgets the work without an answer, and ends the guest that has it.
    fn abandon(&mut self);

    /// What the console showed while the last work was executed.
    fn console(&self) -> Vec<String> {
        Vec::new()
    }

    /// Executes one batch.
    ///
    /// # Errors
    ///
    /// As of [`Executor::submit`].
    fn execute(&mut self, name: &str, mode: Mode, steps: Vec<Step>) -> Result<Answer> {
        self.submit(Work::batch(name, mode, steps))?;
        self.answer(&mut |_| {})
    }
}

/// Where a session with several jobs has its further executors from.
pub trait Workers: Sync {
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
        work: &mut dyn FnMut(&mut dyn Executor) -> Result<()>,
    ) -> Result<()>;
}

/// No further executors.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Workers for Alone {
    fn helpers(&self) -> usize {
        0
    }

    fn employ(&self, _: usize, _: &mut dyn FnMut(&mut dyn Executor) -> Result<()>) -> Result<()> {
        Ok(())
    }
}

/// The outcome of some work.
#[derive(Debug)]
pub enum Answer {
    /// The guest answered.
    Done {
        /// One for each request.
        responses: Vec<Response>,
        /// Titles of splats that the console showed meanwhile.
        splats: Vec<String>,
    },
    /// The guest is gone; the next work starts another one.
    Dead(Box<GuestFailure>),
}

impl Answer {
    /// That a batch was answered.
    pub fn batch(report: BatchReport, splats: Vec<String>) -> Self {
        Self::Done { responses: vec![Response::Batch(report)], splats }
    }

    /// The report on a batch, and the titles of splats.
    ///
    /// # Errors
    ///
    /// When the guest is gone, or the work was no batch.
    pub fn into_report(self) -> Result<(BatchReport, Vec<String>)> {
        match self {
            Self::Dead(failure) => Err(failure.into_error()),
            Self::Done { mut responses, splats } => match responses.pop() {
                Some(Response::Batch(report)) => Ok((report, splats)),
                other => bail!("a batch was answered with {other:?}"),
            },
        }
    }
}

/// An executor for unit tests: a function answers the work, in its order.
pub struct Scripted<F> {
    answers: F,
    waiting: VecDeque<Work>,
}

impl<F: FnMut(Work, &mut dyn FnMut(&str)) -> Result<Answer>> Scripted<F> {
    /// What this function answers.
    pub fn new(answers: F) -> Self {
        Self { answers, waiting: VecDeque::new() }
    }
}

impl<F: FnMut(Work, &mut dyn FnMut(&str)) -> Result<Answer>> Executor for Scripted<F> {
    fn submit(&mut self, work: Work) -> Result<()> {
        self.waiting.push_back(work);
        Ok(())
    }

    fn answer(&mut self, logged: &mut dyn FnMut(&str)) -> Result<Answer> {
        match self.waiting.pop_front() {
            Some(work) => (self.answers)(work, logged),
            None => bail!("an answer is awaited that nothing was sent for"),
        }
    }

    fn abandon(&mut self) {
        self.waiting.clear();
    }
}
