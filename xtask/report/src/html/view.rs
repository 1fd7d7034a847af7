//! What the page shows, in the order in which the template goes through it.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::chart::{self, Chart};
use crate::repeat::Setting;
use crate::{steps, terminal};
use harness_results::facts::listed;
use harness_results::record::{Counts, Record, Report, Verdict};
use harness_results::subject::Subject;

/// Steps of a trace that are shown.
const STEPS: usize = 256;

/// Cases up to which all suites are open from the start.
const OPEN: usize = 80;

/// The whole page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    counts: Counts,
    cases: usize,
    /// Cases in a mode of a report each.
    executions: usize,
    reports: Vec<ReportView>,
    /// Names of the facts, and for each its value in every report.
    facts: Vec<(&'static str, Vec<String>)>,
    columns: Vec<Column>,
    suites: Vec<Suite>,
    failures: Vec<Failure>,
    charts: Vec<Chart>,
}

/// One report's head.
#[derive(Debug, Serialize)]
struct ReportView {
    title: String,
    accel: String,
    columns: usize,
}

/// A column of the matrix: a report and a mode.
#[derive(Debug, Serialize)]
struct Column {
    report: usize,
    mode: &'static str,
    /// Whether it is the first one of its report.
    first: bool,
}

#[derive(Debug, Serialize)]
struct Suite {
    name: String,
    open: bool,
    counts: Counts,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// The verdicts in it, each once, separated by blanks: what the filter looks at.
    verdicts: String,
    cells: Vec<Option<Cell>>,
}

#[derive(Debug, Clone, Serialize)]
struct Cell {
    verdict: &'static str,
    millis: u64,
    /// The first thing that is said of it.
    said: String,
    /// The failure that it is shown in.
    failure: Option<usize>,
    first: bool,
}

/// One case in one report that failed in some mode.
#[derive(Debug, Serialize)]
struct Failure {
    /// Number of its report.
    #[serde(skip)]
    of: usize,
    name: String,
    suite: String,
    report: String,
    about: String,
    verdicts: String,
    records: Vec<FailedMode>,
    subject: Option<Subject>,
    traces: Vec<String>,
    repeat: String,
}

#[derive(Debug, Serialize)]
struct FailedMode {
    mode: &'static str,
    verdict: &'static str,
    problems: String,
    log: String,
    console: String,
}

fn bad(record: &Record) -> bool {
    record.is_bad()
}

