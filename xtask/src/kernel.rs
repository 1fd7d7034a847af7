//! The kernel: where its source comes from, the series on top, configuration, build and cache.

pub(crate) mod bases;
pub(crate) mod boot;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod config;
pub(crate) mod git;
pub(crate) mod key;
pub(crate) mod linux;
pub(crate) mod make;
pub(crate) mod patch;
pub(crate) mod selftests;
pub(crate) mod series;
pub(crate) mod source;
#[cfg(test)]
pub(crate) mod testing;
mod toolchain;
pub(crate) mod tree;
