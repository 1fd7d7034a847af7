//! Running cases: lower them to steps, execute them in the guest and by the model, judge.

pub mod checks;
pub mod consoles;
pub mod explore;
pub mod guest;
pub mod helpers;
pub mod inputs;
pub mod jit_image;
pub mod judge;
pub mod lower;
pub mod model;
pub mod object;
pub mod partition;
pub mod probe;
pub mod recorded;
pub mod resources;
pub mod select;
pub mod session;
pub mod soundness;
pub mod subject;
pub mod test_bpf;
pub mod traces;
pub mod verifier;
pub mod xlated;
