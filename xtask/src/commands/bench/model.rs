//! `cargo xtask bench model`: the reference model beside the interpreters of others, by criterion.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{processor, store};
use harness_host::exit::Status;
use harness_host::ui::out;
use harness_host::{paths, programs};

/// What the others are compared with, as the benchmarks call it.
const MODEL: &str = "bpf-model";

/// Options of `bench model`.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// Only the programs whose names contain this.
    #[arg(value_name = "PROGRAM")]
    filter: Option<String>,
    /// Write the numbers to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    /// Kind of the processor.
    processor: String,
    /// How many of it there are.
    processors: usize,
    programs: Vec<Row>,
}

/// One program.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    program: String,
    /// Instructions that the model executes.
    steps: u64,
    /// Time of a run by these instructions in nanoseconds, by implementation.
    ns_per_step: BTreeMap<String, Times>,
    /// Time of the fastest other by the model's, of the fastest samples.
    ratio: f64,
    /// The same of the medians.
    ratio_of_medians: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Times {
    fastest: f64,
    median: f64,
}

/// `benchmark.json` of criterion.
#[derive(Debug, Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: String,
    throughput: Throughput,
}

#[derive(Debug, Deserialize)]
struct Throughput {
    #[serde(rename = "Elements")]
    elements: u64,
}

/// `sample.json` of criterion: runs of each sample, and their time together in nanoseconds.
#[derive(Debug, Deserialize)]
struct Samples {
    iters: Vec<f64>,
    times: Vec<f64>,
}

impl Model {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let results = paths::repository().join("target/bench/model");
        if results.exists() {
            fs::remove_dir_all(&results)
                .with_context(|| format!("failed to remove {}", results.display()))?;
        }
        let mut command = programs::cargo();
        command
            .args(["bench", "--package", MODEL, "--bench", "interpreters", "--"])
            .args(&self.filter)
            .env("CRITERION_HOME", &results)
            .stdout(Stdio::from(std::io::stderr()));
        let status = programs::run(&mut command)?;
        ensure!(status.success(), "the benchmarks of the model failed: {command:?}: {status}");
        let report = Report {
            processor: processor(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            programs: rows(&read(&results)?)?,
        };
        out!("{}", table(&report));
        store(&report, self.json.as_deref())?;
        Ok(Status::Passed)
    }
}

/// All results under a folder: `PROGRAM/IMPLEMENTATION/new/`.
fn read(results: &Path) -> Result<Vec<(Benchmark, Samples)>> {
    let mut found = Vec::new();
    for program in folders(results)? {
        for implementation in folders(&program)? {
            let new = implementation.join("new");
            found.push((json(&new.join("benchmark.json"))?, json(&new.join("sample.json"))?));
        }
    }
    Ok(found)
}

fn folders(parent: &Path) -> Result<Vec<std::path::PathBuf>> {
    let failed = || format!("failed to list the results in {}", parent.display());
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not what criterion 0.8 writes", path.display()))
}

/// One row for each program, in the order of their names.
fn rows(results: &[(Benchmark, Samples)]) -> Result<Vec<Row>> {
    let mut programs: BTreeMap<&str, (u64, BTreeMap<String, Times>)> = BTreeMap::new();
    for (benchmark, samples) in results {
        let steps = benchmark.throughput.elements;
        let (_, times) = programs.entry(&benchmark.group_id).or_insert((steps, BTreeMap::new()));
        times.insert(benchmark.function_id.clone(), per_step(samples, steps)?);
    }
    let mut rows = Vec::new();
    for (program, (steps, ns_per_step)) in programs {
        let ratio = |of: fn(&Times) -> f64| {
            let model = ns_per_step.get(MODEL).map(of)?;
            let others = ns_per_step.iter().filter(|(name, _)| *name != MODEL);
            others.map(|(_, times)| of(times)).min_by(f64::total_cmp).map(|other| other / model)
        };
        let (Some(fastest), Some(median)) = (ratio(|times| times.fastest), ratio(|t| t.median))
        else {
            bail!("program {program} was not measured in the model and in another implementation");
        };
        rows.push(Row {
            program: program.to_owned(),
            steps,
            ns_per_step,
            ratio: fastest,
            ratio_of_medians: median,
        });
    }
    Ok(rows)
}

