//! A small report that the tests of the formats share.

use bpf_wire::Mode;

use harness_results::facts::{GuestFacts, HostFacts, KernelFacts, Resources, Times};
use harness_results::record::{Counts, Record, Report, SCHEMA, TooStrictCase, Verdict, traces};

/// What a guest holds that was just started.
const RESOURCES: Resources = Resources {
    descriptors: 8,
    programs: 0,
    maps: 0,
    btfs: 0,
    available_kib: 220 << 10,
    slab_kib: 4 << 10,
    vmalloc_kib: 1 << 10,
    percpu_kib: 64,
};

/// One case of each verdict, in three suites.
pub(super) fn report() -> Report {
    let record = |name: &str, mode, verdict, problem: &str| Record {
        verdict,
        problems: if problem.is_empty() { Vec::new() } else { vec![problem.to_owned()] },
        millis: 12,
        ..Record::new(name, mode)
    };
    let mut cases = vec![
        record("callx/one", Mode::Interp, Verdict::Passed, ""),
        record(
            "callx/one",
            Mode::Jit,
            Verdict::Failed,
            "run 0: returned 0x1, the case states #2\nsecond\u{1b} line",
        ),
        record("gotox/two", Mode::Jit, Verdict::Skipped, "the kernel lacks gotox"),
        record("maps/three", Mode::Jit, Verdict::Error, "the agent is in trouble"),
    ];
    cases[1].log = "verifier <log>".to_owned();
    report_of(cases)
}

/// A report of these records.
pub(super) fn report_of(cases: Vec<Record>) -> Report {
    Report {
        schema: SCHEMA,
        kernel: KernelFacts {
            base: "7.3.4".to_owned(),
            series: "all".to_owned(),
            series_digest: "5e1e".to_owned(),
            patches: 23,
            configs: vec!["debug".to_owned(), "lfence".to_owned()],
            config_digest: "c0f1".to_owned(),
            toolchain: ["gcc 12", "as 2", "ld 2"].map(str::to_owned).to_vec(),
            key: "k".to_owned(),
            release: "7.3.4".to_owned(),
        },
        host: HostFacts {
            accel: "tcg".to_owned(),
            qemu: "QEMU 7.2".to_owned(),
            seed: "0x1".to_owned(),
        },
        times: Times { started: 1000, build_ms: None, cases_ms: 48 },
        guests: vec![GuestFacts {
            boot_ms: 900,
            batches: 4,
            start: RESOURCES,
            end: Some(Resources { available_kib: 219 << 10, ..RESOURCES }),
        }],
        stopped: None,
        too_strict: TooStrictCase::of(&cases),
        traces: traces(&cases),
        subjects: Vec::new(),
        counts: Counts::of(&cases),
        cases,
    }
}
