//! Fuzzing the kernel: programs are generated, run in a guest and judged without anybody having stated
//! what they do; what is found is minimised and kept.
//!
//! [`programs`] is where programs come from, [`campaign`] runs them in rounds and judges what only two
//! programs show together, [`finds`] keeps what was found, [`tally`] counts.

pub mod campaign;
pub mod finds;
pub mod programs;
pub mod tally;
