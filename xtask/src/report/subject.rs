//! A case that failed: what it is, so that a report can be read without the source beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A case: its program and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Subject {
    /// `suite/case`.
    pub(crate) name: String,
    /// One line: what it shows.
    pub(crate) about: String,
    /// Its programs in the notation of the verifier's log; the name of the source file where a
    /// program in Rust does not compile.
    pub(crate) program: String,
    /// The runs that it states, none where the kernel has to reject it.
    pub(crate) runs: Vec<StatedRun>,
    /// How the kernel has to reject it; none where it has to accept it.
    pub(crate) rejection: Option<String>,
}

/// One run that a case states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StatedRun {
    /// The context, in hexadecimal.
    pub(crate) context: String,
    /// The packet, in hexadecimal.
    pub(crate) packet: String,
    /// What the program has to return, in hexadecimal.
    pub(crate) returns: String,
}
