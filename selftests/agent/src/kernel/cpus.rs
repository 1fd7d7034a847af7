//! The possible CPUs: per-CPU maps have a value for each of them.

use std::fs;

use super::mounts;

const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// Number of possible CPUs (`num_possible_cpus()`), at least 1.
///
/// # Errors
///
/// If the kernel does not report it.
pub(crate) fn possible() -> Result<usize, String> {
    mounts::sys()?;
    let list =
        fs::read_to_string(POSSIBLE).map_err(|e| format!("failed to read {POSSIBLE}: {e}"))?;
    count(list.trim()).ok_or_else(|| format!("{POSSIBLE} says {:?}, expected 0-N", list.trim()))
}

/// Counts the CPUs of a list such as `0-3,8`: `bitmap_print_to_pagebuf()` of `lib/bitmap-str.c`.
fn count(list: &str) -> Option<usize> {
    list.split(',').try_fold(0usize, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("0-3"), Some(4));
        assert_eq!(count("0-1,4,6-7"), Some(5));
        for wrong in ["", "3-1", "a", "0-", "0-18446744073709551615"] {
            assert_eq!(count(wrong), None, "{wrong}");
        }
    }
}
