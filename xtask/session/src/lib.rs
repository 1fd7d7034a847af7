//! Runs tests in a guest, which is restarted when it dies, or in several guests at once, and tells a
//! stream of events the results.
//!
//! While a guest executes a test, the next one waits in the guest already, and the host judges the one
//! before ([`worker`]): a guest never waits for the host, unless judging takes longer than executing.
//! Nothing is judged otherwise for that. Answers come in the order of the tests; a splat belongs to the
//! test whose marker is the last before it on the console; and a test that a guest had not answered when
//! it ended, or was given up for a splat of the one before, is sent to the next guest as if it had never
//! been sent.
//!
//! With several guests ([`Workers`]), each has a thread of its own that takes the next test from a common
//! list ([`queue`]), executes and judges it. Records are kept in the order of the list.

pub mod consoles;
pub mod executor;
pub mod guest;
pub mod helpers;
mod queue;
pub mod resources;
pub mod start;
pub mod test;
mod worker;

use std::panic::resume_unwind;
use std::thread;

use anyhow::{Context, Result};
use bpf_wire::Mode;

pub use executor::{Alone, Answer, Executor, Scripted, Work, Workers};
use harness_results::event::{Event, Stream};
use harness_results::record::Record;
pub use test::Test;

/// How tests are run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Modes to run each test in.
    pub modes: Vec<Mode>,
    /// Whether to stop at the first test that failed.
    pub fail_fast: bool,
}

/// A part of a session.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// How much there is to do, where tests tell that by themselves.
    pub total: Option<u64>,
}

/// Runs every test in every mode, in the first executor and in those of the workers. The stream is told
/// each test as soon as it is over; gives the records in the order of the tests. To stop at the first
/// failure means to begin nothing after it: what was begun before it in the order of tests is ended,
/// and counts.
///
/// # Errors
///
/// When a guest cannot be started, or the session was interrupted.
pub fn run(
    part: Part<'_>,
    tests: &[&dyn Test],
    rules: &Rules,
    executor: &mut dyn Executor,
    workers: &dyn Workers,
    stream: &mut Stream<'_>,
) -> Result<Vec<Record>> {
    let total = part.total.or(Some(tests.len() as u64));
    stream.tell(&Event::Part { name: part.name, total });
    let first = stream.next_order();
    let queue = queue::Queue::new(tests, stream);
    let work = |executor: &mut dyn Executor| {
        let worked = worker::work(&queue, rules, executor);
        if worked.is_err() {
            queue.give_up();
        }
        worked
    };
    thread::scope(|scope| {
        let mut helpers = Vec::new();
        for number in 1..=workers.helpers().min(tests.len().saturating_sub(1)) {
            let employed = move || workers.employ(number, &mut |executor| work(executor));
            let thread = thread::Builder::new().name(format!("job {}", number + 1));
            match thread.spawn_scoped(scope, employed) {
                Ok(helper) => helpers.push(helper),
                Err(error) => {
                    queue.give_up();
                    return Err(error).context("failed to start a thread for a further job");
                }
            }
        }
        let mut worked = work(executor);
        for helper in helpers {
            let helped = helper.join().unwrap_or_else(|panic| resume_unwind(panic));
            worked = worked.and(helped);
        }
        worked
    })?;
    let done = queue.is_done();
    drop(queue);
    if done {
        stream.tell(&Event::PartEnded);
    }
    Ok(stream.records_from(first))
}
