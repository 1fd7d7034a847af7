//! The report as JUnit XML, which CI systems show.

use std::time::Duration;

use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::ktap::suites;
use harness_results::facts::listed;
use harness_results::record::{Record, Report, Verdict};

/// The whole report: one test suite a suite, one test case a case and mode.
///
/// # Errors
///
/// When it cannot be written as XML.
pub fn render(report: &Report) -> Result<String> {
    let mut junit = quick_junit::Report::new("bpf-indirect");
    for (name, records) in suites(&report.cases) {
        let mut suite = TestSuite::new(name);
        for (name, value) in listed(&report.kernel, &report.host) {
            suite.add_property((name, value.as_str()));
        }
        if let Some(why) = &report.stopped {
            suite.add_property(("stopped", why.as_str()));
        }
        for record in records {
            suite.add_test_case(case(record));
        }
        junit.add_test_suite(suite);
    }
    junit.to_string().context("failed to write the report as JUnit")
}

fn case(record: &Record) -> TestCase {
    let first = record.problems.first().map_or("", |text| text.lines().next().unwrap_or(""));
    let status = match record.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(first);
            status
        }
        Verdict::Failed | Verdict::Broken => {
            let (kind, name) = match record.verdict {
                Verdict::Failed => (NonSuccessKind::Failure, "failed"),
                _ => (NonSuccessKind::Error, "broken"),
            };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(record.guest.map_or(name, |kind| kind.name()));
            status.set_message(first);
            status.set_description(record.problems.join("\n"));
            status
        }
    };
    let mut case = TestCase::new(format!("{} ({})", record.name, record.mode), status);
    case.set_classname(record.name.split('/').next().unwrap_or_default());
    case.set_time(Duration::from_millis(record.millis));
    if !record.log.is_empty() {
        case.set_system_out(&record.log);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::super::testing::report;
    use super::*;

    #[test]
    fn a_report_in_junit() {
        let xml = render(&report()).unwrap();
        for piece in [
            r#"<testsuites name="bpf-indirect" tests="4" skipped="1" failures="1" errors="1">"#,
            r#"<testsuite name="callx" tests="2" skipped="0" errors="0" failures="1">"#,
            r#"<testcase name="callx/one (interp)" classname="callx" time="0.012"/>"#,
            r#"<failure message="run 0: returned 0x1, the case states #2" type="failed">"#,
            "<system-out>verifier &lt;log&gt;</system-out>",
            r#"<skipped message="the kernel lacks gotox"/>"#,
            r#"<error message="the agent is in trouble" type="broken">"#,
            r#"<property name="base" value="7.3.4"/>"#,
            r#"<property name="series-digest" value="5e1e"/>"#,
            r#"<property name="configs" value="debug lfence"/>"#,
            r#"<property name="config-digest" value="c0f1"/>"#,
            r#"<property name="toolchain" value="gcc 12; as 2; ld 2"/>"#,
            r#"<property name="qemu" value="QEMU 7.2"/>"#,
            r#"<property name="accel" value="tcg"/>"#,
            r#"<property name="seed" value="0x1"/>"#,
        ] {
            assert!(xml.contains(piece), "{piece} is not in\n{xml}");
        }
    }
}
