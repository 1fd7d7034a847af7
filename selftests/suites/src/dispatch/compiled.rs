//! Switches in loops as clang 22 compiles them: whether a state is kept at a place depends on how many
//! instructions and jumps lie between such places, so it takes a compiler's own layout to see what
//! the verifier makes of it.

use crate::builder::accepts;
use crate::{Case, Feature};

/// Title of the patch that all of them need.
const PATCH: &str = "bpf: Keep states where the ways of an indirect jump meet";

/// Rounds of the machines: bytes of their context.
const ROUNDS: u32 = 40;

/// `switch (state) { case N: sum OP= c * (N + 3); state = c & BIT ? SET : CLEAR; break; … }` in a loop
/// over the bytes of the context.
fn machine(states: u32, input: &[u8]) -> u32 {
    let (mut state, mut sum) = (0, 0_u32);
    for byte in input.iter().map(|byte| u32::from(*byte)) {
        let product = byte * (state + 3);
        sum = match state % 3 {
            0 => sum.wrapping_add(product),
            1 => sum.wrapping_sub(product),
            _ => sum ^ product,
        };
        let next = if byte & (1 << (state % 8)) != 0 { state * 7 + 3 } else { state * 5 + 1 };
        state = next % states;
    }
    sum.wrapping_add(state)
}

/// Digits make a number, brackets change the depth, operators add up and begin a new number, blanks do
/// nothing, NUL ends, all else is an error.
fn tokenizer(input: &[u8]) -> u32 {
    let (mut depth, mut value, mut sum) = (0, 0_u32, 0);
    for byte in input {
        match byte {
            b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_add(u32::from(byte - b'0')),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return u32::MAX,
            b')' | b']' | b'}' => depth -= 1,
            b'+' | b'-' | b'*' | b'/' => (sum, value) = (sum + u32::from(byte & 3) * 2 + 1, 0),
            b' ' | b'\t' | b'\n' | b'\r' => {}
            0 => return value + depth * 1000 + sum,
            _ => return u32::MAX - 1,
        }
    }
    value
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, about: &str, text: &str, inputs: Vec<(Vec<u8>, u32)>| -> Case {
        let case = accepts(name, about, text).needs(Feature::Gotox).fixed_by(PATCH);
        inputs.into_iter().fold(case, |case, (input, result)| case.run(input, result)).into()
    };
    let machines = |states: u32| {
        let input = |step: u32| (0..ROUNDS).map(|round| (round * step) as u8).collect::<Vec<_>>();
        [0, 37, 101].map(|step| (input(step), machine(states, &input(step)))).to_vec()
    };
    let tokens = |text: &[u8; 16]| (text.to_vec(), tokenizer(text));
    vec![
        case(
            "dispatch/compiled_machine_20",
            "20 states, each followed by one of two others",
            include_str!("compiled/machine_20.s"),
            machines(20),
        ),
        case(
            "dispatch/compiled_machine_48",
            "48 states, each followed by one of two others",
            include_str!("compiled/machine_48.s"),
            machines(48),
        ),
        case(
            "dispatch/compiled_tokenizer",
            "characters by class, 16 of them",
            include_str!("compiled/tokenizer.s"),
            [b"(12+3)*[4 5] - 6", b"1)23456789012345", b"{{7}\n8\0         ", b"1 + x           "]
                .map(tokens)
                .to_vec(),
        ),
    ]
}
