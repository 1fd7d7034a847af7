//! Inputs of the programs: mostly valid, so that they get far, and sometimes invalid.

use crate::random::Random;

/// Fills the context with arbitrary bytes.
pub(crate) fn bytes(random: &mut Random, context: &mut [u8]) -> Vec<u8> {
    random.fill(context);
    Vec::new()
}

/// Code for `bytecode`, with few unknown opcodes.
pub(crate) fn bytecode(random: &mut Random, context: &mut [u8]) -> Vec<u8> {
    random.fill(context);
    for byte in context.iter_mut().take(32) {
        if random.below(16) != 0 {
            *byte = 1 + *byte % 21;
        }
    }
    Vec::new()
}

/// A text of 32 bytes from an alphabet, at the start of the context.
fn text(random: &mut Random, context: &mut [u8], alphabet: &[u8]) -> Vec<u8> {
    random.fill(context);
    for byte in context.iter_mut().take(32) {
        if random.below(64) != 0 {
            *byte = random.one_of(alphabet);
        }
    }
    Vec::new()
}

/// A text for `lexer`.
pub(crate) fn source(random: &mut Random, context: &mut [u8]) -> Vec<u8> {
    text(random, context, b"(()) ,;+-*/%&!<>==0123456789abcxyz_\" ")
}

/// Digits and operators for `calculator`.
pub(crate) fn expression(random: &mut Random, context: &mut [u8]) -> Vec<u8> {
    random.fill(context);
    for (at, byte) in context.iter_mut().take(16).enumerate() {
        let operators: &[u8] = if at < 4 { b"123456789" } else { b"1234567890*+-/%<>" };
        *byte = random.one_of(operators);
    }
    Vec::new()
}

/// Words and numbers for `states`.
pub(crate) fn numbers(random: &mut Random, context: &mut [u8]) -> Vec<u8> {
    text(random, context, b"0x0x12345678e9af zq  ")
}

/// A program for `forth` that does not end immediately.
pub(crate) fn words(random: &mut Random, context: &mut [u8]) -> Vec<u8> {
    random.fill(context);
    for byte in context.iter_mut().take(16) {
        if random.below(12) != 0 {
            *byte = 1 + *byte % 15;
        }
    }
    Vec::new()
}

/// TCP options for `tlv`, some of them malformed.
pub(crate) fn options(random: &mut Random, context: &mut [u8]) -> Vec<u8> {
    random.fill(context);
    let mut list = Vec::new();
    while list.len() < 32 {
        let option: &[u8] = match random.below(9) {
            0 => &[1],
            1 => &[2, 4, 5, 180],
            2 => &[3, 3, 7],
            3 => &[4, 2],
            4 | 5 => &[8, 10, 0, 0, 1, 2, 0, 0, 0, 0],
            6 => &[5, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            7 => &[3, 3, 15],
            _ => &[1, 0],
        };
        list.extend_from_slice(option);
    }
    for (to, from) in context.iter_mut().zip(list.iter().take(32)) {
        *to = *from;
    }
    Vec::new()
}

/// An Ethernet frame with IPv4, IPv6, ARP or something else, sometimes truncated.
pub(crate) fn packet(random: &mut Random, _: &mut [u8]) -> Vec<u8> {
    let mut frame = vec![0; 64 + random.below(32)];
    random.fill(&mut frame);
    let kind = random.below(8);
    let ether_type: u16 = match kind {
        0..=3 => 0x0800,
        4 | 5 => 0x86dd,
        6 => 0x8100,
        _ => 0x0806,
    };
    frame[12..14].copy_from_slice(&ether_type.to_be_bytes());
    let protocol = random.one_of(&[1, 6, 6, 17, 17, 58]);
    let ports = match kind {
        0..=3 => {
            frame[14] = 0x45 + random.one_of(&[0, 0, 0, 1]);
            frame[23] = protocol;
            14 + 4 * usize::from(frame[14] & 15)
        }
        4 | 5 => {
            frame[14] = 0x60;
            frame[20] = protocol;
            54
        }
        _ => {
            frame[16..18].copy_from_slice(&0x0800_u16.to_be_bytes());
            frame[27] = protocol;
            38
        }
    };
    let port = [22_u16, 53, 80, 443, 5000, 100][random.below(6)];
    frame[ports + 2..ports + 4].copy_from_slice(&port.to_be_bytes());
    if random.below(8) == 0 {
        frame.truncate(14 + random.below(40));
    }
    frame
}
