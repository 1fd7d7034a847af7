//! The facts of a session, in the shape in which `--json` writes them.

use std::sync::Arc;

use bpf_wire::Mode;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::facts::{GuestFacts, HostFacts, KernelFacts, Times};
use super::failure::FailureKind;
use super::subject::Subject;
use super::trace::Trace;
use harness_host::exit::Status;

/// Version of the JSON report's shape; bumped when a field changes its meaning, comes
/// or goes. The shape itself is `report.schema.json` beside this file, made of these types.
pub const SCHEMA: u32 = 5;

/// The JSON Schema of the report. A test keeps it that of the types.
pub const JSON_SCHEMA: &str = include_str!("report.schema.json");

/// Everything that a session found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The kernel under test.
    pub kernel: KernelFacts,
    /// Where and with what it was run.
    pub host: HostFacts,
    /// What the session took.
    pub times: Times,
    /// The guests that were started, job by job, in the order of their starts.
    pub guests: Vec<GuestFacts>,
    /// Why the session stopped before its end; none where it did not. What is here was found until then.
    pub stopped: Option<String>,
    /// The cases in the order in which they ran, one record for each mode.
    pub cases: Vec<Record>,
    /// Programs that the kernel rejects and that the model runs cleanly, by case.
    pub too_strict: Vec<TooStrictCase>,
    /// Ways of the model through programs that did not do what was expected, by case; each once,
    /// though several modes may have failed by it.
    pub traces: Vec<Arc<Trace>>,
    /// The cases that failed in some mode: what they are.
    pub subjects: Vec<Subject>,
    /// How the records divide.
    pub counts: Counts,
}

/// One case in one mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Record {
    /// `suite/case`.
    pub name: String,
    /// `interp`, `jit`, `jit-hardened` or, for `kernel/test_bpf` alone, `jit-hardened-unpriv`.
    #[serde(deserialize_with = "mode")]
    pub mode: ModeName,
    /// The outcome.
    pub verdict: Verdict,
    /// Most severe failure class; `None` unless the case failed.
    pub failure: Option<FailureClass>,
    /// One line for each thing that is wrong, or the reason why it could not be judged.
    pub problems: Vec<String>,
    /// The first byte that is another one, of each piece of memory and each map that differs.
    pub differences: Vec<Difference>,
    /// What is worth telling though nothing is wrong, one line each.
    pub notes: Vec<String>,
    /// Verifier log of a step that failed without being expected to, else empty.
    pub log: String,
    /// What the console showed while a failed case ran, its last 200 lines at most.
    pub console: Vec<String>,
    /// How the guest ended, if it did not survive the case.
    pub guest: Option<FailureKind>,
    /// Milliseconds from when it was sent, or the one before it was answered if that was later, to its
    /// answer.
    pub millis: u64,
    /// The program of it that the kernel rejects and the model runs cleanly, if there is one. In
    /// [`Report::too_strict`].
    #[serde(skip)]
    pub too_strict: Option<TooStrict>,
    /// The model's way through what failed. In [`Report::traces`].
    #[serde(skip)]
    pub trace: Option<Arc<Trace>>,
}

impl Record {
    /// Whether it is to be looked at: a failure of the case or of the harness.
    pub fn is_bad(&self) -> bool {
        matches!(self.verdict, Verdict::Failed | Verdict::Error)
    }

