//! `cargo xtask bisect`: finds the commit, or the patch of the series, that changed what cases do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bpf_wire::Mode;
use clap::Args;

use crate::bisect::history::{History, resolve};
use crate::bisect::rehearsal;
use crate::bisect::runner::{Guests, Origin};
use crate::bisect::state::{Question, State, Subject};
use crate::bisect::step::{self, Class, Judged};
use crate::bisect::{self, Answer};
use crate::cli::{self, AccelChoice, HostArgs};
use harness_host::exit::{Status, Stop};
use harness_host::files::Lock;
use harness_host::ui::{errln, out, outln};
use harness_host::{needs, paths};
use harness_kernel::bases;
use harness_kernel::build::BaseTree;
use harness_kernel::linux;
use harness_kernel::series::{Selection, Series};
use harness_report::json;
use harness_report::repeat::Setting;
use harness_suites::select::{candidates, select};
use harness_vm::accel;

/// Options of `bisect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask bisect --linux ~/linux --good v7.3 --bad HEAD gotox/
  cargo xtask bisect --linux ~/linux --good v7.3 --bad HEAD --series=all callx/
  cargo xtask bisect --series gotox/two_targets     over our own patches
  cargo xtask bisect                                go on with the one that was interrupted
  cargo xtask bisect --linux ~/linux --term-old broken --term-new fixed \\
                     --good v7.2 --bad v7.3 gotox/  what brought a case, not what broke it

Both ends are judged first, and what matters is that they differ. A commit that does as the old end
is on its side; one that does not build, does not boot or does as neither end is skipped.
In place of all this, `git bisect run cargo xtask bisect --step --linux . FILTER` judges the tree as
it is: exit status 0 the cases hold, 1 they fail, 125 it cannot be judged, 128 the host is at fault.

Exit status: 0 the commit was found, 1 only commits that cannot be judged are left, 2 wrong usage,
69 the host lacks something, 70 the harness failed, 130 interrupted. After the last three, the same
command goes on where it was.")]
pub(crate) struct Bisect {
    /// Regular expressions over names of cases; all cases without.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// The kernel tree, a git repository; it is only read.
    #[arg(long, value_name = "DIR")]
    linux: Option<PathBuf>,
    /// Alone: bisect over the patches of the series. With --linux: how much of the series to apply
    /// at each step.
    #[arg(long, value_name = "all|N", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    series: Option<Selection>,
    /// A revision of the old side.
    #[arg(long, alias = "old", value_name = "REV", requires = "linux")]
    good: Option<String>,
    /// A revision of the new side.
    #[arg(long, alias = "new", value_name = "REV", requires = "linux")]
    bad: Option<String>,
    /// What the old side is called.
    #[arg(long, value_name = "TERM", default_value = "good")]
    term_old: String,
    /// What the new side is called.
    #[arg(long, value_name = "TERM", default_value = "bad")]
    term_new: String,
    /// How often cases that fail are run in all; what does not fail every time is flaky.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Run only in this mode; may be repeated.
    #[arg(long, value_parser = cli::mode())]
    mode: Vec<Mode>,
    /// Base whose series is meant.
    #[arg(long, value_name = "VERSION", default_value_t = bases::default_name())]
    base: String,
    /// Further config of images/kernel, by name; may be repeated.
    #[arg(long, value_name = "NAME")]
    config: Vec<String>,
    /// Give up the bisection that was interrupted, if there is one.
    #[arg(long)]
    forget: bool,
    /// Make a tree with a fault and bisect it, to see that all this works.
    #[arg(long, conflicts_with_all = ["linux", "series", "forget", "step"])]
    rehearse: bool,
    /// Judge the tree as it is, for `git bisect run`.
    #[arg(long, requires = "linux", conflicts_with_all = ["good", "bad", "forget"])]
    step: bool,
    /// Write the answer to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How the guest's instructions are executed.
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    #[command(flatten)]
    host: HostArgs,
}

