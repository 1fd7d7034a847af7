//! The report for people: one block for each case that failed, and the closing lines.

use std::fmt::Write;

use super::repeat::Setting;
use super::steps;
use harness_results::facts::GuestFacts;
use harness_results::record::{
    Counts, FailureClass, Record, TooStrict, TooStrictCase, Verdict, traces,
};
use harness_results::subject::{StatedRun, Subject};

/// Lines of a program that are shown.
const SHOWN_LINES: usize = 60;
/// Lines at the end of a verifier log that are shown.
const SHOWN_LOG: usize = 25;

/// A case that failed: program, input, expectation, each mode's result, how to repeat it.
///
/// `steps` of the model are shown where it says something else.
pub fn failure(subject: &Subject, records: &[Record], steps: usize, setting: &Setting) -> String {
    let unsound = records.iter().any(|record| record.failure == Some(FailureClass::Unsound));
    let unsound = if unsound { " (unsound)" } else { "" };
    let mut text = format!("FAILED{unsound} {}\n  {}\n", subject.name, subject.about);
    program(subject, &mut text);
    expectation(subject, &mut text);
    for record in records {
        verdict(record, &mut text);
        log_of(record, &mut text);
    }
    for trace in traces(records) {
        text.push_str(&steps::text(&trace, steps));
    }
    let failed = records.iter().filter(|record| record.is_bad());
    let again = setting.case(&subject.name, failed.map(|record| record.mode));
    let _ = writeln!(text, "  repeat with: {again}");
    text
}

/// The end of a record's log.
pub(super) fn log_of(record: &Record, text: &mut String) {
    if record.log.is_empty() {
        return;
    }
    let lines: Vec<&str> = record.log.trim_end().lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LOG);
    if from > 0 {
        let _ = writeln!(text, "    | … {from} lines of the verifier log left out");
    }
    for line in &lines[from..] {
        let _ = writeln!(text, "    | {line}");
    }
}

/// A suite that judges itself, in one mode: what it counted, and what is wrong with that.
pub fn suite(record: &Record, setting: &Setting) -> String {
    let mut text = match record.verdict {
        Verdict::Failed | Verdict::Error => format!("FAILED {}\n", record.name),
        Verdict::Passed | Verdict::Skipped => format!("{}\n", record.name),
    };
    verdict(record, &mut text);
    for note in &record.notes {
        let _ = writeln!(text, "    {note}");
    }
    if text.starts_with("FAILED") {
        let again = setting.case(&record.name, [record.mode]);
        let _ = writeln!(text, "  repeat with: {again}");
    }
    text
}

/// Verdict and problems of one mode.
pub(super) fn verdict(record: &Record, text: &mut String) {
    let verdict = match record.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed if record.failure == Some(FailureClass::Unsound) => "failed (unsound)",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
        Verdict::Error => "error",
    };
    let _ = writeln!(text, "  {}: {verdict}", record.mode);
    for problem in &record.problems {
        let _ = writeln!(text, "    {}", problem.replace('\n', "\n    "));
    }
}

fn program(subject: &Subject, text: &mut String) {
    let lines: Vec<&str> = subject.program.lines().collect();
    let _ = writeln!(text, "  program:");
    for line in lines.iter().take(SHOWN_LINES) {
        let _ = writeln!(text, "    {line}");
    }
    if lines.len() > SHOWN_LINES {
        let _ = writeln!(text, "    … {} more lines", lines.len() - SHOWN_LINES);
    }
}

fn expectation(subject: &Subject, text: &mut String) {
    for StatedRun { context, packet, returns } in &subject.runs {
        let _ = writeln!(
            text,
            "  input: context [{context}] packet [{packet}]\n  expected: returns {returns}"
        );
    }
    if let Some(rejection) = &subject.rejection {
        let _ = writeln!(text, "  expected: {rejection}");
    }
}

/// How many programs the kernel rejects though the model finds nothing wrong with them, and with
/// `list` which ones and what the kernel says of them.
pub fn too_strict(cases: &[TooStrictCase], list: bool) -> String {
    let mut text = String::new();
    if list {
        for TooStrictCase { name, modes, rejected: TooStrict { program, errno, said, .. } } in cases
        {
            let of = if *program == 0 { String::new() } else { format!(", program {program}") };
            let _ = writeln!(text, "too strict: {name}{of} ({})", modes.join(", "));
            let said = if said.is_empty() { "the verifier's log is empty" } else { said };
            let _ = writeln!(text, "    {errno}: {said}");
        }
    }
    if !cases.is_empty() {
        let how = if list { "" } else { "; --too-strict lists them" };
        let _ = writeln!(
            text,
            "too strict: {} cases are rejected though the model finds nothing wrong{how}",
            cases.len()
        );
    }
    text
}

