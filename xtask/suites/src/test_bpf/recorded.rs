//! What the module gives on a base without the series: the patched kernel has to give the same.

use super::log::Tally;
use crate::recorded::OfPart;

/// The counts of one base, by mode and part of the module.
pub type Recorded = crate::recorded::Recorded<Tally>;

impl OfPart for Tally {
    const SUITE: &str = "test_bpf";
    const ABOUT: &str = "What lib/test_bpf.ko gives on this base without the series, in each mode.";
}

#[cfg(test)]
mod tests {
    use bpf_wire::Mode;

    use super::*;
    use crate::test_bpf::PARTS;
    use harness_kernel::bases;

    #[test]
    fn every_base_has_counts_that_were_made_without_the_series() {
        for base in bases::all().unwrap() {
            let counts = Recorded::load(&base.name).unwrap().expect("counts are recorded");
            for &mode in Mode::EVERY {
                let parts = counts.of(mode.name()).expect("every mode is recorded");
                assert!(PARTS.iter().all(|part| parts.contains_key(*part)), "{parts:?}");
                assert!(parts.values().all(|tally| tally.failed == 0 && tally.passed > 0));
                assert_eq!(parts[PARTS[0]].jited == 0, mode == Mode::Interp, "{mode:?}");
            }
        }
    }
}