impl Bisect {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        if self.step {
            return Ok(self.one_step());
        }
        if self.rehearse {
            return self.rehearse();
        }
        if self.forget && self.linux.is_none() && self.series.is_none() {
            return forget();
        }
        self.bisect().map(|answer| match answer.endings.len() {
            0 | 1 => Status::Passed,
            _ => Status::CaseFailed,
        })
    }

    fn rehearse(self) -> Result<Status> {
        let rehearsal = rehearsal::make(&self.base)?;
        let answer = Self {
            linux: Some(rehearsal.history.dir().to_owned()),
            good: Some(rehearsal.good.clone()),
            bad: Some(rehearsal.bad.clone()),
            filters: rehearsal.filters.clone(),
            forget: true,
            ..self
        }
        .bisect()?;
        let found: Vec<&str> = answer.endings.iter().map(|end| end.commit.as_str()).collect();
        rehearsal.check(&found)?;
        outln!("that is the commit with the fault: the rehearsal succeeded");
        Ok(Status::Passed)
    }

    fn bisect(self) -> Result<Answer> {
        let dir = paths::cache()?.join("bisect");
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let _lock = Lock::take(&dir.join("lock"), "the bisection")?;
        let path = dir.join("state.json");
        if self.forget && path.exists() {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
        let mut state = self.state(&path)?;
        needs::ensure(self.host.install_deps)?;
        let (history, origin) = material(&dir, &state.question)?;
        let Question { filters, modes, base, config, .. } = &state.question;
        let resumed = Self { base: base.clone(), config: config.clone(), ..self };
        let mut guests = resumed.guests(origin, filters, modes)?;
        let answer = bisect::run(&mut state, &path, &history, &mut guests).inspect_err(|_| {
            if path.exists() {
                errln!(
                    "what is known so far is kept: the same command, or `cargo xtask bisect`, goes on"
                );
            }
        })?;
        out!("{}", answer.text(|commit| again(&state.question, commit, &guests.origin)));
        if let Some(file) = &resumed.json {
            json::write(&answer, file)?;
        }
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        Ok(answer)
    }

    /// The bisection to go on with, or a new one.
    fn state(&self, path: &Path) -> Result<State> {
        let stored = State::load(path);
        let asked = self.question()?;
        match (stored, asked) {
            (Some(state), None) => Ok(state),
            (Some(state), Some(asked)) if state.question == asked => Ok(state),
            (Some(state), Some(_)) if state.judged.is_empty() => {
                fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
                self.state(path)
            }
            (Some(state), Some(_)) => Err(Stop::Usage(format!(
                "another bisection is not finished, {} commits of it are judged; go on with it by \
                 `cargo xtask bisect`, or give it up with --forget",
                state.judged.len()
            ))
            .into()),
            (None, Some(asked)) => Ok(State::new(asked)),
            (None, None) => Err(Stop::Usage(
                "nothing to bisect: give --linux DIR --good REV --bad REV, or --series; \
                 no bisection was interrupted"
                    .to_owned(),
            )
            .into()),
        }
    }

    /// The question on the command line, if there is one.
    fn question(&self) -> Result<Option<Question>> {
        let (subject, old, new) = match (&self.linux, &self.series) {
            (None, None) => return Ok(None),
            (None, Some(Selection::All)) => {
                let (old, new) = ends_of_series(&self.base)?;
                (Subject::Series, old, new)
            }
            (None, Some(_)) => {
                return Err(Stop::Usage(
                    "--series=N goes with --linux; alone, --series bisects over all patches".into(),
                )
                .into());
            }
            (Some(dir), series) => {
                let dir = linux::source(dir)?;
                let (Some(good), Some(bad)) = (&self.good, &self.bad) else {
                    return Err(Stop::Usage(
                        "--linux needs both ends: --good REV and --bad REV".to_owned(),
                    )
                    .into());
                };
                let (old, new) = (resolve(&dir, good)?, resolve(&dir, bad)?);
                let series = series.map(|series| series.to_string());
                (Subject::Linux { dir, series }, old, new)
            }
        };
        Ok(Some(Question {
            subject,
            base: self.base.clone(),
            config: self.config.clone(),
            filters: self.filters.clone(),
            modes: self.modes(),
            repeat: self.repeat,
            old,
            new,
            term_old: self.term_old.clone(),
            term_new: self.term_new.clone(),
        }))
    }

    fn modes(&self) -> Vec<String> {
        self.mode.iter().map(|mode| mode.name().to_owned()).collect()
    }

    /// What builds and runs; the cases are those of `filters`, in the modes of these names.
    fn guests(&self, origin: Origin, filters: &[String], modes: &[String]) -> Result<Guests> {
        let asked = |mode: &Mode| modes.is_empty() || modes.iter().any(|name| name == mode.name());
        let selected = select(candidates(crate::suites(), filters), filters)?;
        if selected.cases.is_empty() {
            return Err(Stop::Usage(
                "the kernel's own suites are not cases that a bisection can run".to_owned(),
            )
            .into());
        }
        let decision = accel::decide(self.accel.into())?;
        if let Some(note) = &decision.note {
            errln!("{note}");
        }
        Ok(Guests {
            origin,
            base: self.base.clone(),
            config: self.config.clone(),
            cases: selected.cases,
            modes: Mode::ALL.into_iter().filter(asked).collect(),
            accel: decision,
            built: None,
        })
    }

    /// `--step`: the answer as `git bisect run` takes it.
    fn one_step(&self) -> Status {
        match self.judge_tree() {
            Ok(judged) => {
                outln!("{}", judged.text);
                match judged.class {
                    Some(Class::Holds) => Status::Passed,
                    Some(Class::Fails) => Status::CaseFailed,
                    Some(Class::Lacks) | None => Status::CannotJudge,
                }
            }
            Err(error) => {
                errln!("error: {error:#}");
                Status::StopBisection
            }
        }
    }

    fn judge_tree(&self) -> Result<Judged> {
        needs::ensure(self.host.install_deps)?;
        let dir = self.linux.clone().context("--step without --linux")?;
        let origin = Origin::AsIs { dir, series: self.series };
        let mut guests = self.guests(origin, &self.filters, &self.modes())?;
        step::judge(&mut guests, "", self.repeat)
    }
}

