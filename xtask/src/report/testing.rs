//! A small report that the tests of the formats share.

use bpf_wire::Mode;

use super::record::{Counts, KernelFacts, Record, Report, SCHEMA, Verdict};

/// One case of each verdict, in three suites.
pub(super) fn report() -> Report {
    let record = |name: &str, mode, verdict, problem: &str| Record {
        verdict,
        problems: if problem.is_empty() { Vec::new() } else { vec![problem.to_owned()] },
        millis: 12,
        ..Record::new(name, mode)
    };
    let mut cases = vec![
        record("callx/one", Mode::Interp, Verdict::Held, ""),
        record(
            "callx/one",
            Mode::Jit,
            Verdict::Failed,
            "run 0: returned 0x1, the case states #2\nsecond\u{1b} line",
        ),
        record("gotox/two", Mode::Jit, Verdict::Unsupported, "the kernel lacks gotox"),
        record("maps/three", Mode::Jit, Verdict::Broken, "the agent is in trouble"),
    ];
    cases[1].log = "verifier <log>".to_owned();
    Report {
        too_strict: Vec::new(),
        traces: Vec::new(),
        schema: SCHEMA,
        kernel: KernelFacts {
            base: "7.3.4".to_owned(),
            patches: 23,
            key: "k".to_owned(),
            release: "7.3.4".to_owned(),
        },
        accel: "tcg".to_owned(),
        counts: Counts::of(&cases),
        cases,
    }
}
