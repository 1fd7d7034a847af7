//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod bisect;
pub(crate) mod check;
pub(crate) mod debug;
pub(crate) mod doctor;
pub(crate) mod fuzz;
pub(crate) mod kernel;
pub(crate) mod mutate;
pub(crate) mod patches;
pub(crate) mod programs;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod test;
