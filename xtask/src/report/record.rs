//! The facts of a session, in the shape in which `--json` writes them.

use bpf_wire::Mode;
use serde::Serialize;

use crate::vm::FailureKind;

/// Version of the JSON report's shape; bumped when a field changes its meaning or goes.
pub(crate) const SCHEMA: u32 = 1;

/// Everything that a session found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// The kernel under test.
    pub(crate) kernel: KernelFacts,
    /// How the guest was executed: `kvm` or `tcg`.
    pub(crate) accel: String,
    /// The cases in the order in which they ran, one record for each mode.
    pub(crate) cases: Vec<Record>,
    /// How the records divide.
    pub(crate) counts: Counts,
}

/// What identifies the kernel under test.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct KernelFacts {
    /// Name of the base, or the path of the user's tree.
    pub(crate) base: String,
    /// Patches of the series that were applied.
    pub(crate) patches: usize,
    /// Key of the build, a digest of all that can change it.
    pub(crate) key: String,
    /// `uname -r` of the guest.
    pub(crate) release: String,
}

/// One case in one mode.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    /// `suite/case`.
    pub(crate) name: String,
    /// `interp`, `jit`, `jit-hardened` or, for `kernel/test_bpf` alone, `jit-hardened-unpriv`.
    pub(crate) mode: &'static str,
    /// What came of it.
    pub(crate) verdict: Verdict,
    /// One line for each thing that is wrong, or the reason why it could not be judged.
    pub(crate) problems: Vec<String>,
    /// What is worth telling though nothing is wrong, one line each.
    pub(crate) notes: Vec<String>,
    /// Verifier log of a step that failed without being expected to, else empty.
    pub(crate) log: String,
    /// How the guest ended, if it did not survive the case.
    pub(crate) guest: Option<FailureKind>,
    /// Milliseconds from sending the batch to its answer.
    pub(crate) millis: u64,
}

impl Record {
    /// A record of which nothing is known yet; it holds until something is found.
    pub(crate) fn new(name: &str, mode: Mode) -> Self {
        Self {
            name: name.to_owned(),
            mode: mode.name(),
            verdict: Verdict::Held,
            problems: Vec::new(),
            notes: Vec::new(),
            log: String::new(),
            guest: None,
            millis: 0,
        }
    }
}

/// What came of a case in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Author, model and kernel agree.
    Held,
    /// They do not, or the guest did not survive it.
    Failed,
    /// The kernel lacks what the case needs.
    Unsupported,
    /// The harness broke while the case ran; nothing is known about it.
    Broken,
}

/// How many records have each verdict.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// [`Verdict::Held`].
    pub(crate) held: usize,
    /// [`Verdict::Failed`].
    pub(crate) failed: usize,
    /// [`Verdict::Unsupported`].
    pub(crate) unsupported: usize,
    /// [`Verdict::Broken`].
    pub(crate) broken: usize,
}

impl Counts {
    /// Counts records.
    pub(crate) fn of(records: &[Record]) -> Self {
        let count = |verdict| records.iter().filter(|record| record.verdict == verdict).count();
        Self {
            held: count(Verdict::Held),
            failed: count(Verdict::Failed),
            unsupported: count(Verdict::Unsupported),
            broken: count(Verdict::Broken),
        }
    }
}
