//! What the user sees: results on stdout, progress of long work on stderr, as a bar where that is a
//! terminal; elsewhere as plain lines at both ends and every half minute in between.

use std::env;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a bar may stand still before it shows that the program lives.
const TICK: Duration = Duration::from_millis(120);

/// How often a line tells where long work is, where no terminal shows the bar.
const TELL: Duration = Duration::from_secs(30);

/// Prints to stdout as `print!` does, but for a stdout that takes no more: see [`lost_output`].
#[macro_export]
macro_rules! out {
    ($($arg:tt)*) => { $crate::ui::print(format_args!($($arg)*)) };
}

/// [`out!`] with the end of the line.
#[macro_export]
macro_rules! outln {
    ($($arg:tt)*) => { $crate::ui::print(format_args!("{}\n", format_args!($($arg)*))) };
}

/// Prints to stderr as `eprint!` does, but for a stderr that takes no more: there is nobody to tell.
#[macro_export]
macro_rules! err {
    ($($arg:tt)*) => { $crate::ui::print_error(format_args!($($arg)*)) };
}

/// [`err!`] with the end of the line.
#[macro_export]
macro_rules! errln {
    ($($arg:tt)*) => { $crate::ui::print_error(format_args!("{}\n", format_args!($($arg)*))) };
}

pub use crate::{err, errln, out, outln};

/// Why stdout took no more.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// What [`out!`] calls.
pub fn print(text: fmt::Arguments<'_>) {
    if LOST.get().is_none()
        && let Err(error) = stdout().write_fmt(text)
    {
        let _ = LOST.set(error);
    }
}

/// What [`err!`] calls.
pub fn print_error(text: fmt::Arguments<'_>) {
    let _ = stderr().write_fmt(text);
}

/// Why something that was printed did not arrive, if so. That nobody reads on, as after `head`, is
/// no failure.
pub fn lost_output() -> Option<&'static io::Error> {
    if let Err(error) = stdout().flush() {
        let _ = LOST.set(error);
    }
    LOST.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Work under way. Dropped without [`Progress::finish`], it leaves nothing on the terminal: what
/// went wrong is for the error to say.
pub struct Progress {
    bar: ProgressBar,
    what: String,
    unit: Unit,
    start: Instant,
    /// When the last line was written, where no terminal shows the bar.
    told: Option<Mutex<Instant>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Count,
    None,
}

impl Progress {
    /// Work measured in bytes. `total` may be `None` until [`Progress::set_total`] tells it;
    /// `what` says what is being done: `downloading linux-7.3.4.tar.xz`.
    pub fn bytes(total: impl Into<Option<u64>>, what: impl Into<String>) -> Self {
        Self::start(Unit::Bytes, total.into(), what.into())
    }

    /// Work measured in things: files, objects, cases.
    pub fn count(total: impl Into<Option<u64>>, what: impl Into<String>) -> Self {
        Self::start(Unit::Count, total.into(), what.into())
    }

    /// Work that cannot be measured.
    pub fn spinner(what: impl Into<String>) -> Self {
        Self::start(Unit::None, None, what.into())
    }

    fn start(unit: Unit, total: Option<u64>, what: String) -> Self {
        let drawn = stderr().is_terminal() && env::var_os("TERM").is_some_and(|t| t != "dumb");
        let target =
            if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        if drawn {
            bar.set_style(style(unit, total.is_some(), coloured()));
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(TICK);
        } else {
            errln!("{}", opening(unit, total, &what));
        }
        let start = Instant::now();
        Self { bar, what, unit, start, told: (!drawn).then(|| Mutex::new(start)) }
    }

