//! Reports: what a session found, for people and for machines.

pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod html;
pub(crate) mod json;
mod junit;
mod ktap;
pub(crate) mod kunit;
pub(crate) mod markdown;
pub(crate) mod merge;
pub(crate) mod object;
pub(crate) mod record;
pub(crate) mod repeat;
pub(crate) mod subject;
pub(crate) mod terminal;
#[cfg(test)]
mod testing;
pub(crate) mod trace;
