//! Reports as a table in Markdown, for the summary page of a CI system.

use std::fmt::Write;

use harness_results::record::{Record, Report};

/// Failures that are listed; the reports themselves have all.
const LISTED: usize = 50;

/// Characters of what is said of one failure.
const SAID: usize = 160;

/// A row a report, then what failed.
pub fn render(reports: &[Report]) -> String {
    let mut text = String::from(
        "| kernel | accelerator | passed | failed | skipped | error | cases | key |\n\
         |---|---|--:|--:|--:|--:|--:|---|\n",
    );
    for Report { kernel, host, counts, times, .. } in reports {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.1} s | `{}` |",
            escaped(&kernel.title()),
            escaped(&host.accel),
            counts.passed,
            counts.failed,
            counts.skipped,
            counts.error,
            times.cases_ms as f64 / 1000.0,
            kernel.key.replace(['`', '|', '\n'], "")
        );
    }
    let bad = |record: &&Record| record.is_bad();
    let failures: Vec<(&Report, &Record)> = reports
        .iter()
        .flat_map(|report| report.cases.iter().filter(bad).map(move |record| (report, record)))
        .collect();
    if failures.is_empty() {
        return text;
    }
    text.push_str("\n| failed | mode | kernel | |\n|---|---|---|---|\n");
    for (report, record) in failures.iter().take(LISTED) {
        let said = record.problems.first().map_or("", |text| text.lines().next().unwrap_or(""));
        let short: String = said.chars().take(SAID).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {}, {} | {} |",
            escaped(&record.name),
            record.mode,
            escaped(&report.kernel.title()),
            escaped(&report.host.accel),
            escaped(&short)
        );
    }
    if failures.len() > LISTED {
        let _ = writeln!(text, "\n… and {} more", failures.len() - LISTED);
    }
    text
}

/// Text that is shown as it is: what would be markup, HTML or the end of a cell is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::testing::report;
    use super::*;

    #[test]
    fn a_row_a_report_and_what_failed() {
        let text = render(&[report()]);
        assert_eq!(
            text,
            "| kernel | accelerator | passed | failed | skipped | error | cases | key |
|---|---|--:|--:|--:|--:|--:|---|
| 7.3.4, 23 patches, debug, lfence | tcg | 1 | 1 | 1 | 1 | 0.0 s | `k` |

| failed | mode | kernel | |
|---|---|---|---|
| callx/one | jit | 7.3.4, 23 patches, debug, lfence, tcg | run 0: returned 0x1, the case states \\#2 |
| maps/three | jit | 7.3.4, 23 patches, debug, lfence, tcg | the agent is in trouble |
"
        );
    }

    #[test]
    fn text_cannot_become_markup() {
        let mut report = report();
        report.cases.truncate(2);
        report.cases[1].problems = vec!["a | <script>x</script> `b` \u{1b}".into()];
        expect![[r#"
            | kernel | accelerator | passed | failed | skipped | error | cases | key |
            |---|---|--:|--:|--:|--:|--:|---|
            | 7.3.4, 23 patches, debug, lfence | tcg | 1 | 1 | 1 | 1 | 0.0 s | `k` |

            | failed | mode | kernel | |
            |---|---|---|---|
            | callx/one | jit | 7.3.4, 23 patches, debug, lfence, tcg | a \| &lt;script&gt;x&lt;/script&gt; \`b\`   |
        "#]].assert_eq(&render(&[report]));
    }

    #[test]
    fn failures_past_the_limit_are_counted() {
        let mut report = report();
        let failed = report.cases[1].clone();
        report.cases.extend(std::iter::repeat_n(failed, LISTED));
        assert!(render(&[report]).ends_with("… and 2 more\n"));
    }
}
