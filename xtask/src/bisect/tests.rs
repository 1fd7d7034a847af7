use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bpf_wire::Mode;

use super::state::{Question, Subject};
use super::*;
use harness_kernel::git::Git;
use harness_results::record::{Record, Verdict};

/// Commits whose kernel does this with the one case; `None` breaks the host.
struct Fake {
    commits: Vec<String>,
    does: fn(usize) -> Option<Verdict>,
    at: usize,
    builds: usize,
}

impl Runner for Fake {
    fn build(&mut self, commit: &str) -> Result<bool> {
        self.at = self.commits.iter().position(|known| known == commit).unwrap();
        self.builds += 1;
        Ok(true)
    }

    fn run(&mut self, _: Option<&BTreeSet<String>>) -> Result<Vec<Record>> {
        let Some(verdict) = (self.does)(self.at) else {
            return Err(Stop::HostLacks("no space".into()).into());
        };
        let problems = vec![format!("{verdict:?}")];
        Ok(vec![Record { verdict, problems, ..Record::new("t/case", Mode::Jit) }])
    }
}

struct Ground {
    dir: tempfile::TempDir,
    commits: Vec<String>,
    history: History,
}

impl Ground {
    fn new(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let origin = dir.path().join("origin");
        fs::create_dir(&origin).unwrap();
        let git = Git::at(&origin);
        git.run(["init", "--quiet", "--template=", "."]).unwrap();
        let commits = (0..count)
            .map(|number| {
                git.run(["commit", "--quiet", "--allow-empty", "-m", &format!("commit {number}")])
                    .unwrap();
                git.run(["rev-parse", "HEAD"]).unwrap()
            })
            .collect();
        let history = History::open(&dir.path().join("history"), &origin).unwrap();
        Self { dir, commits, history }
    }

    fn state(&self) -> State {
        State::new(Question {
            subject: Subject::Series,
            base: "x".into(),
            config: Vec::new(),
            filters: Vec::new(),
            modes: Vec::new(),
            repeat: 3,
            old: self.commits[0].clone(),
            new: self.commits.last().unwrap().clone(),
            term_old: "good".into(),
            term_new: "bad".into(),
        })
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("state.json")
    }

    fn fake(&self, does: fn(usize) -> Option<Verdict>) -> Fake {
        Fake { commits: self.commits.clone(), does, at: 0, builds: 0 }
    }

    fn bisect(&self, does: fn(usize) -> Option<Verdict>) -> Result<(Answer, usize)> {
        let mut fake = self.fake(does);
        let answer = run(&mut self.state(), &self.path(), &self.history, &mut fake)?;
        Ok((answer, fake.builds))
    }
}

#[test]
fn the_commit_that_broke_a_case_is_found_with_what_both_sides_do() {
    let ground = Ground::new(18);
    let (answer, builds) =
        ground.bisect(|at| Some(if at < 11 { Verdict::Passed } else { Verdict::Failed })).unwrap();
    assert_eq!(answer.endings.len(), 1);
    assert_eq!(answer.endings[0].commit, ground.commits[11]);
    assert_eq!((answer.steps, answer.builds), (builds, builds));
    let bad = &ground.commits[11];
    let text = Answer { seconds: 0.0, ..answer }.text(|commit| format!("test {commit}"));
    assert_eq!(
        text,
        format!(
            "{bad} is the first bad commit\n  commit 11\n  bpf-indirect, 1970-01-01\n  good  before it  1 passed\n  bad   with it  \
             \x20 1 of 1 failed: t/case (jit): Failed\n  see it again: test {bad}\n{builds} commits \
             looked at, {builds} kernel builds, 0 s\n"
        )
    );
}

#[test]
fn the_commit_that_brought_a_case_is_found_as_well() {
    let ground = Ground::new(9);
    let (answer, _) =
        ground.bisect(|at| Some(if at < 4 { Verdict::Skipped } else { Verdict::Passed })).unwrap();
    assert_eq!(answer.endings[0].commit, ground.commits[4]);
}

#[test]
fn a_commit_that_does_as_neither_end_is_skipped() {
    let ground = Ground::new(9);
    let (answer, _) = ground
        .bisect(|at| {
            Some(match at {
                ..4 => Verdict::Passed,
                4 => Verdict::Skipped,
                _ => Verdict::Failed,
            })
        })
        .unwrap();
    let candidates: Vec<&str> = answer.endings.iter().map(|end| end.commit.as_str()).collect();
    assert_eq!(candidates.len(), 2, "{candidates:?}");
    let text = answer.text(|_| String::new());
    assert!(text.starts_with("the first bad commit is one of these"), "{text}");
    assert!(text.contains("commit 4: skipped: Skipped"), "{text}");
}

#[test]
fn ends_that_do_the_same_are_wrong_usage() {
    let ground = Ground::new(5);
    let error = ground.bisect(|_| Some(Verdict::Passed)).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Stop::Usage(_))), "{error}");
    assert!(error.to_string().contains("the cases hold"), "{error}");
}

#[test]
fn trouble_of_the_hosts_stops_it_and_it_goes_on_where_it_was() {
    let ground = Ground::new(18);
    let error = ground.bisect(|at| match at {
        0 => Some(Verdict::Passed),
        17 => Some(Verdict::Failed),
        _ => None,
    });
    assert!(matches!(error.unwrap_err().downcast_ref(), Some(Stop::HostLacks(_))));

    let mut state = State::load(&ground.path()).unwrap();
    assert_eq!(state.judged.len(), 2);
    let mut fake = ground.fake(|at| Some(if at < 7 { Verdict::Passed } else { Verdict::Failed }));
    let answer = run(&mut state, &ground.path(), &ground.history, &mut fake).unwrap();
    assert_eq!(answer.endings[0].commit, ground.commits[7]);
    // The ends were not looked at again.
    assert_eq!(fake.builds + 2, answer.steps);
    assert!(Path::new(&ground.path()).exists());
}
