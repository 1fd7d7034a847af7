//! Guests beside the first one of a session, each in a thread of its own.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};

use crate::executor::{Executor, Workers};
use crate::guest::Guest;
use harness_host::exit::Stop;
use harness_results::facts::GuestFacts;

/// Where Linux says what memory there is.
const MEMORY: &str = "/proc/meminfo";

/// Fewer cases than this do not pay for the start of a guest, some seconds under TCG.
const CASES_A_GUEST: usize = 40;

/// Guests for the jobs from the second on.
#[derive(Debug)]
pub struct Helpers {
    count: usize,
    guests: Mutex<BTreeMap<usize, Helper>>,
}

#[derive(Debug)]
struct Helper {
    guest: Guest,
    /// How it ended, where that says something.
    ended: Result<()>,
}

impl Helpers {
    /// As many as it takes for this many jobs, like `first`. None is started before it has something to
    /// do, and then by the thread that it works in: QEMU ends with the thread that started it.
    pub fn new(first: &Guest, jobs: usize) -> Self {
        let count = jobs.saturating_sub(1);
        let helper = |number| (number, Helper { guest: first.another(number + 1), ended: Ok(()) });
        Self { count, guests: Mutex::new((1..=count).map(helper).collect()) }
    }

    /// What the guests took and held, job by job.
    pub fn facts(&self) -> Vec<GuestFacts> {
        self.guests().values().flat_map(|helper| helper.guest.facts().iter().cloned()).collect()
    }

    /// Whether all ended in order.
    ///
    /// # Errors
    ///
    /// As of [`Guest::end`], for the first of them.
    pub fn ended(self) -> Result<()> {
        let guests = self.guests.into_inner().unwrap_or_else(PoisonError::into_inner);
        guests.into_values().try_for_each(|helper| helper.ended)
    }

    fn guests(&self) -> MutexGuard<'_, BTreeMap<usize, Helper>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers for Helpers {
    fn helpers(&self) -> usize {
        self.count
    }

    fn employ(
        &self,
        number: usize,
        work: &mut dyn FnMut(&mut dyn Executor) -> Result<()>,
    ) -> Result<()> {
        let Some(Helper { mut guest, ended }) = self.guests().remove(&number) else {
            bail!("there is no guest for job {}", number + 1);
        };
        let worked = work(&mut guest);
        // Without that, how it ends tells nothing more.
        let ended = if worked.is_ok() { ended.and(guest.end()) } else { ended };
        self.guests().insert(number, Helper { guest, ended });
        worked
    }
}

/// Refuses more jobs than there is memory for.
///
/// # Errors
///
/// [`Stop::Usage`], which says how many would do; and when the host does not say what it has.
pub fn fit(jobs: usize, guest_mib: u32) -> Result<()> {
    let text = fs::read_to_string(MEMORY).with_context(|| format!("failed to read {MEMORY}"))?;
    let available = available_mib(&text).with_context(|| {
        format!("failed to find out what memory is there: no MemAvailable in {MEMORY}")
    })?;
    fit_into(jobs, guest_mib.into(), available)
}

/// How many guests of this size pay for so many cases on this machine, when nobody says: one for each
/// processor, as long as half of the available memory holds them, and each has enough to do to make up
/// for its start.
pub fn most(guest_mib: u32, cases: usize) -> usize {
    let text = fs::read_to_string(MEMORY).unwrap_or_default();
    let available = available_mib(&text).unwrap_or_default();
    let processors = available_parallelism().map_or(1, usize::from);
    most_of(processors, guest_mib.into(), available, cases)
}

fn most_of(processors: usize, guest_mib: u64, available_mib: u64, cases: usize) -> usize {
    let hold = usize::try_from(available_mib / 2 / guest_mib.max(1)).unwrap_or(usize::MAX);
    processors.min(hold).min(cases / CASES_A_GUEST).max(1)
}

fn fit_into(jobs: usize, guest_mib: u64, available_mib: u64) -> Result<()> {
    let most = (available_mib / guest_mib.max(1)).max(1);
    if jobs as u64 <= most {
        return Ok(());
    }
    Err(Stop::Usage(format!(
        "{jobs} guests of {guest_mib} MiB do not fit into the {available_mib} MiB that can be had; \
         --jobs {most} does"
    ))
    .into())
}

fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_host::exit::Status;

    #[test]
    fn what_does_not_fit_is_refused_with_what_does() {
        assert!(fit_into(4, 256, 1024).is_ok());
        assert!(fit_into(1, 256, 100).is_ok(), "one is always tried");
        assert!(fit_into(5, 256, 1280).is_ok());
        let error = fit_into(5, 256, 1279).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
        assert!(error.to_string().ends_with("--jobs 4 does"), "{error}");
    }

    #[test]
    fn processors_memory_and_work_decide_how_many_guests_there_are() {
        assert_eq!(most_of(2, 256, 1024, 1000), 2);
        assert_eq!(most_of(2, 256, 1023, 1000), 1);
        assert_eq!(most_of(8, 256, 100, 1000), 1, "one is always tried");
        assert_eq!(most_of(64, 256, 1 << 20, 80), 2);
        assert_eq!(most_of(64, 256, 1 << 20, 79), 1);
    }

    #[test]
    fn the_hosts_memory_is_in_kib() {
        assert_eq!(available_mib("MemFree: 1 kB\nMemAvailable:   20480 kB\n"), Some(20));
        assert_eq!(available_mib("MemFree: 1 kB\n"), None);
    }
}
