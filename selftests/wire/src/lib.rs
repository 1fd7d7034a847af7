//! The messages between the host and the guest's agent, and their framing.

mod frame;
mod message;
mod mode;

pub use frame::{
    DecodeError, Decoder, EncodeError, HEADER_LEN, MAGIC, MAX_PAYLOAD, Record, encode,
};
pub use message::*;
pub use mode::{Mode, Row};
