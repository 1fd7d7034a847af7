//! Trait objects behind a chain of filters: each sees what the one before let through.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Values that go through the chain.
const COUNT: usize = 6;
/// Filters of the chain.
const LENGTH: usize = 3;

bpf::plain! {
    /// What goes in, and what comes out.
    struct Io {
        /// The values; what is filtered out becomes 0.
        values: [u64; COUNT],
        /// Which filters; the low two bits of each count.
        chain: [u8; LENGTH],
        /// What the filters of the kinds have to know.
        limits: [u8; 5],
        /// Values that came through.
        passed: u64,
    }
}

/// A link of the chain.
trait Filter {
    /// The value as it goes on; 0 if it does not. (An `Option` would be two registers, and functions
    /// of BPF return one.)
    fn apply(&self, value: u64) -> u64;
    /// What the filter costs.
    fn cost(&self) -> u64 {
        1
    }
}

struct AtMost(u64);
struct Scale(u64);
struct Mask;
struct Sample {
    every: u64,
    salt: u64,
}

impl Filter for AtMost {
    fn apply(&self, value: u64) -> u64 {
        if value & 0xff <= self.0 { value } else { 0 }
    }
}
impl Filter for Scale {
    fn apply(&self, value: u64) -> u64 {
        value.wrapping_mul(self.0)
    }
    fn cost(&self) -> u64 {
        3
    }
}
impl Filter for Mask {
    fn apply(&self, value: u64) -> u64 {
        value & 0x00ff_ffff_00ff_ffff
    }
}
impl Filter for Sample {
    fn apply(&self, value: u64) -> u64 {
        if (value ^ self.salt) & self.every == 0 { 0 } else { value }
    }
    fn cost(&self) -> u64 {
        2
    }
}

#[inline(never)]
fn through(filter: &dyn Filter, value: u64, passed: &mut u64) -> u64 {
    let value = filter.apply(value);
    if value != 0 {
        *passed = passed.wrapping_add(filter.cost());
    }
    value
}

fn run(io: &mut Io) -> u32 {
    let at_most = AtMost(u64::from(io.limits[0]));
    let scale = Scale(u64::from(io.limits[1]));
    let sample = Sample { every: u64::from(io.limits[2] & 3), salt: u64::from(io.limits[3]) };
    let mut passed = 0;
    for at in 0..COUNT {
        for link in 0..LENGTH {
            if !bpf::can_loop() {
                break;
            }
            let filter: &dyn Filter = match io.chain[link] & 3 {
                0 => &at_most,
                1 => &scale,
                2 => &Mask,
                _ => &sample,
            };
            io.values[at] = through(filter, io.values[at], &mut passed);
        }
    }
    io.passed = passed;
    passed as u32
}

bpf::syscall!(Io, run);
