//! The real steps: make and guests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use bpf_case::Case;
use bpf_wire::Mode;

use super::history::History;
use super::step::Runner;
use harness_host::interrupt;
use harness_kernel::build::{self, BuiltKernel, KernelRequest};
use harness_kernel::series::Selection;
use harness_report::live::Bar;
use harness_results::record::Record;
use harness_session::consoles;
use harness_session::guest::Guest;
use harness_suites::cases::{self, Prepared, Rules};
use harness_vm::MachineConfig;
use harness_vm::accel::Decision;
use harness_vm::image;

/// Where the kernel of a commit comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A tree that is checked out, with so much of the series on top if given.
    Tree {
        /// Its history.
        history: History,
        /// How much of the series.
        series: Option<Selection>,
    },
    /// The user's own tree as it is, whatever the commit.
    AsIs {
        /// Where it is.
        dir: PathBuf,
        /// How much of the series.
        series: Option<Selection>,
    },
    /// The base with the series' first patches: how many for each commit.
    Series(BTreeMap<String, usize>),
}

/// Builds commits in the cache and runs cases on them in guests.
pub(crate) struct Guests {
    /// Where kernels come from.
    pub(crate) origin: Origin,
    /// The base, whose series is meant.
    pub(crate) base: String,
    /// Configs beside `base`.
    pub(crate) config: Vec<String>,
    /// The cases.
    pub(crate) cases: Vec<Case>,
    /// The modes.
    pub(crate) modes: Vec<Mode>,
    /// How guests are executed.
    pub(crate) accel: Decision,
    /// What was built last.
    pub(crate) built: Option<BuiltKernel>,
}

impl Guests {
    fn request(&self, commit: &str) -> Result<KernelRequest> {
        let (linux, selection) = match &self.origin {
            Origin::Tree { history, series } => {
                history.checkout(commit)?;
                (Some(history.dir().to_owned()), *series)
            }
            Origin::AsIs { dir, series } => (Some(dir.clone()), *series),
            Origin::Series(patches) => {
                let count = patches.get(commit).context("a commit that is none of the series'")?;
                (None, Some(Selection::First(*count)))
            }
        };
        Ok(KernelRequest {
            linux,
            selection,
            config: self.config.clone(),
            ..KernelRequest::of_base(&self.base)
        })
    }

    /// Subjects of the patches in the kernel, where they are known.
    fn patches(&self, built: &BuiltKernel) -> Result<Option<Vec<String>>> {
        match self.origin {
            Origin::Tree { .. } | Origin::AsIs { .. } => Ok(None),
            Origin::Series(_) => build::subjects(built).map(Some),
        }
    }

    fn console(&self) -> Result<PathBuf> {
        Ok(consoles::folder()?.join("console.log"))
    }
}

impl Runner for Guests {
    fn build(&mut self, commit: &str) -> Result<bool> {
        let built = build::build(&self.request(commit)?)?;
        interrupt::check()?;
        let new = !built.from_cache;
        self.built = Some(built);
        Ok(new)
    }

    fn run(&mut self, only: Option<&BTreeSet<String>>) -> Result<Vec<Record>> {
        let built = self.built.as_ref().context("no kernel was built")?;
        let wanted = |case: &&Case| only.is_none_or(|names| names.contains(&case.name));
        let cases: Vec<Prepared> =
            self.cases.iter().filter(wanted).cloned().map(cases::prepare).collect();
        let initramfs = image::build()?;
        let config =
            MachineConfig::new(built.vmlinux.clone(), initramfs, self.accel.accel, self.console()?);
        let patches = self.patches(built)?;
        let rules = |guest: &mut Guest| {
            Ok(Rules { patches, ..Rules::on(guest, built, self.modes.clone())? })
        };
        cases::run_alone("cases", &cases, config, built, rules, &mut Bar::default())
    }
}
