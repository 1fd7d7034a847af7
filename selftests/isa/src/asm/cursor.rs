//! Reads the tokens of one line in order.

use super::error::Problem;
use super::lex::Token;
use crate::op::{Reg, Width};
use crate::opcode::{MAX_REG, REG_PARAMS};

/// A position in the tokens of a line.
#[derive(Clone)]
pub(super) struct Cursor<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
}

/// Description of an integer, for errors.
const NUMBER: &str = "a number, decimal or 0x hexadecimal, with or without a sign";

impl<'t, 's> Cursor<'t, 's> {
    pub(super) fn new(tokens: &'t [Token<'s>]) -> Self {
        Self { tokens, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<Token<'s>> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<Token<'s>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// An error: the next token is not `accepted`.
    pub(super) fn unexpected(&self, accepted: impl Into<String>) -> Problem {
        let found = match self.peek() {
            None => "the line ends too early".to_owned(),
            Some(Token::Word(word)) => format!("`{word}` is unexpected"),
            Some(Token::Number(number)) => format!("`{number}` is unexpected"),
            Some(Token::Symbol(symbol)) => format!("`{symbol}` is unexpected"),
        };
        Problem::new(found, accepted)
    }

    /// Consumes the symbol if it is next.
    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(here)) if here == symbol);
        self.at += usize::from(found);
        found
    }

    /// Consumes the word if it is next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(Token::Word(word));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(format!("`{symbol}`"))) }
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Problem> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(format!("`{word}`"))) }
    }

    pub(super) fn expect_end(&self) -> Result<(), Problem> {
        if self.at >= self.tokens.len() {
            Ok(())
        } else {
            Err(self.unexpected("the end of the instruction"))
        }
    }

    /// Any word that is not a register name.
    pub(super) fn name(&mut self, accepted: &str) -> Result<&'s str, Problem> {
        match self.peek() {
            Some(Token::Word(word)) if register(word).is_none() => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected(accepted)),
        }
    }

    /// A register r0 to r10 or w0 to w10, if it is next.
    pub(super) fn try_register(&mut self) -> Option<(Width, Reg)> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        let found = register(word).filter(|&(_, reg)| reg < MAX_REG);
        self.at += usize::from(found.is_some());
        found
    }

    /// A register of this width.
    pub(super) fn register(&mut self, width: Width) -> Result<Reg, Problem> {
        let before = self.at;
        match self.try_register() {
            Some((found, reg)) if found == width => Ok(reg),
            _ => {
                self.at = before;
                Err(self.unexpected(match width {
                    Width::W64 => "a register r0 to r10",
                    Width::W32 => "a register w0 to w10",
                }))
            }
        }
    }

    /// The base of an address: r0 to r10, or r11, which is for further arguments.
    pub(super) fn base(&mut self) -> Result<Reg, Problem> {
        if self.peek() == Some(Token::Word("r11")) {
            self.at += 1;
            return Ok(REG_PARAMS);
        }
        self.register(Width::W64)
    }

    /// An integer, if it is next.
    pub(super) fn try_number(&mut self) -> Option<i128> {
        let before = self.at;
        let negative = self.take("-");
        if !negative {
            self.take("+");
        }
        if let Some(Token::Number(number)) = self.next() {
            let number = i128::from(number);
            return Some(if negative { -number } else { number });
        }
        self.at = before;
        None
    }

    /// An integer that fits into the field.
    pub(super) fn number<T: TryFrom<i128>>(&mut self, field: &str) -> Result<T, Problem> {
        let number = self.try_number().ok_or_else(|| self.unexpected(NUMBER))?;
        fit(number, field)
    }
}

/// Converts a number to the type of its field.
pub(super) fn fit<T: TryFrom<i128>>(number: i128, field: &str) -> Result<T, Problem> {
    T::try_from(number).map_err(|_| {
        let bits = 8 * size_of::<T>();
        Problem::new(
            format!("{number} ({number:#x}) does not fit {field}"),
            match T::try_from(-1) {
                Ok(_) => format!("numbers of {bits} bits with sign"),
                Err(_) => format!("numbers of {bits} bits without sign"),
            },
        )
    })
}

/// Width and number of a word that looks like a register, whether it exists or not.
pub(super) fn register(word: &str) -> Option<(Width, Reg)> {
    let (width, digits) = match word.as_bytes() {
        [b'r', digits @ ..] => (Width::W64, digits),
        [b'w', digits @ ..] => (Width::W32, digits),
        _ => return None,
    };
    match *digits {
        [digit @ b'0'..=b'9'] => Some((width, digit - b'0')),
        [tens @ b'1'..=b'9', units @ b'0'..=b'9'] => {
            Some((width, (tens - b'0') * 10 + (units - b'0')))
        }
        _ => None,
    }
}
