//! Framing of messages on a byte stream, the virtio-serial port.
//!
//! A record is a header of [`HEADER_LEN`] bytes, little-endian, and a payload in postcard's format:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | [`MAGIC`] |
//! | 4..8 | length of the payload, at most [`MAX_PAYLOAD`] |
//! | 8..12 | sequence number, from 0 in each direction, no gaps |
//! | 12..16 | CRC-32 (IEEE) of bytes 4..12 and of the payload |
//!
//! The stream is never resynchronised: virtio-serial neither loses nor alters bytes, so any error
//! means that the peer is broken, and the machine has to be stopped.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// First four bytes of a record: `BPFi` on the wire.
pub const MAGIC: u32 = u32::from_le_bytes(*b"BPFi");

/// Size of the header, in bytes.
pub const HEADER_LEN: usize = 16;

/// Longest payload in bytes (64 MiB): far above the size of a batch, far below the guest's memory.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// One received message with its sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<T> {
    /// Sequence number, from 0.
    pub seq: u32,
    /// The message.
    pub body: T,
}

/// Why a message could not be encoded.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// Serialisation failed.
    #[error("failed to encode record {seq}: {source}")]
    Payload {
        /// The record's sequence number.
        seq: u32,
        /// postcard's error.
        source: postcard::Error,
    },
    /// The payload is longer than [`MAX_PAYLOAD`].
    #[error(
        "failed to encode record {seq}: payload of {len} bytes is longer than {MAX_PAYLOAD}; split it"
    )]
    TooLong {
        /// The record's sequence number.
        seq: u32,
        /// Size of the payload, in bytes.
        len: usize,
    },
}

/// Why decoding stopped.
///
/// `offset` is the start of the offending record, in bytes from the start of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// No record starts here.
    #[error("no record at stream offset {offset}: magic {found:#010x}, expected {MAGIC:#010x}")]
    BadMagic {
        /// Start of the record.
        offset: u64,
        /// The bytes found, little-endian; missing bytes are 0.
        found: u32,
    },
    /// The length in the header exceeds [`MAX_PAYLOAD`].
    #[error(
        "record at stream offset {offset} announces {len} bytes of payload, more than {MAX_PAYLOAD}"
    )]
    TooLong {
        /// Start of the record.
        offset: u64,
        /// Length in the header.
        len: u32,
    },
    /// Header or payload is corrupt.
    #[error(
        "record at stream offset {offset} has CRC {found:#010x}, its header says {expected:#010x}"
    )]
    BadCrc {
        /// Start of the record.
        offset: u64,
        /// CRC in the header.
        expected: u32,
        /// CRC of the received bytes.
        found: u32,
    },
    /// A record is missing or duplicated.
    #[error("record at stream offset {offset} has sequence number {found}, expected {expected}")]
    OutOfOrder {
        /// Start of the record.
        offset: u64,
        /// Expected number.
        expected: u32,
        /// Received number.
        found: u32,
    },
    /// The payload is intact but not a valid message; the peers disagree on the protocol.
    #[error(
        "record at stream offset {offset} holds no known message ({reason}); \
         host and agent were built from different sources"
    )]
    BadPayload {
        /// Start of the record.
        offset: u64,
        /// The deserializer's error.
        reason: String,
    },
}

/// Encodes a message as one record.
///
/// # Errors
///
/// [`EncodeError`] if the message cannot be serialised or is longer than [`MAX_PAYLOAD`].
pub fn encode<T: Serialize>(seq: u32, body: &T) -> Result<Vec<u8>, EncodeError> {
    let mut record = postcard::to_extend(body, vec![0; HEADER_LEN])
        .map_err(|source| EncodeError::Payload { seq, source })?;
    let len = record.len() - HEADER_LEN;
    let announced = u32::try_from(len)
        .ok()
        .filter(|_| len <= MAX_PAYLOAD)
        .ok_or(EncodeError::TooLong { seq, len })?;
    let (header, payload) = record.split_at_mut(HEADER_LEN);
    header[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    header[4..8].copy_from_slice(&announced.to_le_bytes());
    header[8..12].copy_from_slice(&seq.to_le_bytes());
    let crc = checksum(&header[4..12], payload);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    Ok(record)
}

/// Decodes messages from chunks of a byte stream. Does no I/O.
///
/// The first error is final: [`Decoder::pop`] returns it from then on.
#[derive(Debug)]
pub struct Decoder<T> {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that were already popped.
    consumed: usize,
    /// Stream offset of `buffer[consumed]`.
    offset: u64,
    next_seq: u32,
    failed: Option<DecodeError>,
    body: PhantomData<fn() -> T>,
}

impl<T> Default for Decoder<T> {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            consumed: 0,
            offset: 0,
            next_seq: 0,
            failed: None,
            body: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Decoder<T> {
    /// A decoder at the start of a stream, where sequence numbers start at 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds received bytes, split anywhere. After an error they are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        // Moving the rest only once half of the buffer is stale keeps this linear overall.
        if self.consumed > self.buffer.len() / 2 {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next record, or `None` if it is incomplete.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the stream is corrupt. A bad magic is detected at its first wrong byte,
    /// without waiting for a whole header.
    pub fn pop(&mut self) -> Result<Option<Record<T>>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let popped = self.parse();
        if let Err(error) = &popped {
            self.failed = Some(error.clone());
            self.buffer = Vec::new();
            self.consumed = 0;
        }
        popped
    }

    /// Stream offset of the first byte that was not popped.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Buffered bytes of an incomplete record.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.consumed
    }

    fn parse(&mut self) -> Result<Option<Record<T>>, DecodeError> {
        let offset = self.offset;
        let waiting = &self.buffer[self.consumed..];
        let started = &waiting[..waiting.len().min(4)];
        if !MAGIC.to_le_bytes().starts_with(started) {
            let mut found = [0; 4];
            found[..started.len()].copy_from_slice(started);
            let found = u32::from_le_bytes(found);
            return Err(DecodeError::BadMagic { offset, found });
        }
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let [_, len, seq, expected] = words(header);
        if len as usize > MAX_PAYLOAD {
            return Err(DecodeError::TooLong { offset, len });
        }
        let Some(payload) = rest.get(..len as usize) else {
            return Ok(None);
        };
        let found = checksum(&header[4..12], payload);
        if found != expected {
            return Err(DecodeError::BadCrc { offset, expected, found });
        }
        if seq != self.next_seq {
            return Err(DecodeError::OutOfOrder { offset, expected: self.next_seq, found: seq });
        }
        let bad = |reason: String| DecodeError::BadPayload { offset, reason };
        let (body, left) = postcard::take_from_bytes(payload).map_err(|e| bad(e.to_string()))?;
        if !left.is_empty() {
            return Err(bad(format!("{} bytes are left over", left.len())));
        }
        let size = HEADER_LEN + payload.len();
        self.consumed += size;
        self.offset += size as u64;
        self.next_seq = self.next_seq.wrapping_add(1);
        Ok(Some(Record { seq, body }))
    }
}

fn words(header: &[u8; HEADER_LEN]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(header.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// CRC over length, sequence number and payload: any flipped bit in a record is detected.
fn checksum(length_and_seq: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length_and_seq);
    hasher.update(payload);
    hasher.finalize()
}
