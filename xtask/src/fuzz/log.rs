//! What libFuzzer prints: how far it came, and what it found.

use std::fmt;

/// A run to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Inputs that were run.
    runs: String,
    /// Places in the code that they reached.
    coverage: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} inputs, {} edges of the code reached", self.runs, self.coverage)
    }
}

/// Reads the last line of its kind: `#27 DONE   cov: 310 ft: 800 corp: …`.
pub(super) fn done(text: &str) -> Option<Done> {
    let line = text.lines().rev().find(|line| line.starts_with('#') && line.contains("\tDONE"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let runs = words.first()?.trim_start_matches('#').to_owned();
    let at = words.iter().position(|&word| word == "cov:")?;
    Some(Done { runs, coverage: (*words.get(at + 1)?).to_owned() })
}

/// What went wrong: the first line of the panic with its place, or libFuzzer's own words.
pub(super) fn failure(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    // thread 'NAME' (NUMBER) panicked at PLACE:
    let place = |line: &&str| line.starts_with("thread '").then(|| line.find("panicked at "))?;
    if let Some((at, start)) = lines.iter().enumerate().find_map(|(at, l)| Some((at, place(l)?))) {
        let message = lines.get(at + 1).copied().unwrap_or_default();
        return Some(format!("{} {message}", &lines[at][start..]));
    }
    let error = lines.iter().find(|line| line.contains("ERROR: libFuzzer: "))?;
    error.split("ERROR: libFuzzer: ").nth(1).map(str::to_owned)
}

/// The file with the input that it failed on.
pub(super) fn input(text: &str) -> Option<String> {
    let line = text.lines().rev().find(|line| line.contains("Test unit written to "))?;
    line.split("Test unit written to ").nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: &str = "#2\tINITED cov: 12 ft: 13\n\
        #29525\tDONE   cov: 4012 ft: 9 corp: 3/9b lim: 4096 exec/s: 484 rss: 90Mb\n\
        ###### Recommended dictionary. ######\n\"ed\" # Uses: 0\nDone 29525 runs in 61 second(s)\n";

    #[test]
    fn a_run_to_its_end() {
        let done = done(DONE).unwrap();
        assert_eq!(done.to_string(), "29525 inputs, 4012 edges of the code reached");
        assert_eq!(failure(DONE), None);
        assert_eq!(input(DONE), None);
    }

    #[test]
    fn a_panic() {
        let text = "INFO: seed\n\nthread '<unnamed>' (71) panicked at src/decode.rs:10:5:\nplanted\n\
            note: run with `RUST_BACKTRACE=1`\n==1== ERROR: libFuzzer: deadly signal\n\
            artifact_prefix='a/'; Test unit written to a/crash-01\n";
        assert_eq!(failure(text).unwrap(), "panicked at src/decode.rs:10:5: planted");
        assert_eq!(input(text).unwrap(), "a/crash-01");
        assert_eq!(done(text), None);
    }

    #[test]
    fn too_slow_and_too_large() {
        let text = "==1== ERROR: libFuzzer: timeout after 10 seconds\n    #0 0x1\n\
            artifact_prefix='a/'; Test unit written to a/timeout-01\n";
        assert_eq!(failure(text).unwrap(), "timeout after 10 seconds");
        let text = "==1== ERROR: libFuzzer: out-of-memory (used: 2050Mb; limit: 2048Mb)\n";
        assert_eq!(failure(text).unwrap(), "out-of-memory (used: 2050Mb; limit: 2048Mb)");
        assert_eq!(input(text), None);
    }
}
