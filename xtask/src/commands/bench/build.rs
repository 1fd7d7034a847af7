//! `cargo xtask bench build`: what the cache and the incremental build cost beside plain make, all
//! in one run on one machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::{Spread, store};
use harness_host::exit::Status;
use harness_host::ui::outln;
use harness_kernel::build::{self, KernelRequest, bench};
use harness_kernel::make;
use harness_kernel::series::{Patch, Selection, Series};

/// The file that the changed patch touches: the one that people change most here, and the largest.
const FILE: &str = "kernel/bpf/verifier.c";
/// Lines of context in a hunk.
const CONTEXT: usize = 3;

/// Options of `bench build`.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Base of the kernel, a name in kernel-patches/bases.toml.
    #[arg(long, value_name = "VERSION", default_value_t = harness_kernel::bases::default_name())]
    base: String,
    /// How often to measure the changed patch and plain make, in turn.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Leave out the build from nothing, which takes minutes.
    #[arg(long)]
    skip_cold: bool,
    /// Write the numbers to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was measured; times in seconds.
#[derive(Debug, Serialize)]
struct Report {
    /// A kernel that is in the cache.
    unchanged: f64,
    /// How often make was started for it.
    unchanged_makes: usize,
    /// One line of a patch to the file changed: medians.
    changed_patch: f64,
    /// Plain make after the same line of the file changed.
    plain_make: f64,
    /// The first by the second; the goal is at most 1.15.
    ratio: f64,
    /// make from an empty build directory, without ccache; the goal is at most 540 on 2 cores.
    cold: Option<f64>,
}

impl Build {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let series = Series::load(&harness_kernel::bases::find(&self.base)?.series_dir())?;
        let request = |series: Series| KernelRequest {
            base: self.base.clone(),
            linux: None,
            selection: Some(Selection::All),
            config: Vec::new(),
            series: Some(series),
            cache: None,
            fragments: None,
            mutant: None,
        };
        build::build(&request(series.clone()))?;
        let makes = make::invocations();
        let unchanged = timed(|| build::build(&request(series.clone())).map(|_| ()))?;
        let unchanged_makes = make::invocations() - makes;

        let clean = bench::file(&request(series.clone()), FILE)?;
        let with = |number: u32| {
            let mut changed = series.clone();
            changed.patches.push(patch(&clean, number));
            request(changed)
        };
        // The first has the patch new, which is more than a changed line.
        discard(&with(0))?;
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for run in 0..self.runs {
            // Numbers that ccache has not seen in an earlier run either.
            let number = std::process::id() * 1_000 + 2 * run;
            ours.push(timed(|| discard(&with(number + 1)))?);
            plain.push(bench::plain_make(&with(number + 1), |tree| {
                let path = tree.join(FILE);
                fs::write(&path, format!("{clean}{}\n", line(number + 2)))
                    .with_context(|| format!("writing {}", path.display()))
            })?);
        }
        let cold =
            if self.skip_cold { None } else { Some(bench::cold_make(&request(series.clone()))?) };
        // Leaves the build directory at the series, for the next build to be quick.
        bench::settle(&request(series))?;
        let median =
            |times: Vec<Duration>| Spread::of(times.iter().map(Duration::as_secs_f64)).median;
        let (ours, plain) = (median(ours), median(plain));
        let report = Report {
            unchanged: unchanged.as_secs_f64(),
            unchanged_makes,
            changed_patch: ours,
            plain_make: plain,
            ratio: ours / plain,
            cold: cold.map(|time| time.as_secs_f64()),
        };
        self.print(&report)?;
        Ok(Status::Passed)
    }

    fn print(&self, report: &Report) -> Result<()> {
        let Report { unchanged, unchanged_makes, changed_patch, plain_make, ratio, cold } = report;
        outln!(
            "nothing changed                        {unchanged:8.2} s   make started {unchanged_makes} times"
        );
        outln!("one line of a patch changed, median    {changed_patch:8.2} s");
        outln!(
            "plain make of the same line, median    {plain_make:8.2} s   ratio {ratio:.2}, goal 1.15"
        );
        match cold {
            Some(cold) => {
                outln!("from nothing, without ccache           {cold:8.0} s   goal 540 on 2 cores")
            }
            None => outln!("from nothing                           not measured"),
        }
        store(report, self.json.as_deref())
    }
}

/// Builds, and removes the finished build from the cache: nobody will ask for it.
fn discard(request: &KernelRequest) -> Result<()> {
    let built = build::build(request)?;
    let entry = built.vmlinux.parent().unwrap_or(Path::new(""));
    fs::remove_dir_all(entry).with_context(|| format!("removing {}", entry.display()))
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// The line that changes. Code, as ccache sees through a changed comment.
fn line(number: u32) -> String {
    format!("const char bpf_indirect_bench[] = \"{number}\";")
}

/// A patch that adds the line at the end of the file, whose content it is made for.
fn patch(content: &str, number: u32) -> Patch {
    let lines: Vec<&str> = content.lines().collect();
    let before = lines.len().saturating_sub(CONTEXT);
    let context: String = lines[before..].iter().map(|line| format!(" {line}\n")).collect();
    let (start, old) = (before + 1, lines.len() - before);
    let text = format!(
        "From: Bench <bench@localhost>\nDate: Thu, 1 Jan 1970 00:00:00 +0000\n\
         Subject: [PATCH] bench\n\nA line.\n---\ndiff --git a/{FILE} b/{FILE}\n--- a/{FILE}\n\
         +++ b/{FILE}\n@@ -{start},{old} +{start},{} @@\n{context}+{}\n",
        old + 1,
        line(number)
    );
    Patch { name: "9999-bench.patch".into(), content: text.into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_kernel::tree::Tree;

    #[test]
    fn the_patch_fits_the_end_of_any_file() {
        for content in ["a\n", "a\nb\nc\nd\ne\n"] {
            let home = tempfile::tempdir().unwrap();
            let (tree, base) = Tree::of_base(home.path(), |dir| {
                fs::create_dir_all(dir.join("kernel/bpf"))?;
                fs::write(dir.join(FILE), content)?;
                Ok(())
            })
            .unwrap();
            let series = Series { patches: vec![patch(content, 7)] };
            tree.checkout(&tree.apply(&base, &series).unwrap()).unwrap();
            let expected = format!("{content}{}\n", line(7));
            assert_eq!(fs::read_to_string(tree.files().join(FILE)).unwrap(), expected);
        }
    }
}
