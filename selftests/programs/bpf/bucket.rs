//! Rate limiting: stateful strategies behind one trait decide which packets may pass.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Packets per input.
const PACKETS: usize = 12;

bpf::plain! {
    /// Packets and results.
    struct Io {
        /// Time since the previous packet.
        gaps: [u8; PACKETS],
        /// Size of each packet, in units of 64 bytes.
        sizes: [u8; PACKETS],
        /// Packets that passed.
        passed: u64,
        /// Selects the strategy; only the low two bits matter.
        strategy: u64,
        /// State of the strategies: level and time.
        level: u64,
        /// Arrival time of the current packet.
        now: u64,
    }
}

/// Decides whether a packet may pass, from the level and the time since the previous packet.
trait Strategy {
    /// The initial level.
    fn start(&self) -> u64;
    /// The level after a time gap.
    fn after(&self, level: u64, gap: u64) -> u64;
    /// The level after a packet of this size; above `u32::MAX` if it may not pass.
    fn take(&self, level: u64, size: u64) -> u64;
}

const REFUSED: u64 = 1 << 32;

/// Tokens arrive at a fixed rate, up to a limit; a packet takes as many as its size.
struct TokenBucket {
    rate: u64,
    limit: u64,
}
impl Strategy for TokenBucket {
    fn start(&self) -> u64 {
        self.limit
    }
    fn after(&self, level: u64, gap: u64) -> u64 {
        level.wrapping_add(gap.wrapping_mul(self.rate)).min(self.limit)
    }
    fn take(&self, level: u64, size: u64) -> u64 {
        if size > level { REFUSED } else { level - size }
    }
}

/// Packets fill a leaky bucket.
struct LeakyBucket {
    leak: u64,
    capacity: u64,
}
impl Strategy for LeakyBucket {
    fn start(&self) -> u64 {
        0
    }
    fn after(&self, level: u64, gap: u64) -> u64 {
        level.saturating_sub(gap.wrapping_mul(self.leak))
    }
    fn take(&self, level: u64, size: u64) -> u64 {
        let level = level.wrapping_add(size);
        if level > self.capacity { REFUSED } else { level }
    }
}

/// A fixed number of packets in a row, then none until there is a pause.
struct Burst;
impl Strategy for Burst {
    fn start(&self) -> u64 {
        3
    }
    fn after(&self, level: u64, gap: u64) -> u64 {
        if gap > 40 { 3 } else { level }
    }
    fn take(&self, level: u64, _: u64) -> u64 {
        if level == 0 { REFUSED } else { level - 1 }
    }
}

#[inline(never)]
fn decide(strategy: &dyn Strategy, io: &mut Io) {
    io.level = strategy.start();
    for at in 0..PACKETS {
        if !bpf::can_loop() {
            return;
        }
        let gap = u64::from(io.gaps[at]);
        io.now = io.now.wrapping_add(gap);
        io.level = strategy.after(bpf::fresh(&io.level) & 0xffff_ffff, gap);
        let taken = strategy.take(bpf::fresh(&io.level), u64::from(io.sizes[at]));
        if taken < REFUSED {
            io.level = taken;
            io.passed = io.passed.wrapping_add(1);
        }
    }
}

fn run(io: &mut Io) -> u32 {
    let tokens = TokenBucket { rate: 2, limit: 400 };
    let leaky = LeakyBucket { leak: 1, capacity: 500 };
    let strategy: &dyn Strategy = match io.strategy & 3 {
        0 => &tokens,
        1 => &leaky,
        _ => &Burst,
    };
    io.passed = 0;
    io.now = 0;
    decide(strategy, io);
    io.passed as u32
}

bpf::syscall!(Io, run);
