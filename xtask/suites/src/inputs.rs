//! Inputs for programs of which nobody has said what they are run on.
//!
//! They are the same in every session: patterns first (nothing, all ones, one small number
//! everywhere, counting words, limits of the number formats), then words from a generator with a
//! fixed seed, which mixes small numbers, limits and arbitrary bits, so that both the range checks of
//! a program and what lies after them are reached.

use bpf_model::Input;
use fastrand::Rng;

/// Seed of the generator, in reports.
pub const SEED: u64 = 0x6267_7066_696e_6401;

/// Inputs for each program.
pub const INPUTS: usize = 64;

/// Bytes of a context to start with; [`super::explore`] gives more to programs that use more.
const CONTEXT: usize = 64;

/// Numbers where formats and bounds end.
const LIMITS: [u64; 12] = [
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX - 1,
];

/// Lengths of packets, Ethernet header included.
const PACKETS: [usize; 8] = [14, 15, 18, 34, 60, 64, 128, 1514];

/// Where the EtherType is, and one that is no IP (`ETH_P_802_EX1`): a test run asks of an IP packet
/// that its header is whole.
const ETHER_TYPE: (std::ops::Range<usize>, [u8; 2]) = (12..14, [0x88, 0xb5]);

/// `enum bpf_prog_type` (`include/uapi/linux/bpf.h`).
mod prog_type {
    pub(super) const RAW_TRACEPOINT: u32 = 17;
    pub(super) const SYSCALL: u32 = 31;
}

/// Longest context in bytes that a test run of such a program takes; 0 for those that see packets
/// (`bpf_prog_test_run_syscall()`, `bpf_prog_test_run_raw_tp()` in `net/bpf/test_run.c`).
pub(super) fn longest_context(prog_type: u32) -> usize {
    match prog_type {
        prog_type::SYSCALL => usize::from(u16::MAX),
        prog_type::RAW_TRACEPOINT => 12 * 8,
        _ => 0,
    }
}

/// The inputs of a program of this type, with contexts of at least `context` bytes where it is run
/// on one.
pub(super) fn inputs(prog_type: u32, context: usize) -> Vec<Input> {
    let len = context.max(CONTEXT).min(longest_context(prog_type));
    let mut rng = Rng::with_seed(SEED);
    (0..INPUTS)
        .map(|number| match len {
            0 => Input { ctx: Vec::new(), packet: packet(number, &mut rng) },
            len => Input { ctx: bytes(number, len, &mut rng), packet: Vec::new() },
        })
        .collect()
}

fn packet(number: usize, rng: &mut Rng) -> Vec<u8> {
    let mut packet = bytes(number, PACKETS[number % PACKETS.len()], rng);
    let (range, value) = ETHER_TYPE;
    if let Some(bytes) = packet.get_mut(range) {
        bytes.copy_from_slice(&value);
    }
    packet
}

/// The bytes of the input with this number.
fn bytes(number: usize, len: usize, rng: &mut Rng) -> Vec<u8> {
    let word = |index: usize, rng: &mut Rng| match number {
        0 => 0,
        1 => u64::MAX,
        2..10 => number as u64 - 1,
        10 => index as u64,
        11 => index as u64 * 8,
        12..24 => LIMITS[number - 12],
        _ => mixed(rng),
    };
    (0..len.div_ceil(8)).flat_map(|index| word(index, rng).to_le_bytes()).take(len).collect()
}

fn mixed(rng: &mut Rng) -> u64 {
    match rng.u8(..8) {
        0..3 => rng.u64(..16),
        3 => rng.u64(..512),
        4 => LIMITS[rng.usize(..LIMITS.len())],
        5 => u64::from(rng.u32(..)),
        _ => rng.u64(..),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_many_different_and_the_same_every_time() {
        let all = inputs(prog_type::SYSCALL, 0);
        assert_eq!(all.len(), INPUTS);
        assert_eq!(all, inputs(prog_type::SYSCALL, 0));
        let mut contexts: Vec<_> = all.iter().map(|input| &input.ctx).collect();
        assert!(contexts.iter().all(|ctx| ctx.len() == 64));
        assert_eq!(*contexts[0], [0; 64]);
        assert_eq!(*contexts[1], [0xff; 64]);
        contexts.sort();
        contexts.dedup();
        assert_eq!(contexts.len(), INPUTS);
    }

    #[test]
    fn first_words_are_small_limits_and_arbitrary() {
        let words: Vec<u64> = inputs(prog_type::SYSCALL, 8)
            .iter()
            .map(|input| u64::from_le_bytes(input.ctx[..8].try_into().unwrap()))
            .collect();
        assert!((0..8).all(|word| words.contains(&word)), "{words:x?}");
        assert!(LIMITS.iter().all(|limit| words.contains(limit)), "{words:x?}");
        assert!(words.iter().filter(|word| **word > 1 << 48).count() > 8, "{words:x?}");
    }

    #[test]
    fn contexts_are_as_long_as_asked_and_allowed() {
        let len = |prog_type, context| inputs(prog_type, context)[0].ctx.len();
        assert_eq!(len(prog_type::SYSCALL, 100), 100);
        assert_eq!(len(prog_type::SYSCALL, 1 << 20), 0xffff);
        assert_eq!(len(prog_type::RAW_TRACEPOINT, 100), 96);
    }

    #[test]
    fn packets_have_every_length_and_no_ip() {
        const XDP: u32 = 6;
        let all = inputs(XDP, 0);
        assert!(all.iter().all(|input| input.ctx.is_empty()));
        assert!(all.iter().all(|input| input.packet[12..14] == [0x88, 0xb5]));
        for len in PACKETS {
            assert!(all.iter().filter(|input| input.packet.len() == len).count() >= 8);
        }
    }
}
