//! Reports: what a session found, for people and for machines.

pub(crate) mod json;
pub(crate) mod record;
pub(crate) mod terminal;
