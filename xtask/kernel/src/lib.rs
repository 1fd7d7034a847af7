//! The kernel: where its source comes from, the series on top, configuration, build and cache.

pub mod bases;
pub mod boot;
pub mod build;
pub mod cache;
pub mod config;
pub mod git;
pub mod key;
pub mod linux;
pub mod make;
pub mod patch;
pub mod selftests;
pub mod series;
pub mod source;
#[doc(hidden)]
pub mod testing;
pub mod toolchain;
pub mod tree;
