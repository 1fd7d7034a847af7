//! The facts of a session, in the shape in which `--json` writes them.

use std::rc::Rc;

use bpf_wire::Mode;
use serde::Serialize;

use super::trace::Trace;
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
    /// Programs that the kernel rejects and that the model runs cleanly, by case.
    pub(crate) too_strict: Vec<TooStrictCase>,
    /// Ways of the model through programs that did not do what was expected, by case; each once,
    /// though several modes may have failed by it.
    pub(crate) traces: Vec<Rc<Trace>>,
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
    /// The gravest thing that is wrong with a case that failed; none for the others.
    pub(crate) failure: Option<FailureClass>,
    /// One line for each thing that is wrong, or the reason why it could not be judged.
    pub(crate) problems: Vec<String>,
    /// The first byte that is another one, of each piece of memory and each map that differs.
    pub(crate) differences: Vec<Difference>,
    /// What is worth telling though nothing is wrong, one line each.
    pub(crate) notes: Vec<String>,
    /// Verifier log of a step that failed without being expected to, else empty.
    pub(crate) log: String,
    /// How the guest ended, if it did not survive the case.
    pub(crate) guest: Option<FailureKind>,
    /// Milliseconds from sending the batch to its answer.
    pub(crate) millis: u64,
    /// The program of it that the kernel rejects and the model runs cleanly, if there is one. In
    /// [`Report::too_strict`].
    #[serde(skip)]
    pub(crate) too_strict: Option<TooStrict>,
    /// The model's way through what failed. In [`Report::traces`].
    #[serde(skip)]
    pub(crate) trace: Option<Rc<Trace>>,
}

impl Record {
    /// A record of which nothing is known yet; it holds until something is found.
    pub(crate) fn new(name: &str, mode: Mode) -> Self {
        Self {
            name: name.to_owned(),
            mode: mode.name(),
            verdict: Verdict::Held,
            failure: None,
            problems: Vec::new(),
            differences: Vec::new(),
            notes: Vec::new(),
            log: String::new(),
            guest: None,
            millis: 0,
            too_strict: None,
            trace: None,
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

/// What a failure is about, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureClass {
    /// The kernel accepted a program that the model traps on.
    Unsound,
    /// The guest did not survive the case, or its console shows a splat.
    Guest,
    /// The kernel accepted or rejected a program or map otherwise than stated, or for another reason.
    Verifier,
    /// A result is another one: the return value, the context, the packet, a map.
    Result,
    /// The case ran in another mode than asked for.
    Mode,
    /// Machine code or translated instructions are not what they should be.
    Code,
    /// The kernel is declared to have what the case needs, and lacks it.
    Unsupported,
}

/// Where two runs differ first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// Number of the run; none for a map, which is looked at behind the last one.
    pub(crate) run: Option<usize>,
    /// What was compared.
    pub(crate) place: Place,
    /// Name of the map.
    pub(crate) map: Option<String>,
    /// Number of its element, in the order of their keys: the index, for an array.
    pub(crate) element: Option<usize>,
    /// The element's key, in hexadecimal.
    pub(crate) key: Option<String>,
    /// Offset of the first byte that differs.
    pub(crate) offset: usize,
    /// That byte in the kernel; none where what the kernel gave ends.
    pub(crate) kernel: Option<u8>,
    /// What was expected; none where that ends.
    pub(crate) expected: Option<u8>,
    /// Who expected it.
    pub(crate) by: By,
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// The context behind a run.
    Context,
    /// The packet behind a run.
    Packet,
    /// A map behind the last run.
    Map,
}

impl Place {
    /// The place in words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Packet => "packet",
            Self::Map => "map",
        }
    }
}

/// Who expects a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    /// The case's author.
    Case,
    /// The model.
    Model,
}

impl By {
    /// The start of what is expected, in words.
    pub(crate) fn said(self) -> &'static str {
        match self {
            Self::Case => "the case states",
            Self::Model => "the model computes",
        }
    }
}

/// A program that the kernel rejects and that the model runs cleanly on every input that the harness
/// makes up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TooStrict {
    /// Index of the program.
    pub(crate) program: usize,
    /// What the load fails with, such as `EINVAL (22)`.
    pub(crate) errno: String,
    /// The line of the verifier's log that says why; empty if none does.
    pub(crate) said: String,
    /// Runs that were made in the model.
    pub(crate) runs: usize,
}

/// A case with such a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TooStrictCase {
    /// `suite/case`.
    pub(crate) name: String,
    /// The modes in which the kernel rejects it.
    pub(crate) modes: Vec<&'static str>,
    /// What it rejects, in the first of them.
    #[serde(flatten)]
    pub(crate) rejected: TooStrict,
}

impl TooStrictCase {
    /// Those of some records, in their order.
    pub(crate) fn of(records: &[Record]) -> Vec<Self> {
        let mut cases: Vec<Self> = Vec::new();
        for record in records {
            let Some(rejected) = &record.too_strict else { continue };
            match cases.iter_mut().find(|case| case.name == record.name) {
                Some(case) => case.modes.push(record.mode),
                None => cases.push(Self {
                    name: record.name.clone(),
                    modes: vec![record.mode],
                    rejected: rejected.clone(),
                }),
            }
        }
        cases
    }
}

/// The traces of some records, each once.
pub(crate) fn traces(records: &[Record]) -> Vec<Rc<Trace>> {
    let mut traces: Vec<Rc<Trace>> = Vec::new();
    for trace in records.iter().filter_map(|record| record.trace.as_ref()) {
        if !traces.contains(trace) {
            traces.push(Rc::clone(trace));
        }
    }
    traces
}

/// How many records have each verdict.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// [`Verdict::Held`].
    pub(crate) held: usize,
    /// [`Verdict::Failed`].
    pub(crate) failed: usize,
    /// Those of them that are [`FailureClass::Unsound`].
    pub(crate) unsound: usize,
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
            unsound: records
                .iter()
                .filter(|record| record.failure == Some(FailureClass::Unsound))
                .count(),
            unsupported: count(Verdict::Unsupported),
            broken: count(Verdict::Broken),
        }
    }
}
