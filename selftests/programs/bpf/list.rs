//! A linked list in an array: a comparator determines where entries are inserted, then a visitor
//! traverses them. Both are functions.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Number of entries.
const COUNT: usize = 8;
/// End of the list: a link that is not an index.
const END: u8 = COUNT as u8;

bpf::plain! {
    /// A list.
    struct Io {
        /// Values of the entries.
        values: [u32; COUNT],
        /// Index of each entry's successor.
        next: [u8; COUNT],
        /// Index of the first entry.
        head: u64,
        /// Selects comparator and visitor.
        choice: u64,
        /// Result of the visitor.
        result: u64,
    }
}

/// Whether one entry belongs before another.
type Comparator = fn(u32, u32) -> bool;
/// Combines a value with a result.
type Visitor = fn(u64, u32) -> u64;

fn smaller(a: u32, b: u32) -> bool {
    a < b
}
fn larger(a: u32, b: u32) -> bool {
    a > b
}
fn even_first(a: u32, b: u32) -> bool {
    a & 1 < b & 1
}
fn last(_: u32, _: u32) -> bool {
    false
}

fn sum(so_far: u64, value: u32) -> u64 {
    so_far.wrapping_add(u64::from(value))
}
fn digest(so_far: u64, value: u32) -> u64 {
    (so_far ^ u64::from(value)).wrapping_mul(0x0100_0000_01b3)
}
fn count_odd(so_far: u64, value: u32) -> u64 {
    so_far.wrapping_add(u64::from(value & 1))
}
fn maximum(so_far: u64, value: u32) -> u64 {
    so_far.max(u64::from(value))
}

static COMPARATORS: [Comparator; 4] = [smaller, larger, even_first, last];
static VISITORS: [Visitor; 4] = [sum, digest, count_odd, maximum];

/// Inserts an entry before the first one that it belongs before.
#[inline(never)]
fn insert(io: &mut Io, entry: usize, is_before: Comparator) {
    let value = io.values[entry % COUNT];
    let mut link = io.head;
    let mut behind = u64::from(END);
    for _ in 0..COUNT {
        if !bpf::can_loop() || link >= u64::from(END) {
            break;
        }
        let at = link as usize % COUNT;
        if is_before(value, io.values[at]) {
            break;
        }
        behind = link;
        link = u64::from(io.next[at]);
    }
    io.next[entry % COUNT] = link as u8;
    if behind < u64::from(END) {
        io.next[behind as usize % COUNT] = entry as u8;
    } else {
        io.head = entry as u64;
    }
}

/// Passes each entry to a visitor.
#[inline(never)]
fn visit(io: &mut Io, visitor: Visitor) {
    let mut link = io.head;
    io.result = 0;
    for _ in 0..COUNT {
        if !bpf::can_loop() || link >= u64::from(END) {
            break;
        }
        let at = link as usize % COUNT;
        io.result = visitor(io.result, io.values[at]);
        link = u64::from(io.next[at]);
    }
}

fn run(io: &mut Io) -> u32 {
    io.head = u64::from(END);
    let comparator = COMPARATORS[(io.choice & 3) as usize];
    for entry in 0..COUNT {
        insert(io, entry, comparator);
    }
    let visitor = VISITORS[(io.choice >> 2 & 3) as usize];
    visit(io, visitor);
    io.result as u32
}

bpf::syscall!(Io, run);