/// Gives up the bisection that was interrupted.
fn forget() -> Result<Status> {
    let path = paths::cache()?.join("bisect/state.json");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(Status::Passed),
    }
}

/// The base's commit and that of the last patch.
fn ends_of_series(base: &str) -> Result<(String, String)> {
    let (_, commits) = series(base)?;
    match commits.as_slice() {
        [first, .., last] => Ok((first.clone(), last.clone())),
        _ => Err(Stop::Usage(format!("the series of {base} has no patches")).into()),
    }
}

/// The repository that has the series' commits, and these: the base's first.
fn series(base: &str) -> Result<(PathBuf, Vec<String>)> {
    let tree = BaseTree::open(base)?;
    let series = Series::load(&tree.series_dir)?;
    let tip = tree.tree.apply(&tree.base, &series)?;
    let range = format!("{}..{tip}", tree.base);
    let mut commits = vec![tree.base.clone()];
    commits
        .extend(tree.tree.git().run(["rev-list", "--reverse", &range])?.lines().map(str::to_owned));
    Ok((tree.tree.files(), commits))
}

/// The history to search in, and how its commits become kernels.
fn material(dir: &Path, question: &Question) -> Result<(History, Origin)> {
    match &question.subject {
        Subject::Linux { dir: linux, series } => {
            // One directory for each tree: its objects stay, so that the next bisection starts with
            // what this one has built.
            let history = History::open(&dir.join(linux::name_of(linux)), linux)?;
            let series = series.as_deref().map(str::parse).transpose().map_err(Stop::Usage)?;
            Ok((history.clone(), Origin::Tree { history, series }))
        }
        Subject::Series => {
            let (files, commits) = series(&question.base)?;
            let history = History::open(&dir.join("series"), &files)?;
            let patches: BTreeMap<String, usize> =
                commits.into_iter().enumerate().map(|(count, commit)| (commit, count)).collect();
            Ok((history, Origin::Series(patches)))
        }
    }
}

/// The commands that show a commit's failure again.
fn again(question: &Question, commit: &str, origin: &Origin) -> String {
    let (base, series, checkout) = match (origin, &question.subject) {
        (Origin::Series(patches), _) => {
            let count = patches.get(commit).copied().unwrap_or_default();
            (question.base.clone(), count.to_string(), String::new())
        }
        (_, Subject::Linux { dir, series }) => {
            let commit = &commit[..commit.len().min(12)];
            let checkout = format!("git -C {} checkout {commit} && ", dir.display());
            let series = series.clone().unwrap_or_else(|| "none".to_owned());
            (dir.display().to_string(), series, checkout)
        }
        (_, Subject::Series) => (question.base.clone(), "all".to_owned(), String::new()),
    };
    let setting = Setting { base, series, configs: question.config.clone(), accel: None };
    checkout + &setting.filters(&question.filters, question.modes.iter().map(String::as_str))
}
