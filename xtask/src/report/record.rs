//! The facts of a session, in the shape in which `--json` writes them.

use std::sync::Arc;

use bpf_wire::Mode;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::facts::{GuestFacts, HostFacts, KernelFacts, Times};
use super::subject::Subject;
use super::trace::Trace;
use crate::exit::Status;
use crate::vm::FailureKind;

/// Version of the JSON report's shape; bumped when a field changes its meaning, comes
/// or goes. The shape itself is `report.schema.json` beside this file, made of these types.
pub(crate) const SCHEMA: u32 = 3;

/// Everything that a session found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// The kernel under test.
    pub(crate) kernel: KernelFacts,
    /// Where and with what it was run.
    pub(crate) host: HostFacts,
    /// What the session took.
    pub(crate) times: Times,
    /// The guests that were started, job by job, in the order of their starts.
    pub(crate) guests: Vec<GuestFacts>,
    /// The cases in the order in which they ran, one record for each mode.
    pub(crate) cases: Vec<Record>,
    /// Programs that the kernel rejects and that the model runs cleanly, by case.
    pub(crate) too_strict: Vec<TooStrictCase>,
    /// Ways of the model through programs that did not do what was expected, by case; each once,
    /// though several modes may have failed by it.
    pub(crate) traces: Vec<Arc<Trace>>,
    /// The cases that failed in some mode: what they are.
    pub(crate) subjects: Vec<Subject>,
    /// How the records divide.
    pub(crate) counts: Counts,
}

/// One case in one mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Record {
    /// `suite/case`.
    pub(crate) name: String,
    /// `interp`, `jit`, `jit-hardened` or, for `kernel/test_bpf` alone, `jit-hardened-unpriv`.
    #[serde(deserialize_with = "mode")]
    pub(crate) mode: ModeName,
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
    /// What the console showed while a case ran that did not hold, its last 200 lines at most.
    pub(crate) console: Vec<String>,
    /// How the guest ended, if it did not survive the case.
    pub(crate) guest: Option<FailureKind>,
    /// Milliseconds from when it was sent, or the one before it was answered if that was later, to its
    /// answer.
    pub(crate) millis: u64,
    /// The program of it that the kernel rejects and the model runs cleanly, if there is one. In
    /// [`Report::too_strict`].
    #[serde(skip)]
    pub(crate) too_strict: Option<TooStrict>,
    /// The model's way through what failed. In [`Report::traces`].
    #[serde(skip)]
    pub(crate) trace: Option<Arc<Trace>>,
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
            console: Vec::new(),
            guest: None,
            millis: 0,
            too_strict: None,
            trace: None,
        }
    }
}

/// The name of a mode. An alias, as serde would otherwise borrow from what is read.
pub(crate) type ModeName = &'static str;

fn known<E: de::Error>(name: &str) -> Result<ModeName, E> {
    Mode::ALL
        .iter()
        .chain([&Mode::JitHardenedUnpriv])
        .map(|mode| mode.name())
        .find(|known| *known == name)
        .ok_or_else(|| E::custom(format!("no mode is called {name:?}")))
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ModeName, D::Error> {
    known(&String::deserialize(deserializer)?)
}

fn modes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ModeName>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.iter().map(|name| known(name)).collect()
}

/// What came of a case in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TooStrictCase {
    /// `suite/case`.
    pub(crate) name: String,
    /// The modes in which the kernel rejects it.
    #[serde(deserialize_with = "modes")]
    pub(crate) modes: Vec<ModeName>,
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
pub(crate) fn traces(records: &[Record]) -> Vec<Arc<Trace>> {
    let mut traces: Vec<Arc<Trace>> = Vec::new();
    for trace in records.iter().filter_map(|record| record.trace.as_ref()) {
        if !traces.contains(trace) {
            traces.push(Arc::clone(trace));
        }
    }
    traces
}

/// How many records have each verdict.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

    /// Exit status of a session: a failed case outweighs a harness that broke, as it is the finding.
    pub(crate) fn status(self) -> Status {
        match (self.failed, self.broken) {
            (0, 0) => Status::Held,
            (0, _) => Status::Harness,
            _ => Status::CaseFailed,
        }
    }
}
