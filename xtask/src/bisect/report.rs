//! What a bisection says: while it goes on, and in the end.

use std::fmt::Write;

use serde::Serialize;

use super::search::Left;
use super::step::{Class, Judged};

/// The result of a bisection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// The first commit of the new side; several where those between could not be judged.
    pub(crate) endings: Vec<Ending>,
    /// What the old side is called.
    pub(crate) term_old: String,
    /// What the new side is called.
    pub(crate) term_new: String,
    /// Commits that were looked at, both ends counted.
    pub(crate) steps: usize,
    /// Kernels that were built, or did not build; the others were in the cache.
    pub(crate) builds: usize,
    /// Seconds from the start of this run.
    pub(crate) seconds: f64,
}

/// A commit that may be the one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Ending {
    /// Its hash.
    pub(crate) commit: String,
    /// The commit in words.
    pub(crate) details: String,
    /// What the commit before it does, if that was looked at.
    pub(crate) before: Option<Judged>,
    /// What it does.
    pub(crate) at: Option<Judged>,
}

pub(super) fn opening(commits: usize) -> String {
    let steps = usize::BITS - commits.saturating_sub(1).leading_zeros();
    format!("{commits} commits to look through: about {steps} steps, after both ends")
}

pub(super) fn class(class: Class) -> &'static str {
    match class {
        Class::Holds => "the cases hold",
        Class::Fails => "cases fail",
        Class::Lacks => "the kernel lacks what the cases need",
    }
}

pub(super) fn step(done: usize, left: Left, seconds: Option<f64>, description: &str) -> String {
    let mut text = format!(
        "step {done} of about {}, {} left",
        done + left.steps - 1,
        plural(left.commits, "commit")
    );
    if let Some(seconds) = seconds {
        let _ = write!(text, ", about {}", duration(seconds * left.steps as f64));
    }
    let _ = write!(text, ": {description}");
    text
}

pub(super) fn judged(word: &str, judged: &Judged) -> String {
    let how = if judged.built { "built and run" } else { "run, its kernel was there" };
    format!("  {word}: {} ({how} in {})", judged.text, duration(judged.seconds))
}

impl Answer {
    /// The closing lines. `again` says how to see the commit's failure once more.
    pub(crate) fn text(&self, again: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        match self.endings.as_slice() {
            [one] => {
                let mut lines = one.details.lines();
                let hash = lines.next().unwrap_or(&one.commit);
                let _ = writeln!(text, "{hash} is the first {} commit", self.term_new);
                for line in lines {
                    let _ = writeln!(text, "{line}");
                }
                let width = self.term_old.len().max(self.term_new.len());
                let mut side = |term: &str, place: &str, judged: &Option<Judged>| {
                    let said = judged.as_ref().map_or("not looked at", |judged| &judged.text);
                    let _ = writeln!(text, "  {term:width$}  {place}  {said}");
                };
                side(&self.term_old, "before it", &one.before);
                side(&self.term_new, "with it  ", &one.at);
                let _ = writeln!(text, "  see it again: {}", again(&one.commit));
            }
            several => {
                let _ = writeln!(
                    text,
                    "the first {} commit is one of these, the others cannot be judged:",
                    self.term_new
                );
                for ending in several {
                    let said = ending.at.as_ref().map_or("not looked at", |judged| &judged.text);
                    let _ = writeln!(text, "  {}: {said}", ending.details);
                }
            }
        }
        let _ = writeln!(
            text,
            "{}, {}, {}",
            plural(self.steps, "commit") + " looked at",
            plural(self.builds, "kernel build"),
            duration(self.seconds)
        );
        text
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `48 s`, `12 min`, `1 h 20 min`.
fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0..2 => format!("{seconds:.0} s"),
        2..60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration(48.4), "48 s");
        assert_eq!(duration(89.0), "89 s");
        assert_eq!(duration(700.0), "12 min");
        assert_eq!(duration(4800.0), "1 h 20 min");
    }

    #[test]
    fn the_number_of_steps() {
        for (commits, steps) in [(1, 0), (2, 1), (16, 4), (17, 5)] {
            let text = format!("about {steps} steps");
            assert!(opening(commits).contains(&text), "{commits}: {}", opening(commits));
        }
        let left = Left { commits: 8, steps: 3 };
        let text = step(2, left, Some(60.0), "1234 bpf: x");
        assert_eq!(text, "step 2 of about 4, 8 commits left, about 3 min: 1234 bpf: x");
    }
}
