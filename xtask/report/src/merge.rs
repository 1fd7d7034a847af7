//! Several reports of one kernel into one: the shards of a session.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use harness_host::exit::Stop;
use harness_results::record::{Counts, Report};

/// Merges reports that were read from these files, in this order.
///
/// # Errors
///
/// [`Stop::Usage`] when they are not of the same kernel, accelerator, QEMU and seed, or when two hold
/// the same case in the same mode.
pub fn merge(reports: Vec<(PathBuf, Report)>) -> Result<Report> {
    let mut reports = reports.into_iter();
    let Some((first, mut merged)) = reports.next() else {
        bail!("there is no report to merge");
    };
    let mut seen = HashMap::new();
    distinct(&first, &merged, &mut seen)?;
    for (path, report) in reports {
        same(&first, &merged, &path, &report)?;
        distinct(&path, &report, &mut seen)?;
        add(&mut merged, report);
    }
    merged.counts = Counts::of(&merged.cases);
    Ok(merged)
}

/// What was tested has to be the same. A shard that started no guest knows no release.
fn same(first: &Path, merged: &Report, path: &Path, report: &Report) -> Result<()> {
    let facts = |report: &Report| {
        let kernel = &report.kernel;
        [
            ("base", kernel.base.clone()),
            ("series", kernel.series.clone()),
            ("series digest", kernel.series_digest.clone()),
            ("patches", kernel.patches.to_string()),
            ("configs", kernel.configs.join(" ")),
            ("config digest", kernel.config_digest.clone()),
            ("toolchain", kernel.toolchain.join("; ")),
            ("key", kernel.key.clone()),
            ("release", kernel.release.clone()),
            ("accelerator", report.host.accel.clone()),
            ("QEMU", report.host.qemu.clone()),
            ("seed", report.host.seed.clone()),
        ]
    };
    for ((name, ours), (_, theirs)) in facts(merged).into_iter().zip(facts(report)) {
        let unknown = name == "release" && (ours.is_empty() || theirs.is_empty());
        if ours != theirs && !unknown {
            return Err(Stop::Usage(format!(
                "{} and {} are not of the same session and cannot be merged: {name} is `{ours}` in \
                 the one, `{theirs}` in the other; `cargo xtask report html` shows such side by side",
                first.display(),
                path.display()
            ))
            .into());
        }
    }
    Ok(())
}

fn distinct(
    path: &Path,
    report: &Report,
    seen: &mut HashMap<(String, &'static str), PathBuf>,
) -> Result<()> {
    for record in &report.cases {
        let key = (record.name.clone(), record.mode);
        if let Some(before) = seen.insert(key, path.to_owned()) {
            return Err(Stop::Usage(format!(
                "{} ({}) is both in {} and in {}; shards have no case in common",
                record.name,
                record.mode,
                before.display(),
                path.display()
            ))
            .into());
        }
    }
    Ok(())
}

fn add(merged: &mut Report, report: Report) {
    if merged.kernel.release.is_empty() {
        merged.kernel.release = report.kernel.release;
    }
    merged.stopped = merged.stopped.take().or(report.stopped);
    merged.guests.extend(report.guests);
    merged.cases.extend(report.cases);
    for case in report.too_strict {
        match merged.too_strict.iter_mut().find(|known| known.name == case.name) {
            Some(known) => known.modes.extend(case.modes),
            None => merged.too_strict.push(case),
        }
    }
    for trace in report.traces {
        if !merged.traces.contains(&trace) {
            merged.traces.push(trace);
        }
    }
    for subject in report.subjects {
        if !merged.subjects.contains(&subject) {
            merged.subjects.push(subject);
        }
    }
    let (ours, theirs) = (&mut merged.times, report.times);
    ours.started = ours.started.min(theirs.started);
    ours.build_ms = match (ours.build_ms, theirs.build_ms) {
        (Some(ours), Some(theirs)) => Some(ours.max(theirs)),
        (ours, theirs) => ours.or(theirs),
    };
    ours.cases_ms += theirs.cases_ms;
}

#[cfg(test)]
mod tests {
    use bpf_wire::Mode;

    use super::super::testing::{report, report_of};
    use super::*;
    use harness_results::record::{Record, TooStrict, Verdict};

    fn other() -> Report {
        let record = Record {
            verdict: Verdict::Failed,
            too_strict: Some(TooStrict {
                program: 0,
                errno: "EINVAL (22)".into(),
                said: "no".into(),
                runs: 128,
            }),
            ..Record::new("callx/two", Mode::Jit)
        };
        report_of(vec![record])
    }

    fn merged(reports: Vec<Report>) -> Result<Report> {
        let name = |(number, report)| (PathBuf::from(format!("{number}.json")), report);
        merge(reports.into_iter().enumerate().map(name).collect())
    }

    #[test]
    fn shards_become_one() {
        let mut mode = other();
        mode.cases[0].mode = Mode::Interp.name();
        mode.too_strict[0].modes = vec![Mode::Interp.name()];
        mode.times.started = 5;
        let merged = merged(vec![report(), other(), mode]).unwrap();
        assert_eq!(merged.cases.len(), 6);
        assert_eq!(
            merged.counts,
            Counts { passed: 1, failed: 3, unsound: 0, skipped: 1, error: 1 }
        );
        assert_eq!(merged.too_strict.len(), 1);
        assert_eq!(merged.too_strict[0].modes, ["jit", "interp"]);
        let boots: Vec<u64> = merged.guests.iter().map(|guest| guest.boot_ms).collect();
        assert_eq!(boots, [900, 900, 900]);
        assert_eq!((merged.times.started, merged.times.cases_ms), (5, 144));
    }

    #[test]
    fn a_shard_without_cases_changes_nothing() {
        let mut empty = report_of(Vec::new());
        empty.kernel.release.clear();
        let merged = merged(vec![empty, report()]).unwrap();
        assert_eq!((merged.kernel, merged.counts), (report().kernel, report().counts));
    }

    #[test]
    fn other_kernels_are_refused_by_name() {
        type Change = fn(&mut Report);
        let changes: [(&str, Change); 4] = [
            ("series digest is `5e1e` in the one, `other` in the other", |report| {
                report.kernel.series_digest = "other".into();
            }),
            ("configs is `debug lfence`", |report| report.kernel.configs.clear()),
            ("accelerator is `tcg`", |report| report.host.accel = "kvm".into()),
            ("seed is `0x1`", |report| report.host.seed = "0x2".into()),
        ];
        for (said, change) in changes {
            let mut other = other();
            change(&mut other);
            let error = merged(vec![report(), other]).unwrap_err();
            assert_eq!(harness_host::exit::Status::of(&error), harness_host::exit::Status::Usage);
            let error = error.to_string();
            assert!(error.contains(said) && error.contains("0.json and 1.json"), "{error}");
        }
    }

    #[test]
    fn a_case_in_two_shards_is_refused() {
        let error = merged(vec![report(), other(), report()]).unwrap_err().to_string();
        assert!(error.contains("callx/one (interp) is both in 0.json and in 2.json"), "{error}");
    }
}
