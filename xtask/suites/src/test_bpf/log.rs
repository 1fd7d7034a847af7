//! What `lib/test_bpf.c` prints: a line for each test, and a summary for each of its three parts.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The parts in their order: names of functions in `lib/test_bpf.c`, and of its parameter
/// `test_suite`.
pub(crate) const PARTS: [&str; 3] = ["test_bpf", "test_tail_calls", "test_skb_segment"];

/// A summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Programs that were run; 0 for the part that has none.
    pub run: u32,
    /// Those of them that were JITed.
    pub jited: u32,
}

/// What a run of the module printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// The lines as they are.
    pub text: String,
    /// The summaries by part.
    pub tallies: BTreeMap<String, Tally>,
    /// Lines of tests that failed.
    pub failures: Vec<String>,
    /// Tests that started.
    pub started: u32,
    /// Whether the log's buffer overflowed, so that lines are missing.
    pub incomplete: bool,
}

static SUMMARY: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(?:\[ *[\d.]+\] )?test_bpf: (?:(?<part>\w+): )?Summary: (?<passed>\d+) PASSED, (?<failed>\d+) FAILED(?:, \[(?<jited>\d+)/(?<run>\d+) JIT'ed\])?",
    )
});
static TEST: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:\[ *[\d.]+\] )?test_bpf: #\d+ "));

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles them all")]
fn regex(text: &str) -> Regex {
    Regex::new(text).expect("constant pattern")
}

impl Printed {
    /// Takes further lines of the kernel's log.
    pub fn feed(&mut self, text: &str) {
        self.text.push_str(text);
        for line in text.lines() {
            if let Some(found) = SUMMARY.captures(line) {
                let part = found.name("part").map_or("test_bpf", |part| part.as_str());
                let number =
                    |name| found.name(name).and_then(|n| n.as_str().parse().ok()).unwrap_or(0);
                let tally = Tally {
                    passed: number("passed"),
                    failed: number("failed"),
                    run: number("run"),
                    jited: number("jited"),
                };
                self.tallies.insert(part.to_owned(), tally);
            } else if line.starts_with("[records were lost]") {
                self.incomplete = true;
            } else {
                // Another message may come between a test's number and its verdict.
                self.started += u32::from(TEST.is_match(line));
                // "FAIL to prog_fill" is in no summary.
                if line.contains("FAIL") || line.contains("UNEXPECTED_PASS") {
                    self.failures.push(line.to_owned());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Printed {
        let mut printed = Printed::default();
        printed.feed(text);
        printed
    }

    #[test]
    fn each_part_has_its_summary() {
        let printed = printed(
            "bpf-indirect: case kernel/test_bpf jit\n\
             [   12.345678] test_bpf: #0 TAX jited:1 22 20 20 PASS\n\
             [   14.345678] test_bpf: Summary: 1061 PASSED, 0 FAILED, [1049/1050 JIT'ed]\n\
             test_bpf: #0 Tail call leaf jited:1 9 PASS\n\
             test_bpf: test_tail_calls: Summary: 10 PASSED, 1 FAILED, [8/11 JIT'ed]\n\
             test_bpf: #1 gso_without_rx_frags PASS\n\
             test_bpf: test_skb_segment: Summary: 2 PASSED, 0 FAILED\n",
        );
        let of = |part: &str| printed.tallies[part];
        assert_eq!(of(PARTS[0]), Tally { passed: 1061, failed: 0, run: 1050, jited: 1049 });
        assert_eq!(of(PARTS[1]), Tally { passed: 10, failed: 1, run: 11, jited: 8 });
        assert_eq!(of(PARTS[2]), Tally { passed: 2, ..Tally::default() });
        assert_eq!((printed.started, printed.failures.len()), (3, 0));
    }

    #[test]
    fn what_no_summary_counts_is_a_failure_too() {
        let printed = printed(
            "test_bpf: #7 fill FAIL to prog_fill\n\
             test_bpf: #8 refuse UNEXPECTED_PASS\n\
             test_bpf: #9 add jited:1 ret 3 != 4 (0x3 != 0x4)FAIL (1 times)\n",
        );
        assert_eq!(printed.failures.len(), 3);
        assert!(printed.tallies.is_empty());
    }

    #[test]
    fn an_overflow_is_noticed() {
        assert!(printed("test_bpf: #7 x\n[records were lost]\n").incomplete);
    }
}
