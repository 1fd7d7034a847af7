//! Splits a line of source into tokens.

use super::error::Problem;

/// A token of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// A name, register or keyword.
    Word(&'s str),
    /// A number without its sign.
    Number(u64),
    /// An operator or bracket, one of [`SYMBOLS`].
    Symbol(&'static str),
}

/// Operators and brackets; longer ones come before their prefixes.
const SYMBOLS: [&str; 31] = [
    "s>>=", ">>=", "<<=", "s>=", "s<=", "s/=", "s%=", "==", "!=", ">=", "<=", "+=", "-=", "*=",
    "/=", "%=", "|=", "&=", "^=", "s>", "s<", ">", "<", "=", "&", "+", "-", "*", "(", ")", ",",
];

/// One-byte symbols that are not a prefix of another.
const BRACKETS: [&str; 3] = ["[", "]", ":"];

/// The line without its comment, trimmed.
pub(super) fn strip_comment(line: &str) -> &str {
    let bytes = line.as_bytes();
    let end = (0..bytes.len())
        .find(|&at| {
            matches!(bytes[at], b';' | b'#')
                || bytes[at] == b'/' && bytes.get(at + 1) == Some(&b'/')
        })
        .unwrap_or(bytes.len());
    line[..end].trim()
}

/// Whether a name may start with this byte.
pub(super) fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'$')
}

/// Whether this byte may follow in a name.
pub(super) fn continues_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit()
}

/// Appends the tokens of a line from which the comment was stripped.
pub(super) fn tokens<'s>(line: &'s str, out: &mut Vec<Token<'s>>) -> Result<(), Problem> {
    let mut rest = line.trim_start();
    while let Some(&first) = rest.as_bytes().first() {
        let (token, len) = if let Some(symbol) = symbol(rest) {
            (Token::Symbol(symbol), symbol.len())
        } else if continues_name(first) {
            let len = rest.bytes().take_while(|&byte| continues_name(byte)).count();
            let word = &rest[..len];
            let token = if first.is_ascii_digit() {
                Token::Number(number(word)?)
            } else {
                Token::Word(word)
            };
            (token, len)
        } else {
            let found = rest.chars().next().unwrap_or(' ');
            return Err(Problem::new(
                format!("the character {found:?} has no meaning here"),
                "names, numbers, and the operators of the notation",
            ));
        };
        out.push(token);
        rest = rest[len..].trim_start();
    }
    Ok(())
}

fn symbol(rest: &str) -> Option<&'static str> {
    // Most tokens are names and numbers, and `s` is the only letter that can start an operator.
    if rest.starts_with(|first: char| first != 's' && first.is_ascii_alphanumeric()) {
        return None;
    }
    SYMBOLS.into_iter().chain(BRACKETS).find(|symbol| rest.starts_with(symbol))
}

fn number(word: &str) -> Result<u64, Problem> {
    let parsed = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        // from_str_radix would accept a sign here, but tokens have none.
        Some(hex) => u64::from_str_radix(hex, 16),
        None => word.parse(),
    };
    parsed.map_err(|_| {
        Problem::new(
            format!("`{word}` is not a number of 64 bits"),
            "decimal digits, or 0x and hexadecimal digits",
        )
    })
}
