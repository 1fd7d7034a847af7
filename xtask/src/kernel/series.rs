//! Which part of the patch series is applied.

use std::str::FromStr;

/// How much of a series to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Every patch.
    All,
    /// No patch: the base as it is.
    None,
    /// The first patches, this many.
    First(usize),
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            number => number
                .parse()
                .map(Self::First)
                .map_err(|_| "expected all, none, or a number of patches".to_owned()),
        }
    }
}
