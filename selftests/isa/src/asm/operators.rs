//! Operators of the notation.

use super::cursor::Cursor;
use super::error::Problem;
use super::lex::Token;
use crate::op::{AluOp, Cond};

/// Parses an arithmetic assignment operator.
pub(super) fn alu_operator(cursor: &mut Cursor<'_, '_>) -> Result<AluOp, Problem> {
    let op = match cursor.peek() {
        Some(Token::Symbol("+=")) => AluOp::Add,
        Some(Token::Symbol("-=")) => AluOp::Sub,
        Some(Token::Symbol("*=")) => AluOp::Mul,
        Some(Token::Symbol("/=")) => AluOp::Div,
        Some(Token::Symbol("s/=")) => AluOp::SDiv,
        Some(Token::Symbol("%=")) => AluOp::Mod,
        Some(Token::Symbol("s%=")) => AluOp::SMod,
        Some(Token::Symbol("|=")) => AluOp::Or,
        Some(Token::Symbol("&=")) => AluOp::And,
        Some(Token::Symbol("^=")) => AluOp::Xor,
        Some(Token::Symbol("<<=")) => AluOp::Lsh,
        Some(Token::Symbol(">>=")) => AluOp::Rsh,
        Some(Token::Symbol("s>>=")) => AluOp::Arsh,
        _ => {
            return Err(cursor.unexpected(
                "`=` `+=` `-=` `*=` `/=` `s/=` `%=` `s%=` `|=` `&=` `^=` `<<=` `>>=` `s>>=`",
            ));
        }
    };
    cursor.next();
    Ok(op)
}

/// Parses the condition of a jump.
pub(super) fn condition(cursor: &mut Cursor<'_, '_>) -> Result<Cond, Problem> {
    let cond = match cursor.peek() {
        Some(Token::Symbol("==")) => Cond::Eq,
        Some(Token::Symbol("!=")) => Cond::Ne,
        Some(Token::Symbol(">")) => Cond::Gt,
        Some(Token::Symbol(">=")) => Cond::Ge,
        Some(Token::Symbol("<")) => Cond::Lt,
        Some(Token::Symbol("<=")) => Cond::Le,
        Some(Token::Symbol("s>")) => Cond::SGt,
        Some(Token::Symbol("s>=")) => Cond::SGe,
        Some(Token::Symbol("s<")) => Cond::SLt,
        Some(Token::Symbol("s<=")) => Cond::SLe,
        Some(Token::Symbol("&")) => Cond::Set,
        _ => {
            return Err(cursor.unexpected("`==` `!=` `>` `>=` `<` `<=` `s>` `s>=` `s<` `s<=` `&`"));
        }
    };
    cursor.next();
    Ok(cond)
}
