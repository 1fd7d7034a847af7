//! What programs write for user space: ring buffers, arrays of perf events, queues and stacks.

#![expect(
    unsafe_code,
    reason = "rings are read through mmap(2), perf_event_open(2) takes an address"
)]

use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{self, MapFlags, ProtFlags};

use super::bpf::CallError;
use super::uapi::PerfEventAttr;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// Pages of data of a perf buffer for each CPU, a power of two.
const PERF_PAGES: usize = 64;
/// `BPF_RINGBUF_BUSY_BIT` and `BPF_RINGBUF_DISCARD_BIT`: the upper bits of a record's length.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
/// Bytes of a header, of a record of a ring buffer as of one of perf.
const HEADER: usize = 8;
/// `PERF_RECORD_SAMPLE`.
const SAMPLE: u32 = 9;
/// Offsets of `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// What one program wrote at once.
type Record = Vec<u8>;

/// Memory of the kernel that is mapped.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    pub(super) fn new(
        fd: impl AsFd,
        len: usize,
        write: bool,
        offset: usize,
    ) -> Result<Self, CallError> {
        let size = NonZero::new(len)
            .ok_or_else(|| CallError::Misuse("a buffer of no bytes to map".to_owned()))?;
        let protection = match write {
            true => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            false => ProtFlags::PROT_READ,
        };
        let offset = i64::try_from(offset)
            .map_err(|_| CallError::Misuse("an offset that is too large to map".to_owned()))?;
        // SAFETY: the kernel chooses an unused address.
        let start =
            unsafe { mman::mmap(None, size, protection, MapFlags::MAP_SHARED, fd, offset)? };
        Ok(Self { start: start.cast(), len })
    }

    /// A position that the kernel or this side advances.
    ///
    /// # Panics
    ///
    /// If it lies outside of the mapping.
    fn position(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.len);
        // SAFETY: the 8 bytes are mapped for as long as `self`, and aligned.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    /// Copies bytes, which the kernel does not change before they are given back. Those outside of
    /// the mapping are missing.
    fn bytes(&self, at: usize, len: usize) -> Record {
        let len = len.min(self.len.saturating_sub(at));
        let mut bytes = vec![0; len];
        if len > 0 {
            // SAFETY: all bytes are mapped, as was just checked; those of `bytes` are its own.
            unsafe {
                std::ptr::copy_nonoverlapping(self.start.as_ptr().add(at), bytes.as_mut_ptr(), len);
            }
        }
        bytes
    }

    fn word(&self, at: usize) -> u32 {
        self.bytes(at, 4).first_chunk().map_or(0, |&word| u32::from_ne_bytes(word))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this side's own, and nothing refers to it any more. There is
        // nothing to do about a failure.
        let _ = unsafe { mman::munmap(self.start.cast(), self.len) };
    }
}

/// Takes the records out of a ring buffer of `size` bytes (`kernel/bpf/ringbuf.c`).
pub(crate) fn ring(fd: impl AsFd, size: usize) -> Result<Vec<Record>, CallError> {
    let consumer = Mapping::new(&fd, PAGE, true, 0)?;
    // The data is mapped twice in a row, so that no record is in two parts.
    let producer = Mapping::new(&fd, PAGE + 2 * size, false, PAGE)?;
    let mut records = Vec::new();
    let taken = consumer.position(0);
    let mut at = taken.load(Ordering::Acquire);
    while at < producer.position(0).load(Ordering::Acquire) {
        let place = PAGE + (at % size as u64) as usize;
        let header = producer.word(place);
        if header & BUSY != 0 {
            break;
        }
        let len = (header & !DISCARDED) as usize;
        if header & DISCARDED == 0 {
            records.push(producer.bytes(place + HEADER, len));
        }
        at += (len + HEADER).next_multiple_of(8) as u64;
        taken.store(at, Ordering::Release);
    }
    Ok(records)
}

/// The event of one CPU in an array of perf events, and its buffer.
#[derive(Debug)]
pub(crate) struct Event {
    fd: OwnedFd,
    mapping: Mapping,
}

impl AsRawFd for Event {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Event {
    /// Opens the event that `bpf_perf_event_output()` writes to on a CPU.
    pub(crate) fn open(cpu: i32) -> Result<Self, CallError> {
        let attr = PerfEventAttr::bpf_output();
        let (pid, group, cloexec) = (-1, -1, 8);
        // SAFETY: the attribute outlives the call and says how large it is.
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, &raw const attr, pid, cpu, group, cloexec)
        };
        if fd < 0 {
            return Err(nix::errno::Errno::last().into());
        }
        // SAFETY: the descriptor is new, so nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
        let mapping = Mapping::new(&fd, (1 + PERF_PAGES) * PAGE, true, 0)?;
        Ok(Self { fd, mapping })
    }

    /// Takes the samples out of the buffer. The kernel pads each to a multiple of 8 bytes with its
    /// length before it.
    pub(crate) fn drain(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let tail = self.mapping.position(TAIL);
        let head = self.mapping.position(HEAD).load(Ordering::Acquire);
        let mut at = tail.load(Ordering::Relaxed);
        while at < head {
            let header = self.part(at, HEADER);
            let kind = header.first_chunk().map_or(0, |&word| u32::from_ne_bytes(word));
            let len = header.get(6..).and_then(|rest| rest.first_chunk());
            let len = len.map_or(0, |&len| usize::from(u16::from_ne_bytes(len)));
            if len < HEADER {
                break;
            }
            let body = self.part(at + HEADER as u64, len - HEADER);
            if kind == SAMPLE
                && let Some((size, data)) = body.split_first_chunk()
            {
                let size = u32::from_ne_bytes(*size) as usize;
                records.push(data[..size.min(data.len())].to_vec());
            }
            at += len as u64;
        }
        tail.store(head, Ordering::Release);
        records
    }

    /// Bytes of the data at a position, which wraps around.
    fn part(&self, at: u64, len: usize) -> Record {
        let size = PERF_PAGES * PAGE;
        let start = (at % size as u64) as usize;
        let first = len.min(size - start);
        let mut bytes = self.mapping.bytes(PAGE + start, first);
        bytes.extend(self.mapping.bytes(PAGE, len - first));
        bytes
    }
}
