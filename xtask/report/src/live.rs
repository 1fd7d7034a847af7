//! The report for people as the session goes on: progress, each test that failed, the closing lines.

use anyhow::Result;

use super::repeat::Setting;
use super::{object, terminal};
use harness_host::ui::{Progress, err, errln, out, outln};
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
    progress: Option<Progress>,
}

impl Live {
    /// Shows so many steps of the model where it says something else.
    pub fn new(trace: usize, too_strict: bool) -> Self {
        Self { trace, too_strict, ..Self::default() }
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
            Sort::Annotated => records
                .chunk_by(|one, other| one.name == other.name)
                .filter(|of_test| of_test.iter().any(Record::is_bad))
                .map(|of_test| object::annotated(&of_test[0].name, of_test))
                .collect::<String>(),
        };
        match &self.progress {
            _ if text.is_empty() => {}
            Some(progress) => progress.line(&text),
            None => err!("{text}"),
        }
    }
}

impl Reporter for Live {
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::Started { kernel, host } => self.setting = Setting::of(kernel, host),
            Event::Part { name, total } => self.progress = Some(Progress::count(*total, *name)),
            Event::Progress(done) => {
                if let Some(progress) = &self.progress {
                    progress.set(*done);
                }
            }
            Event::Finished(finished) => self.finished(finished),
            Event::PartEnded => {
                if let Some(progress) = self.progress.take() {
                    progress.finish();
                }
            }
            Event::Note(text) => err!("{text}"),
            Event::Ended { report, console } => {
                self.progress = None;
                for (number, facts) in report.guests.iter().enumerate() {
                    errln!("guest {}: {}", number + 1, terminal::guest(facts));
                }
                out!("{}", terminal::too_strict(&report.too_strict, self.too_strict));
                let counts = report.counts;
                if counts.failed + counts.broken > 0 {
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
