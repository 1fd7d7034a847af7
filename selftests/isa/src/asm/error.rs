//! Errors of the assembler.

use thiserror::Error;

/// Why a source cannot be assembled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot assemble line {line}, `{text}`: {reason}; accepted: {accepted}")]
pub struct AsmError {
    /// Line number, counted from 1.
    pub line: usize,
    /// The line, trimmed.
    pub text: String,
    /// What is wrong.
    pub reason: String,
    /// What would be accepted instead.
    pub accepted: String,
}

/// An error without its line.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    reason: String,
    accepted: String,
}

impl Problem {
    pub(super) fn new(reason: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self { reason: reason.into(), accepted: accepted.into() }
    }

    /// Adds the line; `number` counts from 0.
    pub(super) fn at(self, number: usize, text: &str) -> AsmError {
        AsmError {
            line: number + 1,
            text: text.trim().to_owned(),
            reason: self.reason,
            accepted: self.accepted,
        }
    }
}
