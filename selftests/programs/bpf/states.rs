//! The state pattern: each state is a function that reads a byte and returns the next state. The
//! states recognise numbers in decimal, hexadecimal and with an exponent.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Size of the text, in bytes.
const TEXT: usize = 16;

bpf::plain! {
    /// A text and the numbers in it.
    struct Io {
        /// The text.
        text: [u8; TEXT],
        /// Completed numbers.
        numbers: u64,
        /// The current number.
        value: u64,
        /// Sum of the completed numbers.
        sum: u64,
    }
}

/// A state: takes a byte, returns the next state.
#[derive(Clone, Copy)]
struct State(fn(&mut Io, u8) -> State);

impl Io {
    fn complete(&mut self) {
        self.numbers = self.numbers.wrapping_add(1);
        self.sum = self.sum.wrapping_add(self.value);
        self.value = 0;
    }
}

fn between(io: &mut Io, byte: u8) -> State {
    match byte {
        b'0' => State(after_zero),
        b'1'..=b'9' => {
            io.value = u64::from(byte & 15);
            State(decimal)
        }
        b'a'..=b'z' | b'A'..=b'Z' => State(word),
        _ => State(between),
    }
}

fn after_zero(io: &mut Io, byte: u8) -> State {
    match byte {
        b'x' => State(hexadecimal),
        b'0'..=b'9' => decimal(io, byte),
        _ => {
            io.complete();
            State(between)
        }
    }
}

fn decimal(io: &mut Io, byte: u8) -> State {
    if byte.is_ascii_digit() {
        io.value = io.value.wrapping_mul(10).wrapping_add(u64::from(byte & 15));
        State(decimal)
    } else if byte == b'e' {
        State(exponent)
    } else {
        io.complete();
        State(between)
    }
}

fn hexadecimal(io: &mut Io, byte: u8) -> State {
    let digit = match byte {
        b'0'..=b'9' => byte & 15,
        b'a'..=b'f' => (byte & 7).wrapping_add(9),
        _ => {
            io.complete();
            return State(between);
        }
    };
    io.value = io.value << 4 | u64::from(digit);
    State(hexadecimal)
}

fn exponent(io: &mut Io, byte: u8) -> State {
    io.value = io.value.wrapping_shl(u32::from(byte & 15));
    io.complete();
    State(between)
}

fn word(_: &mut Io, byte: u8) -> State {
    if byte.is_ascii_alphabetic() || byte.is_ascii_digit() { State(word) } else { State(between) }
}

fn run(io: &mut Io) -> u32 {
    io.numbers = 0;
    io.value = 0;
    io.sum = 0;
    let mut state = State(between);
    for at in 0..TEXT {
        if !bpf::can_loop() {
            break;
        }
        let byte = io.text[at];
        state = (state.0)(io, byte);
    }
    (state.0)(io, b'\n');
    io.numbers as u32
}

bpf::syscall!(Io, run);
