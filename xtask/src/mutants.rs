//! Mutants: deliberate faults on top of the series. Each must turn at least one case red; one that
//! does not shows what no case looks at.

pub(crate) mod campaign;
pub(crate) mod mutant;
pub(crate) mod refresh;
pub(crate) mod report;