    /// A record of which nothing is known yet; it passes until something is found.
    pub fn new(name: &str, mode: Mode) -> Self {
        Self {
            name: name.to_owned(),
            mode: mode.name(),
            verdict: Verdict::Passed,
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
pub type ModeName = &'static str;

fn known<E: de::Error>(name: &str) -> Result<ModeName, E> {
    Mode::named(name)
        .map(Mode::name)
        .ok_or_else(|| E::custom(format!("no mode is called {name:?}")))
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ModeName, D::Error> {
    known(&String::deserialize(deserializer)?)
}

fn modes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ModeName>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.iter().map(|name| known(name)).collect()
}

/// The outcome of a case in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Author, model and kernel agree.
    Passed,
    /// They do not, or the guest did not survive it.
    Failed,
    /// The kernel lacks what the case needs.
    Skipped,
    /// The harness failed while the case ran; nothing is known about it.
    Error,
}

/// What a failure is about, the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
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
pub struct Difference {
    /// Number of the run; none for a map, which is looked at after the last one.
    pub run: Option<usize>,
    /// What was compared.
    pub place: Place,
    /// Name of the map.
    pub map: Option<String>,
    /// Number of its element, in the order of their keys: the index, for an array.
    pub element: Option<usize>,
    /// The element's key, in hexadecimal.
    pub key: Option<String>,
    /// Offset of the first byte that differs.
    pub offset: usize,
    /// That byte in the kernel; none where what the kernel gave ends.
    pub kernel: Option<u8>,
    /// What was expected; none where that ends.
    pub expected: Option<u8>,
    /// Who expected it.
    pub by: By,
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The context after a run.
    Context,
    /// The packet after a run.
    Packet,
    /// A map after the last run.
    Map,
}

impl Place {
    /// The place in words.
    pub fn name(self) -> &'static str {
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
pub enum By {
    /// The case's author.
    Case,
    /// The model.
    Model,
}

impl By {
    /// The start of what is expected, in words.
    pub fn said(self) -> &'static str {
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
pub struct TooStrict {
    /// Index of the program.
    pub program: usize,
    /// What the load fails with, such as `EINVAL (22)`.
    pub errno: String,
    /// The line of the verifier's log that says why; empty if none does.
    pub said: String,
    /// Runs that were made in the model.
    pub runs: usize,
}

/// A case with such a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TooStrictCase {
    /// `suite/case`.
    pub name: String,
    /// The modes in which the kernel rejects it.
    #[serde(deserialize_with = "modes")]
    pub modes: Vec<ModeName>,
    /// What it rejects, in the first of them.
    #[serde(flatten)]
    pub rejected: TooStrict,
}

impl TooStrictCase {
    /// Those of some records, in their order.
    pub fn of(records: &[Record]) -> Vec<Self> {
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
pub fn traces(records: &[Record]) -> Vec<Arc<Trace>> {
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
pub struct Counts {
    /// [`Verdict::Passed`].
    pub passed: usize,
    /// [`Verdict::Failed`].
    pub failed: usize,
    /// Those of them that are [`FailureClass::Unsound`].
    pub unsound: usize,
    /// [`Verdict::Skipped`].
    pub skipped: usize,
    /// [`Verdict::Error`].
    pub error: usize,
}

impl Counts {
    /// Counts records.
    pub fn of(records: &[Record]) -> Self {
        let count = |verdict| records.iter().filter(|record| record.verdict == verdict).count();
        Self {
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
            unsound: records
                .iter()
                .filter(|record| record.failure == Some(FailureClass::Unsound))
                .count(),
            skipped: count(Verdict::Skipped),
            error: count(Verdict::Error),
        }
    }

    /// Exit status of a session: a failed case outweighs a failure of the harness, as it is the finding.
    pub fn status(self) -> Status {
        match (self.failed, self.error) {
            (0, 0) => Status::Passed,
            (0, _) => Status::Harness,
            _ => Status::CaseFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_repository_is_that_of_the_types() {
        let mut schema = schemars::schema_for!(Report);
        schema.insert("title".to_owned(), "Report of bpf-indirect".into());
        let version = schema.pointer_mut("/properties/schema").unwrap();
        *version = serde_json::json!({ "const": SCHEMA, "description": "Version of this shape." });
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if text != JSON_SCHEMA {
            let made = harness_host::paths::repository().join("target/report.schema.json");
            std::fs::write(&made, text).unwrap();
            panic!("cp {} xtask/results/src/report.schema.json", made.display());
        }
    }
}
