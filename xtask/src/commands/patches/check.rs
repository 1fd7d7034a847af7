//! `patches check`: the series applies, checkpatch has nothing to say, and every patch builds.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use harness_host::exit::Stop;
use harness_host::interrupt;
use harness_host::ui::outln;
use harness_kernel::build::{self, BaseTree, KernelRequest};
use harness_kernel::make::MakeFailed;
use harness_kernel::patch::DoesNotApply;
use harness_kernel::series::{Patch, Selection, Series};

/// Checks the series of the base `name`; `full` also builds each prefix of it.
///
/// # Errors
///
/// The first patch that does not apply or build; every patch that checkpatch objects to.
pub(crate) fn check(name: &str, full: bool) -> Result<()> {
    let count = {
        let base = BaseTree::open(name)?;
        let series = Series::load(&base.series_dir)?;
        base.tree.apply(&base.base, &series).map_err(does_not_hold)?;
        outln!("{} patches apply to {name}", series.patches.len());
        let files = base.tree.files();
        let mut objections = String::new();
        for patch in &series.patches {
            if let Some(said) = checkpatch(&files, &base.series_dir, patch)? {
                objections += &format!("\n{}:\n{said}", patch.name);
            }
        }
        if !objections.is_empty() {
            let text = format!("checkpatch --strict objects:{objections}");
            return Err(Stop::CaseFailed(text).into());
        }
        outln!("checkpatch --strict has nothing to say");
        series.patches.len()
        // The lock on the tree ends here: the builds take it themselves.
    };
    for prefix in 1..=count {
        if !full {
            break;
        }
        let request = KernelRequest {
            base: name.to_owned(),
            linux: None,
            selection: Some(Selection::First(prefix)),
            config: Vec::new(),
            series: None,
            cache: None,
            fragments: None,
            mutant: None,
        };
        build::build(&request)
            .map_err(does_not_hold)
            .with_context(|| format!("building the first {prefix} patches"))?;
        outln!("the first {prefix} of {count} patches build");
    }
    Ok(())
}

/// A patch that does not apply or build is what this check is there to find, and no failure of ours.
fn does_not_hold(error: anyhow::Error) -> anyhow::Error {
    if error.is::<DoesNotApply>() || error.is::<MakeFailed>() {
        return Stop::CaseFailed(format!("{error:#}")).into();
    }
    error
}

/// What checkpatch says about a patch, or nothing.
fn checkpatch(tree: &Path, folder: &Path, patch: &Patch) -> Result<Option<String>> {
    let mut command = Command::new("perl");
    command
        .arg(tree.join("scripts/checkpatch.pl"))
        .args(["--strict", "--no-summary", "--quiet", "--color=never"])
        .arg("--root")
        .arg(tree)
        .arg(folder.join(&patch.name))
        .current_dir(tree)
        // It looks up commits that messages mention, and our repository has no history.
        .env("GIT_DIR", "/nonexistent")
        .env("LC_ALL", "C.UTF-8");
    let output = interrupt::output(&mut command, &[]).context("running checkpatch.pl with perl")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Ok((!output.status.success() || !said.is_empty()).then_some(said))
}
