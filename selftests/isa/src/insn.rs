//! One instruction slot, as laid out in memory by RFC 9669 §3.

use std::fmt;

/// One 8-byte instruction slot.
///
/// A wide instruction (`ld_imm64`) takes two slots, the second with code 0. Jump offsets and jump
/// tables count slots, not instructions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Insn {
    /// The opcode byte: the class, and depending on it the operation, size, mode and source.
    pub code: u8,
    /// Destination register, 0 to 15 as encoded; 0 to 10 exist.
    pub dst: u8,
    /// Source register or pseudo source, 0 to 15 as encoded.
    pub src: u8,
    /// Signed 16-bit offset: in slots for jumps, in bytes for memory access.
    pub off: i16,
    /// Signed 32-bit immediate.
    pub imm: i32,
}

impl Insn {
    /// Bytes in a slot.
    pub const SIZE: usize = 8;

    /// Encodes the slot in little-endian byte order, as for `bpfel` and x86-64.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let off = self.off.to_le_bytes();
        let imm = self.imm.to_le_bytes();
        let regs = (self.src << 4) | (self.dst & 0x0f);
        [self.code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    }

    /// Decodes a little-endian slot. Every 8 bytes are a slot, so this cannot fail.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [code, regs, off0, off1, imm0, imm1, imm2, imm3] = bytes;
        Self {
            code,
            dst: regs & 0x0f,
            src: regs >> 4,
            off: i16::from_le_bytes([off0, off1]),
            imm: i32::from_le_bytes([imm0, imm1, imm2, imm3]),
        }
    }
}

impl fmt::Debug for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, dst, src, off, imm } = self;
        write!(f, "{{{code:#04x} dst={dst} src={src} off={off} imm={imm:#x}}}")
    }
}
