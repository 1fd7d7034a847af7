//! What `bench build` needs beside whole builds: plain make on the same tree and build directory.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::make::Make;
use super::super::toolchain::Toolchain;
use super::{KernelRequest, LOG, Plan};
use harness_host::files::Lock;

/// The text of a file of the source with the request's series on it.
pub fn file(request: &KernelRequest, name: &str) -> Result<String> {
    let plan = Plan::new(request)?;
    let _lock = plan.lock()?;
    let path = plan.place_source()?.join(name);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// The time that plain make takes after `change` to the source, whose directory it is given. The
/// request's kernel must be what was built last.
pub fn plain_make(
    request: &KernelRequest,
    change: impl FnOnce(&Path) -> Result<()>,
) -> Result<Duration> {
    let plan = Plan::new(request)?;
    let lock = plan.lock()?;
    let home = plan.home()?;
    change(&home.join("tree"))?;
    let objects = home.join("objects").join(plan.fragments.name());
    timed(&plan, &lock, &objects, &plan.toolchain)
}

/// The time that make takes from nothing, without ccache.
pub fn cold_make(request: &KernelRequest) -> Result<Duration> {
    let plan = Plan::new(request)?;
    let lock = plan.lock()?;
    plan.place_source()?;
    let dir = tempfile::Builder::new().prefix("cold-").tempdir_in(plan.home()?)?;
    let toolchain = Toolchain { ccache: false, ..plan.toolchain.clone() };
    let config = plan.cache.config(&plan.config_id()).context("the kernel was not built before")?;
    fs::write(dir.path().join(".config"), config)?;
    timed(&plan, &lock, dir.path(), &toolchain)
}

/// Brings source and build directory to the request's state.
pub fn settle(request: &KernelRequest) -> Result<()> {
    let plan = Plan::new(request)?;
    let lock = plan.lock()?;
    plan.place_source()?;
    let objects = plan.home()?.join("objects").join(plan.fragments.name());
    timed(&plan, &lock, &objects, &plan.toolchain)?;
    Ok(())
}

fn timed(plan: &Plan, lock: &Lock, objects: &Path, toolchain: &Toolchain) -> Result<Duration> {
    let home = plan.home()?;
    let make =
        Make::new(&home.join("tree"), objects, &home.join(LOG), &plan.cache, toolchain, lock)?;
    let start = Instant::now();
    make.build(&plan.describe())?;
    Ok(start.elapsed())
}
