//! A program with what it is run on, as it is kept in a file.

use std::fmt::Write as _;

use fastrand::Rng;

use crate::tree::Kind;

/// What a program is run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// The context, for programs on plain memory.
    pub context: Vec<u8>,
    /// The packet, for programs that see packets.
    pub packet: Vec<u8>,
}

/// A program and its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The program, in the assembler's notation.
    pub source: String,
    /// What it is run on, one after the other on the same maps.
    pub inputs: Vec<Bytes>,
    /// `BPF_F_*` flags of `BPF_PROG_LOAD`.
    pub flags: u32,
}

const CONTEXT: &str = "; context ";
const PACKET: &str = "; packet ";
const FLAGS: &str = "; flags ";

/// `BPF_F_TEST_RND_HI32`: what the verifier takes for unused in the upper half of a register is
/// overwritten.
const TEST_RND_HI32: u32 = 1 << 2;
/// `BPF_F_TEST_STATE_FREQ`: a state is kept wherever one may be.
const TEST_STATE_FREQ: u32 = 1 << 3;

/// Numbers where formats and bounds end.
const LIMITS: [u64; 10] = [
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x8000_0000_0000_0000,
    u64::MAX,
];

impl Sample {
    /// The file: a comment line for each input, then the program.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        if self.flags != 0 {
            let _ = writeln!(text, "{FLAGS}{}", self.flags);
        }
        for input in &self.inputs {
            let (what, bytes) = match input.packet.len() {
                0 => (CONTEXT, &input.context),
                _ => (PACKET, &input.packet),
            };
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(text, "{what}{hex}");
        }
        text + &self.source
    }

    /// Reads such a file.
    ///
    /// # Errors
    ///
    /// The line whose input is not hexadecimal, or whose flags are no number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut sample = Self::default();
        for line in text.lines() {
            if let Some(hex) = line.strip_prefix(CONTEXT) {
                sample.inputs.push(Bytes { context: bytes(hex, line)?, packet: Vec::new() });
            } else if let Some(hex) = line.strip_prefix(PACKET) {
                sample.inputs.push(Bytes { context: Vec::new(), packet: bytes(hex, line)? });
            } else if let Some(flags) = line.strip_prefix(FLAGS) {
                let bad = |_| format!("not a number: `{line}`");
                sample.flags = flags.trim().parse().map_err(bad)?;
            } else {
                sample.source.push_str(line);
                sample.source.push('\n');
            }
        }
        Ok(sample)
    }
}

fn bytes(hex: &str, line: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("not hexadecimal: `{line}`");
    let digits: Vec<u8> = hex
        .trim()
        .chars()
        .map(|digit| digit.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(bad());
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Flags to load a program with: none, most often.
pub fn flags(rng: &mut Rng) -> u32 {
    match rng.u8(..8) {
        0 | 1 => TEST_STATE_FREQ,
        2 => TEST_RND_HI32,
        3 => TEST_STATE_FREQ | TEST_RND_HI32,
        _ => 0,
    }
}

/// Inputs for a program of this kind.
pub fn inputs(kind: Kind, count: usize, rng: &mut Rng) -> Vec<Bytes> {
    let mut words = |count: usize| -> Vec<u8> {
        let small = rng.bool();
        let word = |_| match rng.u8(..8) {
            0..4 => rng.u64(..if small { 8 } else { 64 }),
            4 => LIMITS[rng.usize(..LIMITS.len())],
            5 => u64::from(rng.u32(..)),
            _ => rng.u64(..),
        };
        (0..count).map(word).flat_map(u64::to_le_bytes).collect()
    };
    (0..count)
        .map(|_| match kind {
            Kind::Syscall => Bytes { context: words(8), packet: Vec::new() },
            Kind::Packet | Kind::Xdp => {
                let mut packet = words(8);
                // No IP: a test run asks of an IP packet that its header is whole.
                packet[12..14].copy_from_slice(&[0x88, 0xb5]);
                Bytes { context: Vec::new(), packet }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_as_it_was_written() {
        let inputs = inputs(Kind::Syscall, 3, &mut Rng::with_seed(1));
        let source = ".prog main syscall\n    exit\n".into();
        let sample = Sample { source, inputs, flags: 8 };
        assert_eq!(Sample::parse(&sample.to_text()), Ok(sample));
        assert!(Sample::parse("; context 1\n").is_err());
        assert!(Sample::parse("; flags x\n").is_err());
    }
}