    /// Tells the total once it is known.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_style(style(self.unit, true, coloured()));
    }

    /// This many more are done.
    pub fn inc(&self, more: u64) {
        self.bar.inc(more);
        self.tell();
    }

    /// This many are done in all.
    pub fn set(&self, done: u64) {
        self.bar.set_position(done);
        self.tell();
    }

    /// Writes a line now and then where no terminal shows the bar, so that a log shows that the work
    /// goes on.
    fn tell(&self) {
        let Some(told) = &self.told else { return };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TELL {
            *told = Instant::now();
            let (done, total) = (self.bar.position(), self.bar.length());
            errln!("{}", interim(self.unit, done, total, &self.what, self.start.elapsed()));
        }
    }

    /// What is worked on just now, after the bar. Only terminals show it.
    pub fn detail(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }

    /// Prints a line of its own above the bar.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| errln!("{text}"));
    }

    /// The work is done: the bar goes, a line with the amount and the time stays.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        let done = self.bar.position();
        errln!("{}", closing(self.unit, done, &self.what, self.start.elapsed()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Whether stderr may be coloured: it is a terminal and `NO_COLOR` (no-color.org) is not set.
pub fn coloured() -> bool {
    stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether stdout may be coloured, likewise.
pub fn stdout_coloured() -> bool {
    stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Lines and columns of the terminal that stdout is; 24 and 80 where it is none or does not say.
pub fn stdout_size() -> (u16, u16) {
    console::Term::stdout().size()
}

fn style(unit: Unit, total: bool, coloured: bool) -> ProgressStyle {
    // The templates are constants; a test goes through all of them.
    ProgressStyle::with_template(&template(unit, total, coloured))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn template(unit: Unit, total: bool, coloured: bool) -> String {
    let template = match (unit, total) {
        (Unit::Bytes, true) => {
            "{prefix} {bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} \
             {wide_msg}"
        }
        (Unit::Bytes, false) => "{spinner} {prefix} {binary_bytes} {wide_msg}",
        (Unit::Count, true) => "{prefix} {bar} {pos}/{len} {eta} {wide_msg}",
        (Unit::Count, false) => "{spinner} {prefix} {pos} {wide_msg}",
        (Unit::None, _) => "{spinner} {prefix} {elapsed} {wide_msg}",
    };
    let bar = if coloured { "{bar:24.cyan}" } else { "{bar:24}" };
    template.replace("{bar}", bar)
}

fn opening(unit: Unit, total: Option<u64>, what: &str) -> String {
    match (unit, total) {
        (Unit::Bytes, Some(total)) => format!("{what} ({}) ...", BinaryBytes(total)),
        (Unit::Count, Some(total)) => format!("{what} ({total}) ..."),
        _ => format!("{what} ..."),
    }
}

fn interim(unit: Unit, done: u64, total: Option<u64>, what: &str, time: Duration) -> String {
    let amount = |amount: u64| match unit {
        Unit::Bytes => BinaryBytes(amount).to_string(),
        Unit::Count | Unit::None => amount.to_string(),
    };
    let minutes = |seconds: f64| match seconds.round() {
        seconds if seconds < 100.0 => format!("{seconds} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    };
    let so_far = minutes(time.as_secs_f64());
    match total {
        Some(total) if done > 0 && done < total => {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let left = time.as_secs_f64() / done as f64 * (total - done) as f64;
            let (done, total) = (amount(done), amount(total));
            format!("{what}: {done} of {total} after {so_far}, about {} left", minutes(left))
        }
        _ => format!("{what}: {} after {so_far}", amount(done)),
    }
}

fn closing(unit: Unit, done: u64, what: &str, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match unit {
        Unit::Bytes => format!("{what}: {} in {seconds:.1} s", BinaryBytes(done)),
        Unit::Count => format!("{what}: {done} in {seconds:.1} s"),
        Unit::None => format!("{what}: {seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one() {
        for unit in [Unit::Bytes, Unit::Count, Unit::None] {
            for total in [true, false] {
                for coloured in [true, false] {
                    let template = template(unit, total, coloured);
                    assert!(ProgressStyle::with_template(&template).is_ok(), "{template}");
                    assert_eq!(template.contains("cyan"), coloured && template.contains("bar:"));
                }
            }
        }
    }

    #[test]
    fn lines_in_between_say_what_is_left() {
        let time = Duration::from_secs(60);
        assert_eq!(
            interim(Unit::Count, 100, Some(1000), "building", time),
            "building: 100 of 1000 after 60 s, about 9 min left"
        );
        assert_eq!(
            interim(Unit::Bytes, 3 << 20, Some(4 << 20), "getting x", 3 * time),
            "getting x: 3.00 MiB of 4.00 MiB after 3 min, about 60 s left"
        );
        assert_eq!(interim(Unit::Count, 7, None, "building", time), "building: 7 after 60 s");
        assert_eq!(interim(Unit::Count, 7, Some(7), "building", time), "building: 7 after 60 s");
    }

    #[test]
    fn plain_lines_say_what_and_how_much() {
        assert_eq!(opening(Unit::Bytes, Some(3 << 20), "getting x"), "getting x (3.00 MiB) ...");
        assert_eq!(opening(Unit::Count, Some(7), "building"), "building (7) ...");
        assert_eq!(opening(Unit::None, None, "linking"), "linking ...");
        let time = Duration::from_millis(1500);
        assert_eq!(
            closing(Unit::Bytes, 3 << 20, "getting x", time),
            "getting x: 3.00 MiB in 1.5 s"
        );
        assert_eq!(closing(Unit::Count, 7, "building", time), "building: 7 in 1.5 s");
        assert_eq!(closing(Unit::None, 0, "linking", time), "linking: 1.5 s");
    }
}
