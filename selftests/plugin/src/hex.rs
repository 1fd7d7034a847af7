//! Hex in the runner's format: two digits per byte, white space anywhere between digits.

use thiserror::Error;

/// Why text is not hex.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum HexError {
    #[error("byte {at} is `{}`, which is neither a hexadecimal digit nor white space", .byte.escape_ascii())]
    Digit { at: usize, byte: u8 },
    #[error("{0} digits do not make whole bytes")]
    Odd(usize),
}

/// Parses the bytes of an argument.
pub(crate) fn parse(text: &str) -> Result<Box<[u8]>, HexError> {
    bytes(text.as_bytes())
}

/// Parses the bytes of a text.
pub(crate) fn bytes(text: &[u8]) -> Result<Box<[u8]>, HexError> {
    let mut digits = Vec::with_capacity(text.len());
    for (at, &byte) in text.iter().enumerate() {
        match char::from(byte).to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None if byte.is_ascii_whitespace() => {}
            None => return Err(HexError::Digit { at, byte }),
        }
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(HexError::Odd(digits.len()));
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_does_not_matter() {
        assert_eq!(parse("0aFf"), Ok([0x0a, 0xff].into()));
        assert_eq!(parse(" 0 a\n\tff\r\n"), Ok([0x0a, 0xff].into()));
        assert_eq!(parse(""), Ok([].into()));
    }

    #[test]
    fn what_is_not_hex_is_named() {
        assert_eq!(parse("0 0 0"), Err(HexError::Odd(3)));
        assert_eq!(parse("00 0x"), Err(HexError::Digit { at: 4, byte: b'x' }));
        assert!(bytes(b"\xff").unwrap_err().to_string().contains(r"`\xff`"));
    }
}
