//! Bisecting: which commit, or which patch of the series, changed what the cases do.

pub(crate) mod history;
pub(crate) mod rehearsal;
mod report;
pub(crate) mod runner;
pub(crate) mod search;
pub(crate) mod state;
pub(crate) mod step;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use harness_host::exit::Stop;
use harness_host::ui::errln;
use history::History;
pub(crate) use report::{Answer, Ending};
use search::{Found, Side, search};
use state::State;
use step::{Class, Judged, Runner};

/// Answers the question of `state`, which is stored at `path` after every step; what it knows
/// already is not looked at again.
///
/// # Errors
///
/// [`Stop::Usage`] when there is nothing between the ends, or when both do the same; trouble of the
/// host's, after which the search can go on where it was.
pub(crate) fn run(
    state: &mut State,
    path: &Path,
    history: &History,
    runner: &mut dyn Runner,
) -> Result<Answer> {
    let start = Instant::now();
    let question = state.question.clone();
    let commits = history.between(&question.old, &question.new)?;
    if commits.is_empty() {
        return Err(Stop::Usage("both ends are the same commit".to_owned()).into());
    }
    errln!("{}", report::opening(commits.len()));
    let mut seen = Steps { state, path, runner };
    let old = seen.end(history, &question.old, &question.term_old)?;
    let new = seen.end(history, &question.new, &question.term_new)?;
    if old == new {
        return Err(Stop::Usage(format!(
            "both ends do the same: {}; choose ends between which the cases change",
            report::class(old)
        ))
        .into());
    }
    let mut done = 0;
    let found = search(history, &question.old, &question.new, |commit, left| {
        done += 1;
        let description = history.describe(commit)?;
        errln!("{}", report::step(done, left, seen.state.seconds_a_step(), &description));
        let judged = seen.judge(commit)?;
        let side = side(judged.class, old, new);
        let word = match side {
            Side::Old => &question.term_old,
            Side::New => &question.term_new,
            Side::Unknown => "skipped",
        };
        errln!("{}", report::judged(word, &judged));
        Ok(side)
    })?;
    let judged = |commit: &str| seen.state.judged.get(commit).cloned();
    let endings = match found {
        Found::First(commit) => {
            let before = history.git().run(["rev-parse", &format!("{commit}^")])?;
            vec![Ending {
                details: history.details(&commit)?,
                before: judged(&before),
                at: judged(&commit),
                commit,
            }]
        }
        Found::OneOf(commits) => commits
            .into_iter()
            .map(|commit| {
                let details = history.describe(&commit)?;
                Ok(Ending { details, before: None, at: judged(&commit), commit })
            })
            .collect::<Result<_>>()?,
    };
    Ok(Answer {
        endings,
        term_old: question.term_old,
        term_new: question.term_new,
        steps: seen.state.judged.len(),
        builds: seen.state.builds(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// On which side a commit with this answer is.
fn side(class: Option<Class>, old: Class, new: Class) -> Side {
    match class {
        Some(class) if class == old => Side::Old,
        Some(class) if class == new => Side::New,
        _ => Side::Unknown,
    }
}

struct Steps<'a> {
    state: &'a mut State,
    path: &'a Path,
    runner: &'a mut dyn Runner,
}

impl Steps<'_> {
    /// What is known of a commit, found out first if need be.
    fn judge(&mut self, commit: &str) -> Result<Judged> {
        if let Some(judged) = self.state.judged.get(commit) {
            return Ok(judged.clone());
        }
        let judged = step::judge(self.runner, commit, self.state.question.repeat)?;
        self.state.judged.insert(commit.to_owned(), judged.clone());
        self.state.store(self.path)?;
        Ok(judged)
    }

    /// Judges an end, without which nothing can be compared.
    fn end(&mut self, history: &History, commit: &str, term: &str) -> Result<Class> {
        errln!("the {term} end: {}", history.describe(commit)?);
        let judged = self.judge(commit)?;
        errln!("{}", report::judged(term, &judged));
        judged.class.ok_or_else(|| {
            Stop::Usage(format!(
                "the {term} end cannot be judged: {}; choose another one",
                judged.text
            ))
            .into()
        })
    }
}

#[cfg(test)]
mod tests;