fn per_step(samples: &Samples, steps: u64) -> Result<Times> {
    let mut times: Vec<f64> = samples
        .times
        .iter()
        .zip(&samples.iters)
        .map(|(time, iters)| time / iters / steps as f64)
        .collect();
    times.sort_by(f64::total_cmp);
    match (times.first(), times.get(times.len() / 2)) {
        (Some(&fastest), Some(&median)) => Ok(Times { fastest, median }),
        _ => bail!("criterion has recorded no samples"),
    }
}

fn table(report: &Report) -> String {
    let mut names: Vec<&str> = report
        .programs
        .iter()
        .flat_map(|row| row.ns_per_step.keys().map(String::as_str))
        .filter(|name| *name != MODEL)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.insert(0, MODEL);
    let mut text = format!(
        "{} x {}; nanoseconds by instruction that the model executes, fastest samples\n",
        report.processors, report.processor
    );
    text += &format!("{:<18} {:>9}", "program", "steps");
    for name in &names {
        text += &format!(" {name:>12}");
    }
    text += &format!(" {:>7} {:>8}\n", "ratio", "(median)");
    for row in &report.programs {
        text += &format!("{:<18} {:>9}", row.program, row.steps);
        for name in &names {
            match row.ns_per_step.get(*name) {
                Some(times) => text += &format!(" {:>12.2}", times.fastest),
                None => text += &format!(" {:>12}", "-"),
            }
        }
        text += &format!(" {:>7.2} {:>8.2}\n", row.ratio, row.ratio_of_medians);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(implementation: &str, times: &[f64]) -> (Benchmark, Samples) {
        let benchmark = Benchmark {
            group_id: "alu".into(),
            function_id: implementation.into(),
            throughput: Throughput { elements: 10 },
        };
        (benchmark, Samples { iters: vec![2.0; times.len()], times: times.to_vec() })
    }

    #[test]
    fn the_ratio_is_that_of_the_fastest_other() {
        let results = [
            result("rbpf", &[900.0, 600.0, 800.0]),
            result(MODEL, &[100.0, 200.0, 400.0]),
            result("solana-sbpf", &[500.0, 300.0, 700.0]),
        ];
        let rows = rows(&results).expect("complete");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].ns_per_step[MODEL], Times { fastest: 5.0, median: 10.0 });
        assert_eq!((rows[0].ratio, rows[0].ratio_of_medians), (3.0, 2.5));
        let report = Report { processor: "kind".into(), processors: 2, programs: rows };
        assert_eq!(
            table(&report),
            "2 x kind; nanoseconds by instruction that the model executes, fastest samples\n\
             program                steps    bpf-model         rbpf  solana-sbpf   ratio (median)\n\
             alu                       10         5.00        30.00        15.00    3.00     2.50\n"
        );
    }

    #[test]
    fn a_program_without_the_model_or_without_others_is_an_error() {
        assert!(rows(&[result("rbpf", &[1.0])]).is_err());
        assert!(rows(&[result(MODEL, &[1.0])]).is_err());
        assert!(rows(&[result(MODEL, &[]), result("rbpf", &[1.0])]).is_err());
    }

    #[test]
    fn reads_what_criterion_writes() {
        let root = tempfile::tempdir().expect("a folder");
        let new = root.path().join("alu/bpf-model/new");
        fs::create_dir_all(&new).expect("made");
        fs::create_dir_all(root.path().join("alu/rbpf/new")).expect("made");
        assert!(read(root.path()).is_err());
        for name in ["bpf-model", "rbpf"] {
            let new = root.path().join("alu").join(name).join("new");
            let benchmark = format!(
                r#"{{"group_id":"alu","function_id":"{name}","value_str":null,
                "throughput":{{"Elements":1040003}},"full_id":"alu/{name}"}}"#
            );
            fs::write(new.join("benchmark.json"), benchmark).expect("written");
            let samples = r#"{"sampling_mode":"Flat","iters":[2.0],"times":[4160012.0]}"#;
            fs::write(new.join("sample.json"), samples).expect("written");
        }
        let rows = rows(&read(root.path()).expect("read")).expect("complete");
        assert_eq!((rows[0].steps, rows[0].ratio), (1_040_003, 1.0));
    }
}
