//! The report for people as the session goes on: progress, each test that failed, the closing lines.

use anyhow::Result;

use super::repeat::Setting;
use super::{object, terminal};
use harness_host::ui::{Progress, err, errln, out, outln, stdout_coloured};
use harness_results::event::{Event, Finished, Reporter, Sort};
use harness_results::record::Record;

/// The reporter.
#[derive(Default)]
pub struct Live {
    /// Steps of the model that are shown of a program that did something else; 0 for none.
    pub trace: usize,
    /// Whether to list the programs that the kernel rejects though the model finds nothing wrong.
    pub too_strict: bool,
    setting: Setting,
    bar: Bar,
}

impl Live {
    /// Shows so many steps of the model where it says something else.
    pub fn new(trace: usize, too_strict: bool) -> Self {
        Self { trace, too_strict, ..Self::default() }
    }

    /// The same on a kernel that is known, so that failures say how to repeat them.
    pub fn on(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }

    fn finished(&self, Finished { sort, records, .. }: &Finished) {
        let text = match sort {
            Sort::Case(None) => return,
            Sort::Case(Some(subject)) => {
                terminal::failure(subject, records, self.trace, &self.setting)
            }
            Sort::Module => {
                records.iter().map(|record| terminal::suite(record, &self.setting)).collect()
            }
            Sort::Annotated if records.iter().any(Record::is_bad) => object::annotated(records),
            Sort::Annotated => return,
            Sort::Object(run) => object::program(run, false, false),
        };
        match &self.bar.0 {
            Some(progress) => progress.line(&text),
            None => err!("{text}"),
        }
    }
}

/// The progress alone: for sessions whose records others look at.
#[derive(Default)]
pub struct Bar(Option<Progress>);

impl Reporter for Bar {
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::Part { name, total } => self.0 = Some(Progress::count(*total, *name)),
            Event::Progress(done) => {
                if let Some(progress) = &self.0 {
                    progress.set(*done);
                }
            }
            Event::PartEnded => {
                if let Some(progress) = self.0.take() {
                    progress.finish();
                }
            }
            // Dropped, it leaves no line: finished, it would claim that all was done.
            Event::Ended { .. } => self.0 = None,
            Event::Started { .. } | Event::Finished(_) | Event::Note(_) => {}
        }
        Ok(())
    }
}

/// Each test as soon as it is over, whatever its outcome, on standard output.
pub struct Each {
    /// Whether the logs of accepted programs are shown.
    pub whole_log: bool,
}

impl Reporter for Each {
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::Finished(Finished { sort: Sort::Object(run), .. }) => {
                out!("{}", object::program(run, self.whole_log, stdout_coloured()));
            }
            Event::Finished(Finished { records, .. }) => out!("{}", object::annotated(records)),
            _ => {}
        }
        Ok(())
    }
}

impl Reporter for Live {
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        self.bar.event(event)?;
        match event {
            Event::Started { kernel, host } => self.setting = Setting::of(kernel, host),
            Event::Finished(finished) => self.finished(finished),
            Event::Part { .. } | Event::Progress(_) | Event::PartEnded => {}
            Event::Note(text) => err!("{text}"),
            Event::Ended { report, console } => {
                for (number, facts) in report.guests.iter().enumerate() {
                    errln!("guest {}: {}", number + 1, terminal::guest(facts));
                }
                out!("{}", terminal::too_strict(&report.too_strict, self.too_strict));
                let counts = report.counts;
                if counts.failed + counts.error > 0 {
                    outln!("consoles: {}", console.display());
                }
                if let Some(why) = &report.stopped {
                    outln!("stopped before its end: {}", why.lines().next().unwrap_or_default());
                }
                let seconds = report.times.cases_ms as f64 / 1000.0;
                out!("{}", terminal::summary(&report.cases, counts, seconds));
            }
        }
        Ok(())
    }
}
