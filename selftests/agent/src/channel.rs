//! The port as a channel of messages: a receiver, and a sender shared with the heartbeat.

use std::fs::File;
use std::io::{Read, Write};
use std::mem::forget;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bpf_wire::{Decoder, HEARTBEAT_MS, Request, Response, encode};

/// Bytes to read at once; the port returns at most a page per call anyway.
const READ_SIZE: usize = 16 << 10;

/// Stack size of the heartbeat thread. It encodes a record of 17 bytes.
const HEARTBEAT_STACK: usize = 64 << 10;

/// Sends records; clones share the stream.
#[derive(Clone)]
pub(crate) struct Sender(Arc<Mutex<Outgoing>>);

struct Outgoing {
    port: File,
    next_seq: u32,
}

impl Outgoing {
    fn send(&mut self, response: &Response) -> Result<(), String> {
        let record = match encode(self.next_seq, response) {
            Ok(record) => record,
            Err(e) => encode(self.next_seq, &Response::Trouble(e.to_string()))
                .map_err(|e| e.to_string())?,
        };
        self.next_seq = self.next_seq.wrapping_add(1);
        self.write(&record)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.port.write_all(bytes).map_err(|e| format!("failed to write to the port: {e}"))
    }
}

impl Sender {
    /// A sender whose first record has sequence number 0.
    pub(crate) fn new(port: File) -> Self {
        Self(Arc::new(Mutex::new(Outgoing { port, next_seq: 0 })))
    }

    /// Sends one message; if it is too long for a record, sends [`Response::Trouble`] instead.
    pub(crate) fn send(&self, response: &Response) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send(response)
    }

    /// Sends raw bytes, and nothing afterwards: no response and no heartbeat.
    pub(crate) fn send_last_bytes(&self, bytes: &[u8]) -> Result<(), String> {
        let mut outgoing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = outgoing.write(bytes);
        forget(outgoing);
        written
    }

    /// Sends the first half of a record, and nothing afterwards.
    pub(crate) fn send_half(&self, response: &Response) -> Result<(), String> {
        let seq = self.0.lock().unwrap_or_else(PoisonError::into_inner).next_seq;
        let record = encode(seq, response).map_err(|e| e.to_string())?;
        self.send_last_bytes(&record[..record.len() / 2])
    }

    /// Starts the heartbeat.
    ///
    /// It is a thread because a timer signal would interrupt what it monitors: a pending signal
    /// makes `bpf(2)` fail (`EAGAIN` from the verifier, `EINTR` from a test run). A kernel that
    /// spins without scheduling also stops the thread, which is what the host has to detect.
    pub(crate) fn start_heartbeat(&self) -> Result<(), String> {
        let sender = self.clone();
        let beat = move || {
            loop {
                thread::sleep(Duration::from_millis(HEARTBEAT_MS));
                // If sending fails, the other thread's read fails too.
                if sender.send(&Response::Heartbeat).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new()
            .stack_size(HEARTBEAT_STACK)
            .spawn(beat)
            .map(drop)
            .map_err(|e| format!("failed to start the heartbeat's thread: {e}"))
    }
}

/// Receives requests.
pub(crate) struct Receiver {
    port: File,
    decoder: Decoder<Request>,
    chunk: Vec<u8>,
}

impl Receiver {
    /// A receiver at the start of the stream.
    pub(crate) fn new(port: File) -> Self {
        Self { port, decoder: Decoder::new(), chunk: vec![0; READ_SIZE] }
    }

    /// Waits for the next request; `None` once the host has closed its end.
    ///
    /// An error is final: the stream is corrupt.
    pub(crate) fn receive(&mut self) -> Result<Option<Request>, String> {
        loop {
            if let Some(record) = self.decoder.pop().map_err(|e| e.to_string())? {
                return Ok(Some(record.body));
            }
            let read = self
                .port
                .read(&mut self.chunk)
                .map_err(|e| format!("failed to read from the port: {e}"))?;
            if read == 0 {
                return Ok(None);
            }
            self.decoder.push(&self.chunk[..read]);
        }
    }
}
