//! A case that failed: what it is, so that a report can be read without the source beside it.

use serde::{Deserialize, Serialize};

/// A case: its program and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Subject {
    /// `suite/case`.
    pub name: String,
    /// One line: what it shows.
    pub about: String,
    /// Its programs in the notation of the verifier's log; the name of the source file where a
    /// program in Rust does not compile.
    pub program: String,
    /// The runs that it states, none where the kernel has to reject it.
    pub runs: Vec<StatedRun>,
    /// How the kernel has to reject it; none where it has to accept it.
    pub rejection: Option<String>,
}

/// One run that a case states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatedRun {
    /// The context, in hexadecimal.
    pub context: String,
    /// The packet, in hexadecimal.
    pub packet: String,
    /// What the program has to return, in hexadecimal.
    pub returns: String,
}
