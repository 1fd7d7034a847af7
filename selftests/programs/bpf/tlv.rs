//! TCP header options: a table of handlers by option kind (RFC 9293, section 3.2; RFC 7323; RFC
//! 2018).

#![cfg_attr(target_arch = "bpf", no_std)]

/// Size of the options, in bytes; a header has at most 40.
const OPTIONS: usize = 32;
/// Limit of processed options.
const COUNT: u32 = 12;

bpf::plain! {
    /// Options and results.
    struct Io {
        /// The options.
        bytes: [u8; OPTIONS],
        /// Index of the next option.
        at: u64,
        /// Maximum segment size.
        segment: u32,
        /// Window scale, in bits.
        scale: u32,
        /// Time stamp.
        stamp: u64,
        /// Number of options by the low three bits of their kind.
        counts: [u64; 8],
    }
}

impl Io {
    fn byte(&self, offset: u64) -> u8 {
        let at = bpf::fresh(&self.at).wrapping_add(offset);
        self.bytes[at as usize % OPTIONS]
    }
}

/// Handles an option of a given length; returns whether it is well-formed.
type Handler = fn(&mut Io, u8) -> bool;

fn segment_size(io: &mut Io, length: u8) -> bool {
    io.segment = u32::from(io.byte(2)) << 8 | u32::from(io.byte(3));
    length == 4
}
fn window_scale(io: &mut Io, length: u8) -> bool {
    io.scale = u32::from(io.byte(2));
    length == 3 && io.byte(2) <= 14
}
fn selective(_: &mut Io, length: u8) -> bool {
    length == 2
}
fn timestamps(io: &mut Io, length: u8) -> bool {
    io.stamp = u64::from(io.byte(2)) << 24
        | u64::from(io.byte(3)) << 16
        | u64::from(io.byte(4)) << 8
        | u64::from(io.byte(5));
    length == 10
}
fn unknown(_: &mut Io, length: u8) -> bool {
    length >= 2
}

/// By the low three bits of the kind.
static HANDLERS: [Handler; 8] =
    [timestamps, unknown, segment_size, window_scale, selective, unknown, unknown, unknown];

/// Why a list ended.
const COMPLETE: u32 = 0;
const MALFORMED: u32 = 1;

fn run(io: &mut Io) -> u32 {
    io.at = 0;
    for _ in 0..COUNT {
        if !bpf::can_loop() || bpf::fresh(&io.at) >= OPTIONS as u64 {
            break;
        }
        let kind = io.byte(0);
        let length = match kind {
            0 => return COMPLETE,
            1 => 1,
            _ => {
                let length = io.byte(1);
                if !HANDLERS[kind as usize & 7](io, length) {
                    return MALFORMED;
                }
                length
            }
        };
        let count = &mut io.counts[kind as usize & 7];
        *count = count.wrapping_add(1);
        io.at = bpf::fresh(&io.at).wrapping_add(u64::from(length));
    }
    COMPLETE
}

bpf::syscall!(Io, run);