/// What a guest took and what it held at its start and its end, in one line.
pub fn guest(facts: &GuestFacts) -> String {
    let GuestFacts { boot_ms, batches, start, end } = facts;
    let mut text = format!("started in {boot_ms} ms, {batches} batches, ");
    let Some(end) = end else {
        text.push_str("not there at the end");
        return text;
    };
    let counts = [
        ("descriptors", start.descriptors, end.descriptors),
        ("programs", start.programs, end.programs),
        ("maps", start.maps, end.maps),
        ("BTF objects", start.btfs, end.btfs),
    ];
    for (what, before, after) in counts {
        let _ = write!(text, "{what} {before}→{after}, ");
    }
    let mib = |kib: u64| kib as f64 / 1024.0;
    let (before, after) = (mib(start.available_kib), mib(end.available_kib));
    let _ = write!(text, "available memory {before:.1}→{after:.1} MiB");
    text
}

/// The closing lines: what could not be judged and why, then the counts.
pub fn summary(records: &[Record], counts: Counts, seconds: f64) -> String {
    let mut text = String::new();
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for record in records.iter().filter(|record| record.verdict == Verdict::Skipped) {
        let reason = record.problems.first().map_or("no reason given", String::as_str);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    for (reason, count) in reasons {
        let _ = writeln!(text, "skipped: {count} × {reason}");
    }
    let Counts { passed, failed, unsound, skipped, error } = counts;
    if unsound > 0 {
        let _ = writeln!(text, "unsound: {unsound} of those that failed");
    }
    if error > 0 {
        let _ = writeln!(text, "error: {error}, not the fault of the kernel");
    }
    let _ = writeln!(text, "took {seconds:.1} s");
    let _ = writeln!(text, "{passed} passed, {failed} failed, {skipped} skipped");
    text
}

#[cfg(test)]
mod tests {
    use bpf_wire::Mode;

    use super::*;

    fn record(verdict: Verdict, problem: &str, log: &str) -> Record {
        Record {
            verdict,
            problems: vec![problem.into()],
            log: log.into(),
            ..Record::new("t/case", Mode::Jit)
        }
    }

    fn setting() -> Setting {
        Setting {
            base: "0.1".into(),
            series: "3".into(),
            configs: vec!["debug".into()],
            accel: Some("tcg".into()),
        }
    }

    #[test]
    fn a_failure_shows_program_input_expectation_and_how_to_repeat_it() {
        let run =
            StatedRun { context: "01 02".into(), packet: String::new(), returns: "0x8".into() };
        let subject = Subject {
            name: "t/case".into(),
            about: "shows it".into(),
            program: "   0: (b7) r0 = 7\n".into(),
            runs: vec![run],
            rejection: None,
        };
        let log = (0..27).map(|line| format!("line {line}\n")).collect::<String>();
        let records = [record(Verdict::Failed, "returned 7", &log)];
        let shown = (2..27).map(|line| format!("    | line {line}\n")).collect::<String>();
        assert_eq!(
            failure(&subject, &records, 20, &setting()),
            format!(
                "FAILED t/case\n  shows it\n  program:\n       0: (b7) r0 = 7\n  input: context \
                 [01 02] packet []\n  expected: returns 0x8\n  jit: failed\n    returned 7\n    | \
                 … 2 lines of the verifier log left out\n{shown}  repeat with: cargo xtask test \
                 '^t/case$' --mode jit --base 0.1 --series 3 --config debug --accel tcg\n"
            )
        );
    }

    #[test]
    fn a_suite_that_held_shows_its_counts_and_one_that_failed_how_to_repeat_it() {
        let note = vec!["test_bpf: 3 passed, 0 failed".to_owned()];
        let held = Record { notes: note, ..Record::new("kernel/test_bpf", Mode::Interp) };
        let text = suite(&held, &setting());
        assert_eq!(text, "kernel/test_bpf\n  interp: passed\n    test_bpf: 3 passed, 0 failed\n");
        let text = suite(&record(Verdict::Failed, "1 tests failed", ""), &setting());
        assert_eq!(
            text,
            "FAILED t/case\n  jit: failed\n    1 tests failed\n  repeat with: cargo xtask test \
             '^t/case$' --mode jit --base 0.1 --series 3 --config debug --accel tcg\n"
        );
    }

    #[test]
    fn the_summary_gathers_what_is_skipped_by_its_reason() {
        let records = [
            record(Verdict::Skipped, "no gotox", ""),
            record(Verdict::Skipped, "no gotox", ""),
            record(Verdict::Passed, "", ""),
        ];
        let text = summary(&records, Counts::of(&records), 1.25);
        assert_eq!(text, "skipped: 2 × no gotox\ntook 1.2 s\n1 passed, 0 failed, 2 skipped\n");
    }
}
