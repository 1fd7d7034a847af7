//! What a bisection knows so far, on disk after every step: it can be interrupted anywhere, and goes
//! on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::step::Judged;
use harness_host::files::write_whole;

/// Version of the file's shape.
const VERSION: u32 = 1;

/// What is bisected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of")]
pub(crate) enum Subject {
    /// The history of a kernel tree.
    Linux {
        /// The user's repository.
        dir: PathBuf,
        /// How much of the series is applied at each step, if any.
        series: Option<String>,
    },
    /// The patches of a base's series.
    Series,
}

/// The question that is being answered: what is needed to ask it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// What is bisected.
    pub(crate) subject: Subject,
    /// The base's name, whose series is meant.
    pub(crate) base: String,
    /// Configs beside `base`.
    pub(crate) config: Vec<String>,
    /// Filters of cases.
    pub(crate) filters: Vec<String>,
    /// Modes, by name; all if there are none.
    pub(crate) modes: Vec<String>,
    /// How often a step with a failing case is run in all.
    pub(crate) repeat: u32,
    /// Hash of the old end.
    pub(crate) old: String,
    /// Hash of the new end.
    pub(crate) new: String,
    /// What the old side is called.
    pub(crate) term_old: String,
    /// What the new side is called.
    pub(crate) term_new: String,
}

/// A question and the steps towards its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    /// The question.
    pub(crate) question: Question,
    /// What was found of each commit that was looked at.
    pub(crate) judged: BTreeMap<String, Judged>,
}

impl State {
    /// Nothing is known yet.
    pub(crate) fn new(question: Question) -> Self {
        Self { version: VERSION, question, judged: BTreeMap::new() }
    }

    /// The state that was stored, if one was. One that cannot be read counts as none.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        let state: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (state.version == VERSION).then_some(state)
    }

    /// Writes it, whole or not at all.
    pub(crate) fn store(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("writing down the bisection")?;
        write_whole(path, &text)
    }

    /// Kernels that were built for it.
    pub(crate) fn builds(&self) -> usize {
        self.judged.values().filter(|judged| judged.built).count()
    }

    /// Seconds that a step usually takes: the median of those whose kernel was not there yet, if there
    /// are any. The first build of a tree takes many times as long as those that follow.
    pub(crate) fn seconds_a_step(&self) -> Option<f64> {
        let median = |built: bool| {
            let mut times: Vec<f64> = self
                .judged
                .values()
                .filter(|judged| judged.built == built)
                .map(|judged| judged.seconds)
                .collect();
            times.sort_by(f64::total_cmp);
            times.get(times.len().saturating_sub(1) / 2).copied()
        };
        median(true).or_else(|| median(false))
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::Class;
    use super::*;

    fn question() -> Question {
        Question {
            subject: Subject::Series,
            base: "7.3.4".into(),
            config: Vec::new(),
            filters: vec!["gotox/".into()],
            modes: Vec::new(),
            repeat: 3,
            old: "a".into(),
            new: "b".into(),
            term_old: "good".into(),
            term_new: "bad".into(),
        }
    }

    #[test]
    fn what_is_stored_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        assert_eq!(State::load(&path), None);
        let mut state = State::new(question());
        let judged = Judged {
            class: Some(Class::Fails),
            text: "1 of 3 cases failed".into(),
            built: true,
            seconds: 2.5,
        };
        state.judged.insert("c".into(), judged);
        state.store(&path).unwrap();
        assert_eq!(State::load(&path), Some(state));
        fs::write(&path, "{").unwrap();
        assert_eq!(State::load(&path), None);
    }

    #[test]
    fn the_time_of_a_step_is_that_of_a_build_where_there_was_one() {
        let mut state = State::new(question());
        assert_eq!(state.seconds_a_step(), None);
        let judged = |built, seconds| Judged { class: None, text: String::new(), built, seconds };
        state.judged.insert("a".into(), judged(false, 4.0));
        assert_eq!(state.seconds_a_step(), Some(4.0));
        state.judged.insert("b".into(), judged(true, 60.0));
        state.judged.insert("c".into(), judged(true, 80.0));
        assert_eq!((state.seconds_a_step(), state.builds()), (Some(60.0), 2));
        state.judged.insert("d".into(), judged(true, 4000.0));
        assert_eq!(state.seconds_a_step(), Some(80.0));
    }
}
