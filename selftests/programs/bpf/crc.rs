//! Checksums of frames: variants of CRC as numbers beside a function for a byte, and the sum of the
//! Internet protocol (RFC 1071) among them.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Bytes of a message.
const MESSAGE: usize = 16;

bpf::plain! {
    /// A message and its checksum.
    struct Io {
        /// The message.
        message: [u8; MESSAGE],
        /// Which checksum; the low two bits count.
        variant: u32,
        /// The checksum.
        checksum: u32,
    }
}

/// A checksum.
///
/// Of an index times 24 the verifier only knows that it is a multiple of 8, so that any field might be
/// the pointer, and it refuses to read numbers. An index times 32 keeps the fields apart.
#[repr(align(32))]
struct Variant {
    /// Takes a byte into it.
    step: fn(u32, u8, u32) -> u32,
    polynomial: u32,
    start: u32,
    invert: u32,
}

/// Low bits first, four bits at a time.
fn reflected(mut crc: u32, byte: u8, polynomial: u32) -> u32 {
    crc ^= u32::from(byte);
    for _ in 0..8 {
        crc = crc >> 1 ^ polynomial & (crc & 1).wrapping_neg();
    }
    crc
}

/// High bits first, in the upper half.
fn straight(mut crc: u32, byte: u8, polynomial: u32) -> u32 {
    crc ^= u32::from(byte) << 24;
    for _ in 0..8 {
        crc = crc << 1 ^ polynomial & (crc >> 31).wrapping_neg();
    }
    crc
}

/// The sum in ones' complement.
fn internet(sum: u32, byte: u8, _: u32) -> u32 {
    let sum = (sum << 8 | sum >> 8 & 0xff) & 0xffff;
    let sum = sum + u32::from(byte);
    (sum & 0xffff) + (sum >> 16)
}

static VARIANTS: [Variant; 4] = [
    Variant { step: reflected, polynomial: 0xedb8_8320, start: !0, invert: !0 },
    Variant { step: reflected, polynomial: 0x82f6_3b78, start: !0, invert: !0 },
    Variant { step: straight, polynomial: 0x1021_0000, start: 0xffff_0000, invert: 0 },
    Variant { step: internet, polynomial: 0, start: 0, invert: 0xffff },
];

fn run(io: &mut Io) -> u32 {
    let variant = &VARIANTS[(io.variant & 3) as usize];
    io.checksum = variant.start;
    for at in 0..MESSAGE {
        if !bpf::can_loop() {
            break;
        }
        io.checksum = (variant.step)(bpf::fresh(&io.checksum), io.message[at], variant.polynomial);
    }
    io.checksum ^= variant.invert;
    io.checksum
}

bpf::syscall!(Io, run);