fn suite_of(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

impl Page {
    /// The page of these reports.
    pub(super) fn of(reports: &[Report]) -> Self {
        let columns = columns(reports);
        let failures = failures(reports);
        let suites = suites(reports, &columns, &failures);
        let records: Vec<Record> =
            reports.iter().flat_map(|report| report.cases.iter().cloned()).collect();
        let counts = Counts::of(&records);
        let view = |(number, report): (usize, &Report)| ReportView {
            title: title(reports, number),
            accel: report.host.accel.clone(),
            columns: columns.iter().filter(|column| column.report == number).count(),
        };
        Self {
            title: match reports {
                [report] => report.kernel.title(),
                several => format!("{} reports", several.len()),
            },
            counts,
            cases: suites.iter().map(|suite| suite.rows.len()).sum(),
            executions: records.len(),
            reports: reports.iter().enumerate().map(view).collect(),
            facts: facts(reports),
            charts: chart::all(reports, |number| title(reports, number)),
            columns,
            suites,
            failures,
        }
    }
}

/// A report's title, with its number where another one has the same.
fn title(reports: &[Report], number: usize) -> String {
    let of = |report: &Report| format!("{}, {}", report.kernel.title(), report.host.accel);
    let title = of(&reports[number]);
    if reports.iter().filter(|report| of(report) == title).count() > 1 {
        format!("{title}, run {}", number + 1)
    } else {
        title
    }
}

fn facts(reports: &[Report]) -> Vec<(&'static str, Vec<String>)> {
    let mut facts: Vec<(&'static str, Vec<String>)> = Vec::new();
    for report in reports {
        let mut of = listed(&report.kernel, &report.host);

        of.push((
            "guests",
            report.guests.iter().map(terminal::guest).collect::<Vec<_>>().join("; "),
        ));
        if let Some(why) = &report.stopped {
            of.push(("stopped", why.clone()));
        }
        of.push(("cases", format!("{:.1} s", report.times.cases_ms as f64 / 1000.0)));
        for (name, value) in of {
            match facts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => facts.push((name, vec![value])),
            }
        }
    }
    facts
}

fn columns(reports: &[Report]) -> Vec<Column> {
    let mut columns = Vec::new();
    for (number, report) in reports.iter().enumerate() {
        let mut modes: Vec<&'static str> = Vec::new();
        for record in &report.cases {
            if !modes.contains(&record.mode) {
                modes.push(record.mode);
            }
        }
        let column = |(place, mode)| Column { report: number, mode, first: place == 0 };
        columns.extend(modes.into_iter().enumerate().map(column));
    }
    columns
}

fn suites(reports: &[Report], columns: &[Column], failures: &[Failure]) -> Vec<Suite> {
    // The cases by suite, in the order in which they first appear.
    let mut order: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut found: HashMap<(&str, usize, &str), &Record> = HashMap::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut known: HashSet<&str> = HashSet::new();
    for (number, report) in reports.iter().enumerate() {
        for record in &report.cases {
            found.insert((&record.name, number, record.mode), record);
            let suite = suite_of(&record.name);
            let place = *places.entry(suite).or_insert_with(|| {
                order.push((suite, Vec::new()));
                order.len() - 1
            });
            if known.insert(&record.name) {
                order[place].1.push(&record.name);
            }
        }
    }
    let mut shown: HashMap<(usize, &str), usize> = HashMap::new();
    for (place, failure) in failures.iter().enumerate() {
        shown.insert((failure.of, &failure.name), place);
    }
    let cell = |name: &str, column: &Column| {
        let record = found.get(&(name, column.report, column.mode))?;
        let said = record.problems.first().map_or("", |text| text.lines().next().unwrap_or(""));
        Some(Cell {
            verdict: word(record.verdict),
            millis: record.millis,
            said: said.to_owned(),
            failure: bad(record).then(|| shown.get(&(column.report, name)).copied()).flatten(),
            first: column.first,
        })
    };
    let suite = |(suite, names): &(&str, Vec<&str>)| {
        let records: Vec<Record> = reports
            .iter()
            .flat_map(|report| report.cases.iter().filter(|r| suite_of(&r.name) == *suite))
            .cloned()
            .collect();
        let counts = Counts::of(&records);
        let row = |name: &&str| {
            let cells: Vec<Option<Cell>> =
                columns.iter().map(|column| cell(name, column)).collect();
            Row {
                name: (*name).to_owned(),
                verdicts: verdicts(cells.iter().flatten().map(|c| c.verdict)),
                cells,
            }
        };
        Suite {
            name: (*suite).to_owned(),
            open: known.len() <= OPEN || counts.failed + counts.error > 0,
            counts,
            rows: names.iter().map(row).collect(),
        }
    };
    order.iter().map(suite).collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
        Verdict::Error => "error",
    }
}

fn verdicts(all: impl Iterator<Item = &'static str>) -> String {
    let mut each: Vec<&str> = Vec::new();
    for verdict in all {
        if !each.contains(&verdict) {
            each.push(verdict);
        }
    }
    each.join(" ")
}

fn failures(reports: &[Report]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (number, report) in reports.iter().enumerate() {
        let mut by_case: Vec<(&str, Vec<&Record>)> = Vec::new();
        for record in report.cases.iter().filter(|record| bad(record)) {
            match by_case.iter_mut().find(|(name, _)| *name == record.name) {
                Some((_, records)) => records.push(record),
                None => by_case.push((&record.name, vec![record])),
            }
        }
        for (name, records) in by_case {
            let subject = report.subjects.iter().find(|subject| subject.name == name);
            let of_case = report.traces.iter().filter(|trace| trace.case == name);
            failures.push(Failure {
                of: number,
                name: name.to_owned(),
                suite: suite_of(name).to_owned(),
                report: title(reports, number),
                about: subject.map_or_else(String::new, |subject| subject.about.clone()),
                verdicts: verdicts(records.iter().map(|record| word(record.verdict))),
                records: records.iter().map(|record| FailedMode::of(record)).collect(),
                subject: subject.cloned(),
                traces: of_case.map(|trace| unindented(&steps::text(trace, STEPS))).collect(),
                repeat: Setting::of(&report.kernel, &report.host)
                    .case(name, records.iter().map(|record| record.mode)),
            });
        }
    }
    failures
}

impl FailedMode {
    fn of(record: &Record) -> Self {
        Self {
            mode: record.mode,
            verdict: word(record.verdict),
            problems: record.problems.join("\n"),
            log: record.log.trim_end().to_owned(),
            console: record.console.join("\n"),
        }
    }
}

/// A trace as the terminal shows it, without the indentation that it has there.
fn unindented(text: &str) -> String {
    text.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
