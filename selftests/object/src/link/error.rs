//! Errors of the linker.

use std::fmt;

use thiserror::Error;

use crate::read::ReadError;

/// Why an object cannot be linked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It contains nothing to load.
    #[error(
        "cannot link the object: it has no program; put a function into a section such as `syscall`"
    )]
    NoProgram,
    /// It contains something that a load plan cannot express.
    #[error("cannot link {location}: {reason}")]
    Bad {
        /// Where.
        location: Location,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// A place in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Name of the section.
    pub section: String,
    /// Name of the symbol; empty if there is none.
    pub symbol: String,
    /// Offset in bytes in the section.
    pub offset: u64,
}

impl Location {
    pub(super) fn new(section: &str, symbol: &str, offset: u64) -> Self {
        Self { section: section.to_owned(), symbol: symbol.to_owned(), offset }
    }

    pub(super) fn error(self, reason: impl Into<String>) -> LinkError {
        LinkError::Bad { location: self, reason: reason.into() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, symbol, offset } = self;
        match symbol.as_str() {
            "" => write!(f, "section `{section}` at offset {offset:#x}"),
            _ => write!(f, "section `{section}`, symbol `{symbol}` at offset {offset:#x}"),
        }
    }
}
