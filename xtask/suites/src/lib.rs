//! What implements [`harness_session::Test`]: cases, objects, the kernel's own suites; how each is lowered
//! to steps and judged.

pub mod cases;
pub mod checks;
pub mod contain;
pub mod explore;
pub mod generated;
pub mod inputs;
pub mod jit_image;
pub mod job;
pub mod judge;
pub mod lower;
pub mod memory;
pub mod model;
pub mod object;
pub mod partition;
pub mod probe;
pub mod problem;
pub mod recorded;
pub mod select;
pub mod soundness;
pub mod subject;
pub mod test_bpf;
pub mod traces;
pub mod verifier;
pub mod xlated;
