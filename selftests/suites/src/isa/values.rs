//! Edge values: where a carry, a sign or a width changes.

/// Left and right operands of 64 bits, including shift counts around both widths.
pub(super) const EDGES: [u64; 44] = [
    0,
    1,
    2,
    3,
    31,
    32,
    33,
    63,
    64,
    65,
    0x7f,
    0x80,
    0x81,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_fffe,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7fff_ffff_8000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0xffff_ffff_0000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_7fff,
    0xffff_ffff_ffff_8000,
    0xffff_ffff_ffff_ff7f,
    0xffff_ffff_ffff_ff80,
    0xffff_ffff_ffff_fffd,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
    0xaaaa_aaaa_5555_5555,
];

/// Immediates around x86's 8-bit limits, and of every width and sign.
pub(super) const IMMEDIATES: [i32; 24] = [
    0,
    1,
    -1,
    2,
    -2,
    31,
    32,
    33,
    127,
    128,
    -128,
    -129,
    255,
    256,
    0x7fff,
    0x8000,
    -0x8000,
    -0x8001,
    0xffff,
    0x1234_5678,
    0x55aa_55aa,
    i32::MAX,
    i32::MIN,
    i32::MIN + 1,
];

/// Operands known to the verifier: few, because each pair has its own code.
pub(super) const CONSTANTS: [u64; 10] = [
    0,
    1,
    33,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_ffff,
    0x0123_4567_89ab_cdef,
];

/// Pairs of operands for every pairing of registers: both halves of both matter, the right ones are
/// also shift counts, and each condition is both true and false.
pub(super) const PAIRS: [(u64, u64); 6] = [
    (0x0123_4567_89ab_cdef, 0xfedc_ba98_0000_0007),
    (0xfedc_ba98_7654_3210, 0x0123_4567_0000_0021),
    (0x8000_0000_8000_0000, 0xffff_ffff_ffff_ffff),
    (0x0000_0001_ffff_ffff, 0x0000_0001_ffff_ffff),
    (0x7fff_ffff_7fff_fffe, 0x0000_0000_0000_0000),
    (0x0000_0000_0000_0064, 0x8000_0000_8000_0000),
];

/// The value of a register that an instruction must not change: different in each, in both halves.
pub(super) fn sentinel(reg: usize) -> u64 {
    let reg = reg as u64;
    (0x9e37_0000 + reg * 0x0101) << 32 | (0x6a09_0000 + reg * 0x1011)
}
