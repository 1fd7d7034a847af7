//! What a session found: records and facts, in the shape in which reports hold them.

pub mod event;
pub mod facts;
pub mod failure;
pub mod notation;
pub mod object;
pub mod record;
pub mod subject;
pub mod trace;
