//! Checksums: CRC variants as numbers next to a function that processes a byte, and the Internet
//! checksum (RFC 1071).

#![cfg_attr(target_arch = "bpf", no_std)]

/// Size of a message, in bytes.
const MESSAGE: usize = 16;

bpf::plain! {
    /// A message and its checksum.
    struct Io {
        /// The message.
        message: [u8; MESSAGE],
        /// Selects the checksum; only the low two bits matter.
        variant: u32,
        /// The checksum.
        checksum: u32,
    }
}

/// A checksum algorithm.
///
/// Without stride tracking, the verifier only knows that an index times 24 is a multiple of 8, so
/// any field might be the pointer, and it rejects reads of the numbers. An index times 32 keeps the
/// fields apart.
#[repr(align(32))]
struct Variant {
    /// Adds a byte to the checksum.
    step: fn(u32, u8, u32) -> u32,
    polynomial: u32,
    start: u32,
    invert: u32,
}

/// LSB first, four bits at a time.
fn reflected(mut crc: u32, byte: u8, polynomial: u32) -> u32 {
    crc ^= u32::from(byte);
    for _ in 0..8 {
        crc = crc >> 1 ^ polynomial & (crc & 1).wrapping_neg();
    }
    crc
}

/// MSB first, in the upper half.
fn straight(mut crc: u32, byte: u8, polynomial: u32) -> u32 {
    crc ^= u32::from(byte) << 24;
    for _ in 0..8 {
        crc = crc << 1 ^ polynomial & (crc >> 31).wrapping_neg();
    }
    crc
}

/// Ones' complement sum.
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
