//! Errors of the assembler.

use thiserror::Error;

/// Why a source cannot be assembled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot assemble line {line}, `{text}`: {reason}; accepted: {accepted}")]
pub struct AsmError {
    /// Line, counted from 1.
    pub line: usize,
    /// The line as it stands in the source, without space at the ends.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
    /// What would be accepted in this place.
    pub accepted: String,
}

/// An error before the line is known.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    reason: String,
    accepted: String,
}

impl Problem {
    pub(super) fn new(reason: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self { reason: reason.into(), accepted: accepted.into() }
    }

    /// Places the problem; `number` counts from 0.
    pub(super) fn at(self, number: usize, text: &str) -> AsmError {
        AsmError {
            line: number + 1,
            text: text.trim().to_owned(),
            reason: self.reason,
            accepted: self.accepted,
        }
    }
}
