//! Reports: what a session found, for people and for machines.

pub mod files;
pub mod html;
pub mod json;
pub mod junit;
pub mod ktap;
pub mod kunit;
pub mod live;
pub mod markdown;
pub mod merge;
pub mod object;
pub mod repeat;
pub mod steps;
pub mod terminal;
#[cfg(test)]
pub mod testing;
