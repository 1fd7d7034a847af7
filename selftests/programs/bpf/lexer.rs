//! A lexer: a `match` over the first byte of a token.

#![cfg_attr(target_arch = "bpf", no_std)]

/// Size of the text, in bytes.
const TEXT: usize = 32;
/// Limit of recorded tokens.
const TOKENS: usize = 16;

bpf::plain! {
    /// A text and its tokens.
    struct Io {
        /// The text.
        text: [u8; TEXT],
        /// Kind and length of each token, four bits each.
        tokens: [u8; TOKENS],
        /// Index of the next byte.
        at: u64,
        /// Tokens so far.
        count: u64,
        /// The sum of all numbers in the text.
        sum: u64,
        /// Nesting depth of brackets.
        depth: u64,
    }
}

const SPACE: u8 = 0;
const NUMBER: u8 = 1;
const WORD: u8 = 2;
const OPERATOR: u8 = 3;
const COMPARISON: u8 = 4;
const OPEN: u8 = 5;
const CLOSE: u8 = 6;
const SEPARATOR: u8 = 7;
const STRING: u8 = 8;

impl Io {
    fn peek(&self) -> u8 {
        self.text[bpf::fresh(&self.at) as usize % TEXT]
    }

    fn advance(&mut self) {
        self.at = bpf::fresh(&self.at).wrapping_add(1);
    }

    fn token(&mut self, kind: u8, length: u8) {
        let count = bpf::fresh(&self.count);
        self.tokens[count as usize % TOKENS] = kind << 4 | length & 15;
        self.count = count.wrapping_add(1);
    }

    /// An operator of one byte, or of two if `=` follows.
    fn maybe_equals(&mut self, alone: u8) {
        if self.peek() == b'=' {
            self.advance();
            self.token(COMPARISON, 2);
        } else {
            self.token(alone, 1);
        }
    }

    #[inline(never)]
    fn number(&mut self, first: u8) {
        let mut value = u64::from(first.wrapping_sub(b'0'));
        let mut length = 1;
        for _ in 0..8 {
            let digit = self.peek();
            if !bpf::can_loop() || !digit.is_ascii_digit() {
                break;
            }
            self.advance();
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')));
            length += 1;
        }
        self.sum = self.sum.wrapping_add(value);
        self.token(NUMBER, length);
    }

    #[inline(never)]
    fn word(&mut self) {
        let mut length = 1;
        for _ in 0..8 {
            if !bpf::can_loop() || !self.peek().is_ascii_alphabetic() {
                break;
            }
            self.advance();
            length += 1;
        }
        self.token(WORD, length);
    }

    #[inline(never)]
    fn string(&mut self) {
        for length in 0..12 {
            let byte = self.peek();
            self.advance();
            if !bpf::can_loop() || byte == b'"' {
                self.token(STRING, length);
                return;
            }
        }
    }
}

/// The whole text was tokenised.
const DONE: u32 = 0;
/// A byte does not start any token.
const ILLEGAL: u32 = 1;
/// Brackets do not match.
const UNBALANCED: u32 = 2;

fn run(io: &mut Io) -> u32 {
    io.at = 0;
    io.count = 0;
    io.sum = 0;
    io.depth = 0;
    for _ in 0..TEXT {
        if !bpf::can_loop() || bpf::fresh(&io.at) >= TEXT as u64 {
            break;
        }
        let byte = io.peek();
        io.advance();
        match byte {
            b' ' => io.token(SPACE, 1),
            b'!' => io.maybe_equals(OPERATOR),
            b'"' => io.string(),
            b'%' | b'&' | b'*' | b'+' | b'-' | b'/' => io.token(OPERATOR, 1),
            b'(' => {
                io.depth = io.depth.wrapping_add(1);
                io.token(OPEN, 1);
            }
            b')' => {
                if io.depth == 0 {
                    return UNBALANCED;
                }
                io.depth = io.depth.wrapping_sub(1);
                io.token(CLOSE, 1);
            }
            b',' | b';' => io.token(SEPARATOR, 1),
            b'0'..=b'9' => io.number(byte),
            b'<' | b'>' => io.maybe_equals(COMPARISON),
            b'=' => io.maybe_equals(OPERATOR),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => io.word(),
            _ => return ILLEGAL,
        }
    }
    if io.depth == 0 { DONE } else { UNBALANCED }
}

bpf::syscall!(Io, run);
