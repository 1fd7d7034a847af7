//! A chain of filters as trait objects: each gets the values that passed the previous one.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Values per input.
const COUNT: usize = 6;
/// Filters in the chain.
const LENGTH: usize = 3;

bpf::plain! {
    /// Input and results.
    struct Io {
        /// The values; filtered ones become 0.
        values: [u64; COUNT],
        /// Selects the filters; only the low two bits of each matter.
        chain: [u8; LENGTH],
        /// Parameters of the filters.
        limits: [u8; 5],
        /// Values that passed.
        passed: u64,
    }
}

/// A filter of the chain.
trait Filter {
    /// The resulting value; 0 if filtered. (An `Option` would need two registers, and BPF functions
    /// return one.)
    fn apply(&self, value: u64) -> u64;
    /// The cost of the filter.
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
