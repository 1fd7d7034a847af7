//! What a campaign has done, in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use harness_suites::generated::Seen;

use crate::programs::Origin;

/// Reasons of rejections that are listed.
const SHOWN: usize = 12;

/// Counts of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Programs that were loaded, each counted once for all modes.
    pub programs: u64,
    /// Those of them that the kernel accepted.
    pub accepted: u64,
    /// Those that were meant to be.
    pub meant: u64,
    /// Those that were meant to be and were.
    pub meant_accepted: u64,
    /// Edited texts that are no programs.
    pub invalid: u64,
    /// Loads, in all modes.
    pub loads: u64,
    /// Why programs that were meant to be accepted were not.
    pub reasons: BTreeMap<String, u64>,
    /// Why the others were not.
    pub other_reasons: BTreeMap<String, u64>,
    /// Pairs whose verdicts were compared.
    pub pairs: u64,
    /// Pairs of which one was rejected for what the verifier does not promise.
    pub excused: u64,
}

impl Tally {
    /// Counts what the kernel made of a program in the first mode. Gives the reason why one that was
    /// meant to be accepted was not, if it is the first with this reason.
    pub fn count(&mut self, origin: Origin, seen: Option<&Seen>) -> Option<String> {
        self.programs += 1;
        let accepted = matches!(seen, Some(Seen::Accepted { .. }));
        self.accepted += u64::from(accepted);
        if origin.is_meant() {
            self.meant += 1;
            self.meant_accepted += u64::from(accepted);
        }
        if let Some(Seen::Rejected { reason, errno }) = seen {
            let reasons =
                if origin.is_meant() { &mut self.reasons } else { &mut self.other_reasons };
            let reason = format!("{} ({errno})", kind_of(reason));
            let count = reasons.entry(reason.clone()).or_default();
            *count += 1;
            return (origin.is_meant() && *count == 1).then_some(reason);
        }
        None
    }

    /// Percent of those that were meant to be accepted.
    pub fn share(&self) -> f64 {
        100.0 * self.meant_accepted as f64 / self.meant.max(1) as f64
    }

    /// One line.
    pub fn line(&self, took: Duration, finds: usize) -> String {
        format!(
            "{} programs ({:.1}/s), {} accepted, {:.0} % of those meant to be, {} finds",
            self.programs,
            self.programs as f64 / took.as_secs_f64().max(0.001),
            self.accepted,
            self.share(),
            finds
        )
    }

    /// The table at the end.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{} loads; {} of {} programs meant to be accepted were; {} of {} others; {} edits were no \
             programs; {} pairs compared, {} excused\n",
            self.loads,
            self.meant_accepted,
            self.meant,
            self.accepted - self.meant_accepted,
            self.programs - self.meant,
            self.invalid,
            self.pairs,
            self.excused,
        );
        for (what, reasons) in
            [("meant to be accepted", &self.reasons), ("others", &self.other_reasons)]
        {
            if reasons.is_empty() {
                continue;
            }
            let _ = writeln!(text, "rejected, {what}:");
            let mut sorted: Vec<_> = reasons.iter().collect();
            sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (reason, count) in sorted.iter().take(SHOWN) {
                let _ = writeln!(text, "{count:>7}  {reason}");
            }
            if sorted.len() > SHOWN {
                let rest: u64 = sorted[SHOWN..].iter().map(|(_, count)| **count).sum();
                let _ = writeln!(text, "{rest:>7}  {} other reasons", sorted.len() - SHOWN);
            }
        }
        text
    }
}

/// A message without its numbers: the first words of it.
pub fn kind_of(message: &str) -> String {
    let mut kind = String::new();
    let mut digits = false;
    for c in message.chars() {
        let is = c.is_ascii_digit();
        if !is {
            kind.push(c);
        } else if !digits {
            kind.push('N');
        }
        digits = is || digits && c.is_ascii_hexdigit();
        if digits && !is {
            kind.pop();
        }
    }
    let words: Vec<&str> = kind.split_whitespace().take(8).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_counted_without_its_numbers() {
        assert_eq!(kind_of("R12 !read_ok"), "RN !read_ok");
        assert_eq!(kind_of("invalid access off=0x7fc size=8"), "invalid access off=NxN size=N");
    }

    #[test]
    fn the_share_is_of_those_that_were_meant() {
        let mut tally = Tally::default();
        let rejected = Seen::Rejected { reason: "R1 !read_ok".into(), errno: 13 };
        tally.count(Origin::Generated, Some(&Seen::Accepted { verified: 3 }));
        tally.count(Origin::Generated, Some(&rejected));
        tally.count(Origin::Changed, Some(&rejected));
        assert_eq!(tally.share(), 50.0);
        assert!(
            tally.line(Duration::from_secs(2), 1).starts_with("3 programs (1.5/s), 1 accepted")
        );
        assert!(tally.table().contains("      1  RN !read_ok (13)"), "{}", tally.table());
    }
}
