//! Time as a guest has it: what it spends waiting for a processor of a busy host does not count.

use std::fs;
use std::time::{Duration, Instant};

/// Shorter waits are taken as they are.
const WORTH_ASKING: Duration = Duration::from_millis(100);

/// Time since a moment in a process's life.
#[derive(Debug)]
pub(crate) struct Clock {
    process: Option<u32>,
    start: Instant,
    /// See [`starved`], when it was first asked for.
    before: Option<Duration>,
}

impl Clock {
    /// Starts now. Without a process, time is the host's.
    pub(crate) fn start(process: Option<u32>) -> Self {
        Self { process, start: Instant::now(), before: None }
    }

    /// The time since the start.
    pub(crate) fn elapsed(&mut self) -> Duration {
        let elapsed = self.start.elapsed();
        let Some(process) = self.process.filter(|_| elapsed >= WORTH_ASKING) else {
            return elapsed;
        };
        let starved = starved(process);
        let before = *self.before.get_or_insert(starved);
        elapsed.saturating_sub(starved.saturating_sub(before))
    }
}

/// How long the thread of a process that waited longest for a processor has done so, since it started:
/// the second number of `schedstat` (`Documentation/scheduler/sched-stats.rst`). Of QEMU, this is the
/// thread that is the guest's processor. Zero where the host's kernel does not tell.
fn starved(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let waited = threads.filter_map(|thread| {
        let numbers = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        numbers.split_whitespace().nth(1)?.parse().ok()
    });
    Duration::from_nanos(waited.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::thread::sleep;

    use super::*;

    /// A loop on the first processor alone.
    fn busy() -> Child {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"]).spawn().unwrap()
    }

    #[test]
    fn time_without_a_processor_does_not_count() {
        let mut children = [busy(), busy()];
        let mut clock = Clock::start(Some(children[0].id()));
        let patience = Instant::now() + Duration::from_secs(60);
        while clock.elapsed() + WORTH_ASKING > clock.start.elapsed() && Instant::now() < patience {
            sleep(WORTH_ASKING);
        }
        let (counted, passed) = (clock.elapsed(), clock.start.elapsed());
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(counted < passed, "{counted:?} of {passed:?}");
        assert!(Instant::now() < patience);
    }

    #[test]
    fn a_process_that_sleeps_has_all_the_time() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut clock = Clock::start(Some(child.id()));
        sleep(3 * WORTH_ASKING);
        clock.elapsed();
        sleep(3 * WORTH_ASKING);
        let counted = clock.elapsed();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(counted > 4 * WORTH_ASKING, "{counted:?}");
    }
}
