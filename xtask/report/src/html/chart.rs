//! Charts as numbers: what the template draws as SVG, coloured by the page's style so that it is
//! legible on light and on dark, which a drawing library's fixed colours are not.

use serde::Serialize;

use harness_results::record::Report;

/// Cases in the chart of the slowest ones.
const SLOWEST: usize = 12;

/// Height of a bar with the space below it, in units of the drawing.
const BAR: usize = 26;

/// Longest bar, in units of the drawing.
const WIDTH: f64 = 320.0;

/// A chart of bars, one a row.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: String,
    /// Of what, and how to read it.
    pub(super) note: String,
    /// Height of the drawing.
    pub(super) height: usize,
    /// The bars, from the top.
    pub(super) bars: Vec<Bar>,
}

/// A bar.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    /// What it is of.
    pub(super) label: String,
    /// Its value with the unit.
    pub(super) value: String,
    /// Its upper edge.
    pub(super) y: usize,
    /// Its length.
    pub(super) width: f64,
}

/// The charts of some reports: each one's case times, and boots and builds of those that have any.
pub(super) fn all(reports: &[Report], title: impl Fn(usize) -> String) -> Vec<Chart> {
    let mut charts = Vec::new();
    for (number, report) in reports.iter().enumerate() {
        charts.extend(spread(report, title(number)));
        charts.extend(slowest(report, title(number)));
    }
    let mut runs: Vec<(usize, &Report)> = reports.iter().enumerate().collect();
    runs.sort_by_key(|(number, report)| (report.times.started, *number));
    let over = |name: &str, note: &str, value: &dyn Fn(&Report) -> Option<u64>| {
        let bars: Vec<(String, u64)> =
            runs.iter().filter_map(|(n, report)| Some((title(*n), value(report)?))).collect();
        Chart::of(name, note, bars, &millis)
    };
    let boot = |report: &Report| report.guests.iter().map(|guest| guest.boot_ms).min();
    charts.extend(over("Boot", "from starting QEMU to the agent's first record; the quickest guest of each run, oldest run first", &boot));
    charts.extend(over(
        "Kernel build",
        "of the runs that built their kernel, oldest first",
        &|report| report.times.build_ms,
    ));
    if reports.len() > 1 {
        charts.extend(over("All cases", "of each run, oldest first", &|report| {
            Some(report.times.cases_ms)
        }));
    }
    charts
}

/// How many cases took how long, in steps of powers of two.
fn spread(report: &Report, title: String) -> Option<Chart> {
    let class = |millis: u64| u64::BITS - millis.leading_zeros();
    let longest = report.cases.iter().map(|record| class(record.millis)).max()?;
    let bars = (0..=longest).map(|number| {
        let label = match number {
            0 => "under 1 ms".to_owned(),
            number => {
                format!(
                    "{} to {}",
                    millis(1 << (number - 1)),
                    millis(1u64.checked_shl(number).unwrap_or(u64::MAX))
                )
            }
        };
        let count = report.cases.iter().filter(|record| class(record.millis) == number).count();
        (label, count as u64)
    });
    // Leading classes in which there is nothing say nothing.
    let bars = bars.skip_while(|(_, count)| *count == 0).collect();
    Chart::of("Case times", &title, bars, &|count| count.to_string())
}

fn slowest(report: &Report, title: String) -> Option<Chart> {
    let mut times: Vec<(String, u64)> = report
        .cases
        .iter()
        .map(|record| (format!("{} ({})", record.name, record.mode), record.millis))
        .collect();
    times.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    times.truncate(SLOWEST);
    Chart::of("Slowest cases", &title, times, &millis)
}

impl Chart {
    /// A chart of these bars; nothing where there are none.
    fn of(
        title: &str,
        note: &str,
        bars: Vec<(String, u64)>,
        shown: &dyn Fn(u64) -> String,
    ) -> Option<Self> {
        let longest = bars.iter().map(|(_, value)| *value).max()?.max(1);
        let bar = |(place, (label, value)): (usize, (String, u64))| Bar {
            label,
            value: shown(value),
            y: place * BAR,
            width: (value as f64 / longest as f64 * WIDTH).round(),
        };
        let bars: Vec<Bar> = bars.into_iter().enumerate().map(bar).collect();
        Some(Self { title: title.into(), note: note.into(), height: bars.len() * BAR, bars })
    }
}

fn millis(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.1} s", millis as f64 / 1000.0),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::report;
    use harness_results::facts::GuestFacts;

    #[test]
    fn bars_are_in_proportion_and_runs_in_their_order() {
        let mut later = report();
        later.times.started += 1;
        later.times.build_ms = Some(61_000);
        later.guests[0].boot_ms = 1800;
        later.guests.push(GuestFacts { boot_ms: 2000, ..later.guests[0].clone() });
        let charts = all(&[later, report()], |number| format!("report {number}"));
        let chart = |name| charts.iter().find(|chart: &&Chart| chart.title == name).unwrap();
        let boot = chart("Boot");
        let shown: Vec<_> = boot.bars.iter().map(|b| (&*b.label, &*b.value, b.width)).collect();
        assert_eq!(shown, [("report 1", "900 ms", WIDTH / 2.0), ("report 0", "1.8 s", WIDTH)]);
        assert_eq!(chart("Kernel build").bars.len(), 1, "only one run built its kernel");
        assert_eq!(chart("Kernel build").bars[0].value, "1 min 1 s");
    }

    #[test]
    fn times_are_in_classes_and_nothing_gives_no_chart() {
        let charts = all(&[report()], |_| "r".into());
        let spread = &charts[0];
        assert_eq!(spread.bars.len(), 1);
        assert_eq!((&*spread.bars[0].label, &*spread.bars[0].value), ("8 ms to 16 ms", "4"));
        let mut empty = report();
        empty.cases.clear();
        empty.guests.clear();
        assert!(all(&[empty], |_| "r".into()).is_empty());
    }
}
