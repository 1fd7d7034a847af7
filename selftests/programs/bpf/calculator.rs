//! A calculator for reverse Polish notation: a table of operators, each a name and a function.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Tokens per expression.
const TOKENS: usize = 16;
/// Size of the stack, in values.
const DEPTH: usize = 8;

bpf::plain! {
    /// An expression and its value.
    struct Io {
        /// Tokens: digits push their value, operators take two values, other bytes are ignored.
        tokens: [u8; TOKENS],
        /// The stack, which wraps around.
        stack: [u64; DEPTH],
        /// Values on the stack.
        depth: u64,
    }
}

/// Applies an operator to two values.
type Operator = fn(u64, u64) -> u64;

fn add(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}
fn subtract(a: u64, b: u64) -> u64 {
    a.wrapping_sub(b)
}
fn multiply(a: u64, b: u64) -> u64 {
    a.wrapping_mul(b)
}
fn divide(a: u64, b: u64) -> u64 {
    a.checked_div(b).unwrap_or(u64::MAX)
}
fn remainder(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { a % b }
}
fn maximum(a: u64, b: u64) -> u64 {
    a.max(b)
}
fn shift(a: u64, b: u64) -> u64 {
    a.wrapping_shl(b as u32)
}
fn nothing(a: u64, _: u64) -> u64 {
    a
}

/// The operators, by the low three bits of their bytes: `*+-/` and `%`, `>`, `<`.
static OPERATORS: [Operator; 8] =
    [nothing, nothing, multiply, add, shift, subtract, maximum, divide];

impl Io {
    fn push(&mut self, value: u64) {
        let depth = bpf::fresh(&self.depth);
        self.stack[depth as usize % DEPTH] = value;
        self.depth = depth.wrapping_add(1);
    }

    fn pop(&mut self) -> u64 {
        let depth = bpf::fresh(&self.depth).wrapping_sub(1);
        self.depth = depth;
        self.stack[depth as usize % DEPTH]
    }
}

fn run(io: &mut Io) -> u32 {
    io.depth = 0;
    for at in 0..TOKENS {
        if !bpf::can_loop() {
            break;
        }
        let token = io.tokens[at];
        if token.is_ascii_digit() {
            io.push(u64::from(token & 15));
            continue;
        }
        let operator = match token {
            b'%' => remainder,
            _ => OPERATORS[(token & 7) as usize],
        };
        let (b, a) = (io.pop(), io.pop());
        io.push(operator(a, b));
    }
    io.pop() as u32
}

bpf::syscall!(Io, run);
