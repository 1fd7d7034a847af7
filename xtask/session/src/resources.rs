//! Leak check: compares the guest's resources before and after.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use harness_host::exit::Stop;
use harness_results::facts::Resources;

/// How long the kernel may take to give back what the last batches have let go: programs and maps
/// are freed by RCU and by workqueues.
pub const SETTLING: Duration = Duration::from_secs(5);

/// Time between two looks at a guest that still holds too much.
const PAUSE: Duration = Duration::from_millis(50);

/// Memory in KiB that a guest may have less of at its end, beside what its kernel is known to keep.
///
/// Nearly twice what was measured: 4.1 MiB after 1848 batches, of which the JIT's first pack for machine
/// code has 2 MiB (`kernel/bpf/core.c`, `bpf_prog_pack_alloc()`), and 5.3 MiB after `test_bpf` alone;
/// slabs, page tables and lists of free pages. Two pages lost in each batch show from 2048 batches on.
const MEMORY_KIB: u64 = 16 << 10;

/// What a guest holds that it did not hold at its start.
#[derive(Debug, PartialEq, Eq)]
pub enum Leak {
    /// Descriptors of the agent's: its own fault.
    Agent(String),
    /// Objects or memory of the kernel's.
    Kernel(String),
}

impl Leak {
    /// As an error that carries its exit status.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Agent(text) => anyhow!(text),
            Self::Kernel(text) => Stop::CaseFailed(text).into(),
        }
    }
}

/// Counts until nothing is held that was not held at the start, or `patience` is over. Gives the last
/// count, and what is wrong with it. `keeps_mib` is what the kernel may keep beside the usual.
///
/// # Errors
///
/// When a count fails.
pub fn settled(
    start: &Resources,
    keeps_mib: u32,
    patience: Duration,
    count: &mut dyn FnMut() -> Result<Resources>,
) -> Result<(Resources, Option<Leak>)> {
    let began = Instant::now();
    loop {
        let end = count()?;
        let leak = leak(start, &end, MEMORY_KIB + (u64::from(keeps_mib) << 10));
        if leak.is_none() || began.elapsed() >= patience {
            return Ok((end, leak));
        }
        sleep(PAUSE);
    }
}

/// What is held at the end that was not held at the start, the most telling first: who leaks a
/// descriptor leaks what it stands for, and who leaks an object its memory.
fn leak(start: &Resources, end: &Resources, usual_kib: u64) -> Option<Leak> {
    let more = |before: u32, after: u32| (after > before).then(|| after - before);
    if let Some(more) = more(start.descriptors, end.descriptors) {
        return Some(Leak::Agent(format!(
            "the agent leaks descriptors: it has {more} more open at its end, {} in place of {}",
            end.descriptors, start.descriptors
        )));
    }
    let counts = [
        ("programs", start.programs, end.programs),
        ("maps", start.maps, end.maps),
        ("BTF objects", start.btfs, end.btfs),
    ];
    let held: Vec<String> = counts
        .iter()
        .filter_map(|(what, before, after)| Some((what, after, more(*before, *after)?)))
        .map(|(what, after, more)| format!("{more} {what} more than at its start, {after}"))
        .collect();
    if !held.is_empty() {
        return Some(Leak::Kernel(format!(
            "the guest's kernel leaks: after the last case, with everything closed, it has {}",
            held.join("; ")
        )));
    }
    let lost = start.available_kib.saturating_sub(end.available_kib);
    (lost > usual_kib).then(|| {
        let grown = |name, before: u64, after: u64| format!("{name} {before}→{after} KiB");
        Leak::Kernel(format!(
            "the guest's kernel leaks memory: after the last case {lost} KiB less can be had than \
             at the start, more than the {usual_kib} KiB that are usual ({}, {}, {})",
            grown("Slab", start.slab_kib, end.slab_kib),
            grown("VmallocUsed", start.vmalloc_kib, end.vmalloc_kib),
            grown("Percpu", start.percpu_kib, end.percpu_kib),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_host::exit::Status;

    const START: Resources = Resources {
        descriptors: 8,
        programs: 1,
        maps: 2,
        btfs: 3,
        available_kib: 200 << 10,
        slab_kib: 1000,
        vmalloc_kib: 2000,
        percpu_kib: 100,
    };

    fn said(end: Resources) -> Option<(Status, String)> {
        let error = leak(&START, &end, MEMORY_KIB)?.into_error();
        Some((Status::of(&error), error.to_string()))
    }

    #[test]
    fn what_is_the_same_or_less_is_no_leak() {
        assert_eq!(said(START), None);
        assert_eq!(said(Resources { programs: 0, maps: 0, ..START }), None);
        let usual = Resources { available_kib: START.available_kib - MEMORY_KIB, ..START };
        assert_eq!(said(usual), None);
    }

    #[test]
    fn a_descriptor_more_is_the_agents_and_an_object_more_the_kernels() {
        let (status, text) = said(Resources { descriptors: 9, programs: 2, ..START }).unwrap();
        assert_eq!(status, Status::Harness);
        assert!(text.contains("1 more open at its end, 9 in place of 8"), "{text}");
        let (status, text) = said(Resources { programs: 6, btfs: 4, ..START }).unwrap();
        assert_eq!(status, Status::CaseFailed);
        assert!(
            text.ends_with(
                "has 5 programs more than at its start, 6; 1 BTF objects more than at its start, 4"
            ),
            "{text}"
        );
    }

    #[test]
    fn memory_has_a_bound_and_says_where_it_went() {
        let end = Resources {
            available_kib: START.available_kib - MEMORY_KIB - 1,
            vmalloc_kib: 11_000,
            ..START
        };
        let (status, text) = said(end).unwrap();
        assert_eq!(status, Status::CaseFailed);
        assert!(
            text.contains("16385 KiB less") && text.contains("VmallocUsed 2000→11000"),
            "{text}"
        );
    }

    #[test]
    fn a_kernel_may_keep_what_it_is_known_to_keep() {
        let end = Resources { available_kib: START.available_kib - (21 << 10), ..START };
        let leaks = |keeps_mib| {
            settled(&START, keeps_mib, Duration::ZERO, &mut || Ok(end)).unwrap().1.is_some()
        };
        assert_eq!([leaks(4), leaks(5)], [true, false]);
    }

    #[test]
    fn what_is_freed_late_is_waited_for() {
        let mut counts = [3, 2, 1, 1].into_iter();
        let mut count = || Ok(Resources { programs: counts.next().unwrap(), ..START });
        let (end, leak) = settled(&START, 0, Duration::from_secs(3600), &mut count).unwrap();
        assert_eq!((end.programs, leak), (1, None));
        assert_eq!(counts.len(), 1, "no more looks than it takes");
    }

    #[test]
    fn what_stays_is_a_leak() {
        let mut count = || Ok(Resources { maps: 3, ..START });
        let (_, leak) = settled(&START, 0, Duration::ZERO, &mut count).unwrap();
        assert!(matches!(leak, Some(Leak::Kernel(_))), "{leak:?}");
    }
}
