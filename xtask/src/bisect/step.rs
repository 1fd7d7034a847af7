//! One step: the kernel of a commit is built, the cases run on it, and what comes of them is one of
//! three answers, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use harness_host::exit::Stop;
use harness_kernel::config::DroppedOptions;
use harness_kernel::make::MakeFailed;
use harness_kernel::patch::DoesNotApply;
use harness_results::record::{Counts, Record, Verdict};
use harness_vm::GuestFailure;

/// What a commit does with the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// They hold, or what they need is missing for some of them.
    Holds,
    /// At least one fails, every time.
    Fails,
    /// What they need is missing for all of them.
    Lacks,
}

/// What was found of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// The answer; none where it cannot be judged.
    pub(crate) class: Option<Class>,
    /// The answer, or why there is none, in words.
    pub(crate) text: String,
    /// Whether its kernel had to be built.
    pub(crate) built: bool,
    /// Seconds that it took.
    pub(crate) seconds: f64,
}

impl Eq for Judged {}

/// Builds kernels and runs cases on them. The real one has make and guests; tests have others.
pub(crate) trait Runner {
    /// Builds the kernel of a commit, and gives whether there was anything to build.
    fn build(&mut self, commit: &str) -> Result<bool>;

    /// Runs the cases, or only those with these names, on the kernel that was built last.
    fn run(&mut self, only: Option<&BTreeSet<String>>) -> Result<Vec<Record>>;
}

/// Judges a commit. Cases that fail are run again, `repeat` times in all: only what fails every time
/// counts.
///
/// # Errors
///
/// Trouble of the host's: no tool, no space, a harness that breaks, Ctrl-C. It says nothing of the
/// commit, which can be judged again.
pub(crate) fn judge(runner: &mut dyn Runner, commit: &str, repeat: u32) -> Result<Judged> {
    let start = Instant::now();
    let mut built = true;
    let answer = match runner.build(commit) {
        Ok(was_built) => {
            built = was_built;
            answer(runner, repeat)
        }
        Err(error) => Err(error),
    };
    let (class, text) = match answer {
        Ok((class, text)) => (class, text),
        Err(error) => (None, says_of_kernel(error)?),
    };
    Ok(Judged { class, text, built, seconds: start.elapsed().as_secs_f64() })
}

fn answer(runner: &mut dyn Runner, repeat: u32) -> Result<(Option<Class>, String)> {
    let first = runner.run(None)?;
    let mut failed = failures(&first)?;
    if failed.is_empty() {
        let counts = Counts::of(&first);
        if counts.passed == 0 {
            let reason = first.iter().find_map(|record| record.problems.first());
            let reason = reason.map_or("no case ran", String::as_str);
            return Ok((Some(Class::Lacks), format!("skipped: {reason}")));
        }
        return Ok((Some(Class::Holds), format!("{} passed", counts.passed)));
    }
    let all = failed.len();
    let (shown, problem) =
        failed.first_key_value().map_or_else(Default::default, |((name, mode), text)| {
            (format!("{name} ({mode})"), text.clone())
        });
    for _ in 1..repeat {
        let names: BTreeSet<String> = failed.keys().map(|(name, _)| name.clone()).collect();
        let again = failures(&runner.run(Some(&names))?)?;
        failed.retain(|key, _| again.contains_key(key));
        if failed.is_empty() {
            return Ok((
                None,
                format!("flaky: {shown} failed, and not every time in {repeat} runs: {problem}"),
            ));
        }
    }
    let Some(((name, mode), problem)) = failed.first_key_value() else {
        bail!("no failure is left of {all}");
    };
    let flaky = match all - failed.len() {
        0 => String::new(),
        some => format!(", and {some} not every time"),
    };
    let text =
        format!("{} of {} failed{flaky}: {name} ({mode}): {problem}", failed.len(), first.len());
    Ok((Some(Class::Fails), text))
}

/// The first problem of each case and mode that failed.
///
/// # Errors
///
/// When the harness itself failed on a case.
fn failures(records: &[Record]) -> Result<BTreeMap<(String, &'static str), String>> {
    let mut failed = BTreeMap::new();
    for record in records {
        let problem =
            || record.problems.first().map_or("", |text| text.lines().next().unwrap_or(""));
        match record.verdict {
            Verdict::Passed | Verdict::Skipped => {}
            Verdict::Failed => {
                failed.insert((record.name.clone(), record.mode), problem().to_owned());
            }
            Verdict::Error => {
                bail!("the harness failed on {} ({}): {}", record.name, record.mode, problem());
            }
        }
    }
    Ok(failed)
}

