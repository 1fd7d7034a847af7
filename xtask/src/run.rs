//! Running cases: lower them to steps, execute them in the guest and by the model, judge.

mod checks;
pub(crate) mod guest;
pub(crate) mod judge;
pub(crate) mod lower;
pub(crate) mod model;
pub(crate) mod probe;
pub(crate) mod select;
pub(crate) mod session;
