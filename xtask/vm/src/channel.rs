//! The channel to the guest's agent: records over a socket, each wait with an end.
//!
//! Requests may be sent before those before them are answered: the agent takes them one after the
//! other, so that answers come in the order of the requests.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bpf_wire::{DecodeError, Decoder, Request, Response, encode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use thiserror::Error;

use crate::clock::Clock;
use harness_host::interrupt;

/// Bytes to read at once.
const READ_SIZE: usize = 64 << 10;

/// Longest time without a look at the interrupt flag.
const SLICE: Duration = Duration::from_millis(200);

/// Why the channel is of no more use.
#[derive(Debug, Error)]
pub(super) enum ChannelError {
    /// QEMU closed its end.
    #[error("the channel was closed")]
    Closed,
    /// Not a byte came for this long, which is all the patience there is.
    #[error("no heartbeat for {0:.1?}")]
    Silent(Duration),
    /// A record started and was not finished for this long.
    #[error(
        "the agent stopped in the middle of a record: {bytes} bytes came, no more for {wait:.1?}"
    )]
    Stopped {
        /// Bytes of the record that came.
        bytes: usize,
        /// How long it was waited for the rest.
        wait: Duration,
    },
    /// The agent is alive but did not answer in time.
    #[error("no answer within {0:.1?}, though the agent is alive")]
    Deadline(Duration),
    /// What came is not a record.
    #[error("the agent sent no valid record: {0}")]
    Invalid(#[from] DecodeError),
    /// A request cannot be sent at all.
    #[error("{0}")]
    Request(String),
    /// The socket failed.
    #[error("the channel's socket failed: {0}")]
    Io(#[from] io::Error),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Our end of the channel.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    decoder: Decoder<Response>,
    next_seq: u32,
    /// What the socket has not taken yet.
    out: VecDeque<u8>,
    /// Bytes that the socket took so far.
    written: u64,
    /// For each request that was not answered yet, `written` once it is out whole.
    unanswered: VecDeque<u64>,
    /// Nobody reads at the other end any more. What was said before may still be read.
    deaf: bool,
    /// Longest silence that is accepted while something is awaited.
    patience: Duration,
    /// QEMU, by whose time waits are measured.
    qemu: Option<u32>,
    chunk: Vec<u8>,
}

impl Channel {
    /// A channel at its start, where both sequences start at 0. Waits are measured by the time that the
    /// process `qemu` has, so that a busy host makes no guest silent.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made non-blocking.
    pub(super) fn new(
        stream: UnixStream,
        patience: Duration,
        qemu: Option<u32>,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            decoder: Decoder::new(),
            next_seq: 0,
            out: VecDeque::new(),
            written: 0,
            unanswered: VecDeque::new(),
            deaf: false,
            patience,
            qemu,
            chunk: vec![0; READ_SIZE],
        })
    }

    /// Changes the longest silence that is accepted while something is awaited.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends a request as far as the socket takes it at once; the rest goes while answers are
    /// awaited. That nobody reads it any more shows there, after what was said before.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]; the channel is of no more use then.
    pub(super) fn submit(&mut self, request: &Request) -> Result<(), ChannelError> {
        self.queue(request)?;
        self.unanswered.push_back(self.written + self.out.len() as u64);
        self.flush()
    }

    /// Waits for the answer to the oldest request without one.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]; the channel is of no more use then.
    pub(super) fn answer(&mut self, deadline: Duration) -> Result<Response, ChannelError> {
        let response = self.next(deadline)?;
        self.unanswered.pop_front();
        Ok(response)
    }

    /// Waits for a further record of an answer that comes in several.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]; the channel is of no more use then.
    pub(super) fn next(&mut self, deadline: Duration) -> Result<Response, ChannelError> {
        self.converse(true, deadline, self.patience)
            .and_then(|response| response.ok_or(ChannelError::Closed))
    }

    /// Sends a request that is not answered.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]; the channel is of no more use then.
    pub(super) fn send(
        &mut self,
        request: &Request,
        deadline: Duration,
    ) -> Result<(), ChannelError> {
        self.queue(request)?;
        self.converse(false, deadline, self.patience).map(drop)
    }

    /// Waits for the first record, before which there is not a heartbeat.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]; the channel is of no more use then.
    pub(super) fn first(&mut self, deadline: Duration) -> Result<Response, ChannelError> {
        self.converse(true, deadline, deadline)
            .and_then(|response| response.ok_or(ChannelError::Closed))
    }

    fn queue(&mut self, request: &Request) -> Result<(), ChannelError> {
        let record = encode(self.next_seq, request)
            .map_err(|error| ChannelError::Request(error.to_string()))?;
        self.next_seq = self.next_seq.wrapping_add(1);
        self.out.extend(record);
        Ok(())
    }

    /// Writes what is queued and, if `answered`, reads up to the next record that is not a heartbeat.
    /// Does both at once: an agent that blocks on writing reads nothing.
    fn converse(
        &mut self,
        answered: bool,
        deadline: Duration,
        patience: Duration,
    ) -> Result<Option<Response>, ChannelError> {
        let mut started = Clock::start(self.qemu);
        let mut heard = Clock::start(self.qemu);
        loop {
            if !answered && self.out.is_empty() {
                return if self.deaf { Err(ChannelError::Closed) } else { Ok(None) };
            }
            if answered && let Some(response) = self.pop()? {
                return Ok(Some(response));
            }
            if interrupt::check().is_err() {
                return Err(ChannelError::Interrupted);
            }
            let silent = heard.elapsed();
            let waited = started.elapsed();
            if silent >= patience {
                return Err(match self.decoder.pending() {
                    0 => ChannelError::Silent(patience),
                    bytes => ChannelError::Stopped { bytes, wait: patience },
                });
            }
            if waited >= deadline {
                return Err(ChannelError::Deadline(deadline));
            }
            let wait = (patience - silent).min(deadline - waited).min(SLICE);
            let (readable, writable) = self.wait(!self.out.is_empty(), wait)?;
            if writable {
                self.flush()?;
            }
            if readable && self.read()? {
                heard = Clock::start(self.qemu);
            }
        }
    }

    /// The next record that is not a heartbeat, if it is there. Only what comes after a request can be
    /// its answer.
    fn pop(&mut self) -> Result<Option<Response>, ChannelError> {
        while self.unanswered.front().is_none_or(|end| *end <= self.written) {
            match self.decoder.pop()? {
                Some(record) if record.body == Response::Heartbeat => {}
                Some(record) => return Ok(Some(record.body)),
                None => break,
            }
        }
        Ok(None)
    }

    /// Writes what the socket takes without blocking.
    fn flush(&mut self) -> Result<(), ChannelError> {
        while !self.out.is_empty() {
            let (next, _) = self.out.as_slices();
            match self.stream.write(next) {
                Ok(count) => {
                    self.out.drain(..count);
                    self.written += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_gone(&error) => {
                    self.out.clear();
                    self.deaf = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until the socket can be read or, if `writing`, written.
    fn wait(&self, writing: bool, at_most: Duration) -> Result<(bool, bool), ChannelError> {
        let mut events = PollFlags::POLLIN;
        if writing {
            events |= PollFlags::POLLOUT;
        }
        let mut fds = [PollFd::new(self.stream.as_fd(), events)];
        // A millisecond more than asked: else the last one is spent spinning.
        let timeout = PollTimeout::try_from(at_most + Duration::from_millis(1))
            .unwrap_or(PollTimeout::from(1000_u16));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(ChannelError::Io(errno.into())),
        }
        let came = fds[0].revents().unwrap_or(PollFlags::empty());
        let ended = PollFlags::POLLHUP | PollFlags::POLLERR;
        Ok((
            came.intersects(PollFlags::POLLIN | ended),
            writing && came.intersects(PollFlags::POLLOUT | ended),
        ))
    }

    /// Reads what is there; whether that is anything.
    fn read(&mut self) -> Result<bool, ChannelError> {
        match self.stream.read(&mut self.chunk) {
            Ok(0) => Err(ChannelError::Closed),
            Ok(count) => {
                self.decoder.push(&self.chunk[..count]);
                Ok(true)
            }
            Err(error) if is_transient(&error) => Ok(false),
            Err(error) if is_gone(&error) => Err(ChannelError::Closed),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