/// Why an error means that the commit cannot be judged: it does not build, the series does not apply,
/// it does not boot. Any other error ends the bisection.
fn says_of_kernel(error: anyhow::Error) -> Result<String> {
    for cause in error.chain() {
        if let Some(failed) = cause.downcast_ref::<MakeFailed>() {
            return Ok(format!("does not build: {}", error_line(&failed.error)));
        }
        if let Some(failed) = cause.downcast_ref::<DoesNotApply>() {
            return Ok(format!("the series does not apply: {}", first_line(&failed.to_string())));
        }
        if let Some(dropped) = cause.downcast_ref::<DroppedOptions>() {
            return Ok(first_line(&dropped.to_string()).to_owned());
        }
        if let Some(Stop::CaseFailed(text)) = cause.downcast_ref::<Stop>() {
            return Ok(format!("does not boot: {}", first_line(text)));
        }
        if let Some(failure) = cause.downcast_ref::<GuestFailure>() {
            return Ok(format!("does not boot: {}", first_line(&failure.to_string())));
        }
    }
    Err(error)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The first line with an error: what the compiler or make complains of first.
fn error_line(text: &str) -> &str {
    text.lines().find(|line| line.contains("rror")).unwrap_or_else(|| first_line(text))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bpf_wire::Mode;

    use super::*;

    /// Gives prepared records, run by run.
    struct Prepared {
        build: Option<anyhow::Error>,
        runs: Vec<Vec<(&'static str, Verdict)>>,
        asked: Vec<Option<Vec<String>>>,
    }

    impl Runner for Prepared {
        fn build(&mut self, _: &str) -> Result<bool> {
            self.build.take().map_or(Ok(true), Err)
        }

        fn run(&mut self, only: Option<&BTreeSet<String>>) -> Result<Vec<Record>> {
            self.asked.push(only.map(|names| names.iter().cloned().collect()));
            let record = |(name, verdict): (&str, Verdict)| Record {
                verdict,
                problems: vec![format!("{verdict:?} of {name}\nmore")],
                ..Record::new(name, Mode::Jit)
            };
            Ok(self.runs.remove(0).into_iter().map(record).collect())
        }
    }

    fn judged(runs: &[&[(&'static str, Verdict)]]) -> (Result<Judged>, Prepared) {
        let runs = runs.iter().map(|run| run.to_vec()).collect();
        let mut runner = Prepared { build: None, runs, asked: Vec::new() };
        (judge(&mut runner, "c", 3), runner)
    }

    use Verdict::{Error, Failed, Passed, Skipped};

    #[test]
    fn cases_that_hold_are_run_once() {
        let (judged, runner) = judged(&[&[("a", Passed), ("b", Skipped)]]);
        let judged = judged.unwrap();
        assert_eq!((judged.class, judged.text.as_str()), (Some(Class::Holds), "1 passed"));
        assert_eq!(runner.asked, [None]);
    }

    #[test]
    fn a_kernel_without_the_opcode_is_a_class_of_its_own() {
        let (judged, _) = judged(&[&[("a", Skipped)]]);
        let judged = judged.unwrap();
        assert_eq!(judged.class, Some(Class::Lacks));
        assert!(judged.text.starts_with("skipped: Skipped of a"), "{}", judged.text);
    }

    #[test]
    fn what_fails_every_time_counts() {
        let (judged, runner) = judged(&[
            &[("a", Passed), ("b", Failed), ("c", Failed)],
            &[("b", Failed), ("c", Passed)],
            &[("b", Failed)],
        ]);
        let judged = judged.unwrap();
        assert_eq!(judged.class, Some(Class::Fails));
        assert_eq!(judged.text, "1 of 3 failed, and 1 not every time: b (jit): Failed of b");
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(runner.asked, [None, names(&["b", "c"]), names(&["b"])]);
    }

    #[test]
    fn what_fails_now_and_then_is_no_answer() {
        let (judged, _) = judged(&[&[("a", Failed)], &[("a", Failed)], &[("a", Passed)]]);
        let judged = judged.unwrap();
        assert_eq!(judged.class, None);
        assert!(judged.text.starts_with("flaky: a (jit) failed"), "{}", judged.text);
    }

    #[test]
    fn a_harness_that_fails_says_nothing_of_the_commit() {
        let (judged, _) = judged(&[&[("a", Error)]]);
        assert!(judged.unwrap_err().to_string().contains("failed on a"));
    }

    fn after(error: impl Into<anyhow::Error>) -> Result<Judged> {
        let mut runner =
            Prepared { build: Some(error.into()), runs: Vec::new(), asked: Vec::new() };
        judge(&mut runner, "c", 3)
    }

    #[test]
    fn a_kernel_that_does_not_build_or_boot_cannot_be_judged() {
        let failed = |error: &str| MakeFailed {
            what: "building".into(),
            error: error.into(),
            log: PathBuf::new(),
        };
        let judged = after(failed("kernel/a.c:1:1: error: expected ;\n  x\n  ^")).unwrap();
        assert_eq!(judged.class, None);
        assert_eq!(judged.text, "does not build: kernel/a.c:1:1: error: expected ;");
        let judged = after(Stop::CaseFailed("guest failed (panic): x\nconsole".into())).unwrap();
        assert_eq!(judged.text, "does not boot: guest failed (panic): x");

        assert!(after(Stop::HostLacks("no flex".into())).is_err());
        assert!(after(Stop::Interrupted).is_err());
    }
}
