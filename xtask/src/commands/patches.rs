//! `cargo xtask patches`: check the series out, write it back, prove it.

pub(crate) mod check;
mod checkout;
mod export;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use harness_host::exit::Status;
use harness_host::paths;
use harness_host::ui::outln;
use harness_kernel::bases;
use harness_kernel::build::BaseTree;

/// Options of `patches`.
#[derive(Debug, Args)]
pub(crate) struct Patches {
    /// Base of the kernel, a name in kernel-patches/bases.toml.
    #[arg(long, value_name = "VERSION", default_value_t = bases::default_name(), global = true)]
    base: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a git work tree of base and series to hack in.
    Checkout {
        /// Where; `linux` in the repository if not given.
        dir: Option<PathBuf>,
    },
    /// Write the commits of a work tree back as the series.
    Export {
        /// The work tree; `linux` in the repository if not given.
        dir: Option<PathBuf>,
    },
    /// Prove that the series applies and that checkpatch has nothing to say.
    Check {
        /// Also build the kernel after each patch.
        #[arg(long)]
        full: bool,
    },
}

impl Patches {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        match self.action {
            Action::Checkout { dir } => {
                let dir = dir.unwrap_or_else(default_dir);
                let base = BaseTree::open(&self.base)?;
                let count = checkout::checkout(&base.tree, &base.base, &base.series_dir, &dir)?;
                outln!("{} has {} with {count} patches as commits", dir.display(), self.base);
                outln!("commit there, then write them back: cargo xtask patches export");
            }
            Action::Export { dir } => {
                let dir = dir.unwrap_or_else(default_dir);
                let base = BaseTree::open(&self.base)?;
                let written = export::export(&dir, &base.base, &base.series_dir)?;
                written.print(&base.series_dir);
            }
            Action::Check { full } => check::check(&self.base, full)?,
        }
        Ok(Status::Passed)
    }
}

fn default_dir() -> PathBuf {
    paths::repository().join("linux")
}
