//! An interpreter for a small stack machine: a `match` over its opcodes.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Size of the code, in bytes.
const CODE: usize = 32;
/// Size of the stack, in values.
const DEPTH: usize = 8;
/// Limit of executed instructions.
const STEPS: u32 = 24;

bpf::plain! {
    /// A program of the machine, and its results.
    struct Io {
        /// The code.
        code: [u8; CODE],
        /// The stack: initial values in, final values out.
        stack: [u64; DEPTH],
        /// Index of the next byte of code.
        at: u64,
        /// Index of the top of the stack, which wraps around.
        top: u64,
        /// Last value written by `OUT`.
        out: u64,
    }
}

/// Why a run ended.
const HALTED: u32 = 1;
const OUT_OF_STEPS: u32 = 2;
const ILLEGAL: u32 = 3;

impl Io {
    fn next_byte(&mut self) -> u8 {
        let at = bpf::fresh(&self.at) as usize;
        self.at = (at as u64).wrapping_add(1);
        self.code[at % CODE]
    }

    fn pop(&mut self) -> u64 {
        let top = bpf::fresh(&self.top);
        self.top = top.wrapping_sub(1);
        self.stack[top as usize % DEPTH]
    }

    fn push(&mut self, value: u64) {
        let top = bpf::fresh(&self.top).wrapping_add(1);
        self.top = top;
        self.stack[top as usize % DEPTH] = value;
    }

    fn binary(&mut self, operator: impl FnOnce(u64, u64) -> u64) {
        let (b, a) = (self.pop(), self.pop());
        self.push(operator(a, b));
    }
}

fn run(io: &mut Io) -> u32 {
    for _ in 0..STEPS {
        if !bpf::can_loop() {
            break;
        }
        let op = io.next_byte();
        match op & 31 {
            0 => return HALTED,
            1 => {
                let operand = io.next_byte();
                io.push(u64::from(operand));
            }
            2 => {
                io.pop();
            }
            3 => {
                let a = io.pop();
                io.push(a);
                io.push(a);
            }
            4 => {
                let (b, a) = (io.pop(), io.pop());
                io.push(b);
                io.push(a);
            }
            5 => io.binary(|a, b| a.wrapping_add(b)),
            6 => io.binary(|a, b| a.wrapping_sub(b)),
            7 => io.binary(|a, b| a.wrapping_mul(b)),
            8 => io.binary(|a, b| a.checked_div(b).unwrap_or(0)),
            9 => io.binary(|a, b| a & b),
            10 => io.binary(|a, b| a | b),
            11 => io.binary(|a, b| a ^ b),
            12 => {
                let a = io.pop();
                io.push(!a);
            }
            13 => io.binary(|a, b| a.wrapping_shl(b as u32)),
            14 => io.binary(|a, b| a.wrapping_shr(b as u32)),
            15 => io.binary(|a, b| u64::from(a < b)),
            16 => io.at = u64::from(io.next_byte()),
            17 => {
                let target = io.next_byte();
                if io.pop() == 0 {
                    io.at = u64::from(target);
                }
            }
            18 => io.out = io.pop(),
            19 => io.push(io.out),
            20 => {
                let a = io.pop();
                let count = io.next_byte();
                io.push(a.rotate_left(u32::from(count)));
            }
            21 => {
                let a = io.pop();
                io.push(u64::from(a.count_ones()));
            }
            _ => return ILLEGAL,
        }
    }
    OUT_OF_STEPS
}

bpf::syscall!(Io, run);
