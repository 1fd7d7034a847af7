//! The kernel: where its source comes from, the series on top, configuration, build and cache.

pub(crate) mod bases;
pub(crate) mod series;
pub(crate) mod source;
