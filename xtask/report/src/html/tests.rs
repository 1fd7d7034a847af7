//! The page as text, and the page in a real browser.

use std::path::Path;
use std::process::Command;

use bpf_wire::Mode;
use expect_test::expect_file;

use super::*;
use crate::testing::{report, report_of};
use harness_host::needs;
use harness_results::record::{Record, Verdict};
use harness_results::subject::{StatedRun, Subject};
use harness_results::trace::{Changed, Step, Trace};

const HOSTILE: &str =
    "</pre></script><script>document.title='taken'</script><img src=x onerror=alert(1)>\"'";

/// A report whose every piece of text tries to be markup.
fn hostile() -> Report {
    failing(&format!("evil/{HOSTILE}"))
}

/// The same with a case of this name.
fn failing(name: &str) -> Report {
    let failed = Record {
        verdict: Verdict::Failed,
        problems: vec![format!("problem {HOSTILE}")],
        log: format!("log {HOSTILE}"),
        console: vec![format!("console {HOSTILE}")],
        millis: 3000,
        ..Record::new(name, Mode::Jit)
    };
    let mut report = report_of(vec![failed.clone()]);
    report.kernel.base = HOSTILE.into();
    report.host.qemu = HOSTILE.into();
    report.subjects.push(Subject {
        name: failed.name.clone(),
        about: format!("about {HOSTILE}"),
        program: format!("program {HOSTILE}"),
        runs: vec![StatedRun {
            context: HOSTILE.into(),
            packet: String::new(),
            returns: "0x8".into(),
        }],
        rejection: None,
    });
    report.traces.push(std::sync::Arc::new(Trace {
        case: failed.name,
        what: "run 0".into(),
        runs_before: 0,
        context: String::new(),
        packet: String::new(),
        left_out: 0,
        steps: vec![Step {
            program: 0,
            slot: 7,
            depth: 0,
            insn: HOSTILE.into(),
            changed: vec![Changed { reg: 1, value: "insn 40".into() }],
        }],
        r0: Some("0x7".into()),
        trap: None,
    }));
    report
}

#[test]
fn text_cannot_become_markup() {
    let page = render(&[hostile(), report()]).unwrap();
    assert!(!page.contains("<script>document"), "{page}");
    assert!(!page.contains("<img"), "{page}");
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    for piece in ["problem", "log", "console", "about", "program"] {
        assert!(page.contains(&format!("{piece} &lt;&#x2f;pre&gt;")), "{piece} is not in\n{page}");
    }
}

#[test]
fn the_page_needs_nothing_beside_itself() {
    let page = render(&[report()]).unwrap();
    for outside in ["http:", "https:", "//", "url(", "@import", "src=", "<link"] {
        let script = include_str!("page.js");
        let found = page.replace(script, "");
        assert!(!found.contains(outside), "{outside} is in\n{found}");
    }
}

/// A page without its style and its script.
fn content(reports: &[Report]) -> String {
    let page = render(reports).unwrap();
    page.replace(include_str!("page.css"), "\n").replace(include_str!("page.js"), "\n")
}

#[test]
fn a_failure_shows_all_that_is_known_and_how_to_repeat_it() {
    let mut failing = failing("evil/one");
    failing.kernel.base = "7.3.4".into();
    expect_file!["expected/failure.html"].assert_eq(&content(&[failing]));
}

#[test]
fn reports_stand_side_by_side() {
    let mut other = report();
    other.kernel.configs.clear();
    expect_file!["expected/three.html"].assert_eq(&content(&[report(), other, report()]));
    assert!(render(&[report_of(Vec::new())]).is_ok(), "a report without cases is a page too");
}

/// What the browser made of a page: its document after the scripts ran, and what it complained of.
fn browse(page: &Path, fragment: &str) -> (String, Vec<String>) {
    let Some(browser) = needs::find_program(needs::BROWSER) else {
        panic!("there is no {}; install it, or leave this test out", needs::BROWSER);
    };
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("file://{}#{fragment}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    (String::from_utf8_lossy(&output.stdout).into_owned(), complaints.collect())
}

/// Names of the cases whose rows are to be seen.
fn visible(document: &str) -> Vec<String> {
    let row = regex::Regex::new(r#"<tr class="item"([^>]*)>"#).unwrap();
    let name = regex::Regex::new(r#"data-name="([^"]*)""#).unwrap();
    row.captures_iter(document)
        .filter(|found| !found[1].contains("hidden"))
        .map(|found| name.captures(&found[1]).unwrap()[1].to_owned())
        .collect()
}

#[test]
#[ignore = "needs a browser: `cargo xtask check --full` runs it where there is one"]
fn the_page_works_in_a_real_browser() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    std::fs::write(&page, render(&[report(), hostile()]).unwrap()).unwrap();

    let (document, complaints) = browse(&page, "");
    assert_eq!(complaints, [""; 0]);
    assert_eq!(visible(&document).len(), 4, "{document}");
    assert!(document.contains(r#"aria-live="polite">4 cases</output>"#), "{document}");
    assert!(!document.contains("<title>taken</title>") && !document.contains("<img"), "{document}");

    for (fragment, expected) in [
        ("verdict=skipped", &["gotox/two"][..]),
        ("q=ONE", &["callx/one"]),
        ("suite=maps", &["maps/three"]),
        ("suite=maps&verdict=passed", &[]),
        ("verdict=no-such&q=t", &["gotox/two", "maps/three"]),
        ("failure-1", &["callx/one", "gotox/two", "maps/three"]),
        ("%", &["callx/one", "gotox/two", "maps/three"]),
    ] {
        let (document, complaints) = browse(&page, fragment);
        assert_eq!(complaints, [""; 0], "{fragment}");
        let seen = visible(&document);
        let seen: Vec<&String> = seen.iter().filter(|name| !name.starts_with("evil")).collect();
        assert_eq!(seen, expected, "{fragment}");
    }

    // That complaints are seen at all.
    let broken = dir.path().join("broken.html");
    std::fs::write(&broken, "<script>console.error('x'); undefined.y</script>").unwrap();
    assert_eq!(browse(&broken, "").1.len(), 2);
}
