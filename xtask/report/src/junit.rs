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
        Verdict::Failed | Verdict::Error => {
            let (kind, name) = match record.verdict {
                Verdict::Failed => (NonSuccessKind::Failure, "failed"),
                _ => (NonSuccessKind::Error, "error"),
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
    use expect_test::expect;

    use super::super::testing::report;
    use super::*;

    #[test]
    fn a_report_in_junit() {
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="bpf-indirect" tests="4" skipped="1" failures="1" errors="1">
                <testsuite name="callx" tests="2" skipped="0" errors="0" failures="1">
                    <properties>
                        <property name="kernel" value="7.3.4"/>
                        <property name="base" value="7.3.4"/>
                        <property name="series" value="all"/>
                        <property name="patches" value="23"/>
                        <property name="series-digest" value="5e1e"/>
                        <property name="configs" value="debug lfence"/>
                        <property name="config-digest" value="c0f1"/>
                        <property name="key" value="k"/>
                        <property name="toolchain" value="gcc 12; as 2; ld 2"/>
                        <property name="qemu" value="QEMU 7.2"/>
                        <property name="accel" value="tcg"/>
                        <property name="seed" value="0x1"/>
                    </properties>
                    <testcase name="callx/one (interp)" classname="callx" time="0.012"/>
                    <testcase name="callx/one (jit)" classname="callx" time="0.012">
                        <failure message="run 0: returned 0x1, the case states #2" type="failed">run 0: returned 0x1, the case states #2
            secondine</failure>
                        <system-out>verifier &lt;log&gt;</system-out>
                    </testcase>
                </testsuite>
                <testsuite name="gotox" tests="1" skipped="1" errors="0" failures="0">
                    <properties>
                        <property name="kernel" value="7.3.4"/>
                        <property name="base" value="7.3.4"/>
                        <property name="series" value="all"/>
                        <property name="patches" value="23"/>
                        <property name="series-digest" value="5e1e"/>
                        <property name="configs" value="debug lfence"/>
                        <property name="config-digest" value="c0f1"/>
                        <property name="key" value="k"/>
                        <property name="toolchain" value="gcc 12; as 2; ld 2"/>
                        <property name="qemu" value="QEMU 7.2"/>
                        <property name="accel" value="tcg"/>
                        <property name="seed" value="0x1"/>
                    </properties>
                    <testcase name="gotox/two (jit)" classname="gotox" time="0.012">
                        <skipped message="the kernel lacks gotox"/>
                    </testcase>
                </testsuite>
                <testsuite name="maps" tests="1" skipped="0" errors="1" failures="0">
                    <properties>
                        <property name="kernel" value="7.3.4"/>
                        <property name="base" value="7.3.4"/>
                        <property name="series" value="all"/>
                        <property name="patches" value="23"/>
                        <property name="series-digest" value="5e1e"/>
                        <property name="configs" value="debug lfence"/>
                        <property name="config-digest" value="c0f1"/>
                        <property name="key" value="k"/>
                        <property name="toolchain" value="gcc 12; as 2; ld 2"/>
                        <property name="qemu" value="QEMU 7.2"/>
                        <property name="accel" value="tcg"/>
                        <property name="seed" value="0x1"/>
                    </properties>
                    <testcase name="maps/three (jit)" classname="maps" time="0.012">
                        <error message="the agent is in trouble" type="error">the agent is in trouble</error>
                    </testcase>
                </testsuite>
            </testsuites>
        "#]].assert_eq(&render(&report()).unwrap());
    }
}
