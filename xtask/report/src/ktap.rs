//! The report as KTAP, version 1, the kernel's test format (`Documentation/dev-tools/ktap.rst`): one
//! subtest a suite, one line a case and mode.

use std::fmt::Write;

use harness_results::facts::listed;
use harness_results::record::{Record, Report, Verdict};

/// Longest diagnostic line; the format has no limit, its readers may.
const LINE: usize = 400;

/// The whole report.
pub fn render(report: &Report) -> String {
    let suites = suites(&report.cases);
    let mut text = "KTAP version 1\n".to_owned();
    for (name, value) in listed(&report.kernel, &report.host) {
        let _ = writeln!(text, "# {name}: {}", line(&value));
    }
    if let Some(why) = &report.stopped {
        let _ = writeln!(text, "# stopped: {}", line(why));
    }
    let _ = writeln!(text, "1..{}", suites.len());
    for (number, (suite, records)) in suites.iter().enumerate() {
        let _ = writeln!(text, "  KTAP version 1\n  # Subtest: {suite}\n  1..{}", records.len());
        for (number, record) in records.iter().enumerate() {
            one(number + 1, record, &mut text);
        }
        let bad = |record: &&Record| record.is_bad();
        let skipped = records.iter().all(|record| record.verdict == Verdict::Skipped);
        let result = if records.iter().any(bad) { "not ok" } else { "ok" };
        let skip = if skipped { " # SKIP no case of it can be judged" } else { "" };
        let _ = writeln!(text, "{result} {} {suite}{skip}", number + 1);
    }
    text
}

/// The records of each suite, in the order of their first case.
pub(super) fn suites(records: &[Record]) -> Vec<(&str, Vec<&Record>)> {
    let mut suites: Vec<(&str, Vec<&Record>)> = Vec::new();
    for record in records {
        let suite = record.name.split('/').next().unwrap_or_default();
        match suites.iter_mut().find(|(name, _)| *name == suite) {
            Some((_, of_suite)) => of_suite.push(record),
            None => suites.push((suite, vec![record])),
        }
    }
    suites
}

/// One result, and in front of it what is to be said about it.
fn one(number: usize, record: &Record, text: &mut String) {
    let (result, directive) = match record.verdict {
        Verdict::Passed => ("ok", String::new()),
        Verdict::Skipped => {
            let reason = record.problems.first().map_or("no reason given", String::as_str);
            ("ok", format!(" # SKIP {}", line(reason)))
        }
        Verdict::Failed | Verdict::Error => ("not ok", String::new()),
    };
    if record.is_bad() {
        for problem in record.problems.iter().flat_map(|problem| problem.lines()) {
            let _ = writeln!(text, "  # {}", line(problem));
        }
    }
    let name = line(&record.name);
    let _ = writeln!(text, "  {result} {number} {name} {}{directive}", record.mode);
}

/// Text for one line: no control characters, and no `#`, which starts a directive.
fn line(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    text.chars()
        .map(|c| match c {
            '#' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .take(LINE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::report;
    use super::*;

    #[test]
    fn a_report_in_ktap() {
        assert_eq!(
            render(&report()),
            "KTAP version 1
# kernel: 7.3.4
# base: 7.3.4
# series: all
# patches: 23
# series-digest: 5e1e
# configs: debug lfence
# config-digest: c0f1
# key: k
# toolchain: gcc 12; as 2; ld 2
# qemu: QEMU 7.2
# accel: tcg
# seed: 0x1
1..3
  KTAP version 1
  # Subtest: callx
  1..2
  ok 1 callx/one interp
  # run 0: returned 0x1, the case states  2
  # second  line
  not ok 2 callx/one jit
not ok 1 callx
  KTAP version 1
  # Subtest: gotox
  1..1
  ok 1 gotox/two jit # SKIP the kernel lacks gotox
ok 2 gotox # SKIP no case of it can be judged
  KTAP version 1
  # Subtest: maps
  1..1
  # the agent is in trouble
  not ok 1 maps/three jit
not ok 3 maps
"
        );
    }
}
