//! Insertion sort with a comparator passed as a function.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Number of elements.
const COUNT: usize = 8;

bpf::plain! {
    /// Input and results.
    struct Io {
        /// The numbers.
        numbers: [u64; COUNT],
        /// Selects the order; only the low two bits matter.
        order: u64,
        /// Comparisons that found a pair in the wrong order.
        swaps: u64,
    }
}

/// Whether a pair is in the wrong order.
type Comparator = fn(u64, u64) -> bool;

fn ascending(a: u64, b: u64) -> bool {
    a > b
}

fn descending(a: u64, b: u64) -> bool {
    a < b
}

fn by_ones(a: u64, b: u64) -> bool {
    a.count_ones() > b.count_ones()
}

fn by_low_byte(a: u64, b: u64) -> bool {
    a as u8 > b as u8
}

/// Sinks each number to its place. Comparing neighbours makes the sort stable.
#[inline(never)]
fn sort(io: &mut Io, is_wrong: Comparator) {
    for end in 1..COUNT {
        for at in 0..COUNT - end {
            if !bpf::can_loop() {
                return;
            }
            let (a, b) = (io.numbers[at], io.numbers[at + 1]);
            if is_wrong(a, b) {
                io.numbers[at] = b;
                io.numbers[at + 1] = a;
                io.swaps = io.swaps.wrapping_add(1);
            }
        }
    }
}

static ORDERS: [Comparator; 4] = [ascending, descending, by_ones, by_low_byte];

fn run(io: &mut Io) -> u32 {
    io.swaps = 0;
    let order = ORDERS[(io.order & 3) as usize];
    sort(io, order);
    io.numbers[0] as u32
}

bpf::syscall!(Io, run);
