//! Table-driven hashing: each method is a struct of numbers and functions in read-only data.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Size of a key, in bytes.
const KEY: usize = 24;

bpf::plain! {
    /// A key and its hashes.
    struct Io {
        /// The key.
        key: [u8; KEY],
        /// Selects the method; only the low two bits matter.
        method: u64,
        /// The hash.
        hash: u64,
    }
}

/// A hash method.
struct Method {
    start: u64,
    step: fn(u64, u8) -> u64,
    rounds: u64,
    finish: fn(u64) -> u64,
}

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}
fn djb(hash: u64, byte: u8) -> u64 {
    hash.wrapping_mul(33).wrapping_add(u64::from(byte))
}
fn one_at_a_time(hash: u64, byte: u8) -> u64 {
    let hash = u64::from(hash as u32).wrapping_add(u64::from(byte));
    let hash = hash.wrapping_add(hash << 10);
    hash ^ (hash as u32 >> 6) as u64
}
fn rotating(hash: u64, byte: u8) -> u64 {
    hash.rotate_left(7) ^ u64::from(byte)
}
fn same(hash: u64) -> u64 {
    hash
}
fn avalanche(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

static METHODS: [Method; 4] = [
    Method { start: 0xcbf2_9ce4_8422_2325, step: fnv, rounds: 1, finish: same },
    Method { start: 5381, step: djb, rounds: 1, finish: avalanche },
    Method { start: 0, step: one_at_a_time, rounds: 2, finish: avalanche },
    Method { start: 0x0123_4567_89ab_cdef, step: rotating, rounds: 3, finish: same },
];

fn run(io: &mut Io) -> u32 {
    let method = &METHODS[(io.method & 3) as usize];
    io.hash = method.start;
    for round in 0..3 {
        if round >= method.rounds {
            break;
        }
        for at in 0..KEY {
            if !bpf::can_loop() {
                break;
            }
            io.hash = (method.step)(io.hash, io.key[at]);
        }
    }
    io.hash = (method.finish)(io.hash);
    (io.hash >> 32) as u32
}

bpf::syscall!(Io, run);
