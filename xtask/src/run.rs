//! Running cases: lower them to steps, execute them in the guest and by the model, judge.

mod checks;
pub(crate) mod consoles;
mod explore;
pub(crate) mod guest;
pub(crate) mod helpers;
pub(crate) mod inputs;
pub(crate) mod jit_image;
pub(crate) mod judge;
pub(crate) mod lower;
pub(crate) mod model;
pub(crate) mod object;
pub(crate) mod partition;
pub(crate) mod probe;
mod resources;
pub(crate) mod select;
pub(crate) mod session;
mod soundness;
pub(crate) mod subject;
pub(crate) mod test_bpf;
mod traces;
mod xlated;
