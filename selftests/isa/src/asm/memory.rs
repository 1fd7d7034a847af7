//! Parses memory accesses: loads, stores, atomics, packet access.

use super::cursor::Cursor;
use super::error::Problem;
use super::instruction::operand;
use super::lex::Token;
use crate::op::{AtomicOp, Op, Reg, Size, Width};
use crate::opcode::REG_PARAMS;

/// Type of the access of a load.
struct Access {
    size: Size,
    signed: bool,
}

/// Size, base register, offset.
type Place = (Size, Reg, i16);

/// `(u64 *)`, after a `*`.
fn access(cursor: &mut Cursor<'_, '_>) -> Result<Access, Problem> {
    const ACCEPTED: &str = "`u8`, `u16`, `u32`, `u64`, and in loads `s8`, `s16`, `s32`";
    cursor.expect("(")?;
    let (size, signed) = match cursor.peek() {
        Some(Token::Word("u8")) => (Size::B, false),
        Some(Token::Word("u16")) => (Size::H, false),
        Some(Token::Word("u32")) => (Size::W, false),
        Some(Token::Word("u64")) => (Size::Dw, false),
        Some(Token::Word("s8")) => (Size::B, true),
        Some(Token::Word("s16")) => (Size::H, true),
        Some(Token::Word("s32")) => (Size::W, true),
        _ => return Err(cursor.unexpected(ACCEPTED)),
    };
    cursor.next();
    cursor.expect("*")?;
    cursor.expect(")")?;
    Ok(Access { size, signed })
}

/// `(r1 +8)`.
fn address(cursor: &mut Cursor<'_, '_>) -> Result<(Reg, i16), Problem> {
    cursor.expect("(")?;
    let base = cursor.base()?;
    if !matches!(cursor.peek(), Some(Token::Symbol("+" | "-"))) {
        return Err(cursor.unexpected("an offset in bytes with its sign, such as `+0`"));
    }
    let off = cursor.number("the offset of 16 bits")?;
    cursor.expect(")")?;
    Ok((base, off))
}

/// `(u64 *)(r1 +8)`, without sign extension and without r11.
fn place(cursor: &mut Cursor<'_, '_>) -> Result<Place, Problem> {
    let Access { size, signed } = access(cursor)?;
    let (base, off) = address(cursor)?;
    if signed {
        return Err(Problem::new("only loads extend a sign", "`u8`, `u16`, `u32`, `u64`"));
    }
    if base == REG_PARAMS {
        return Err(no_stack_arg());
    }
    Ok((size, base, off))
}

fn no_stack_arg() -> Problem {
    Problem::new(
        "r11 serves arguments beyond the fifth alone",
        "`rX = *(u64 *)(r11 +N)` and `*(u64 *)(r11 -N) = …` with a multiple of 8 from 8 on",
    )
}

/// The text after `rX = *`.
pub(super) fn load(cursor: &mut Cursor<'_, '_>, dst: Reg) -> Result<Op, Problem> {
    let Access { size, signed } = access(cursor)?;
    if cursor.take_word("skb") {
        return packet(cursor, size, signed, dst);
    }
    let (base, off) = address(cursor)?;
    if base != REG_PARAMS {
        return Ok(Op::Load { size, signed, dst, base, off });
    }
    if size == Size::Dw && off > 0 && off % 8 == 0 {
        return Ok(Op::LoadStackArg { dst, off });
    }
    Err(no_stack_arg())
}

fn packet(cursor: &mut Cursor<'_, '_>, size: Size, signed: bool, dst: Reg) -> Result<Op, Problem> {
    if signed || size == Size::Dw || dst != 0 {
        return Err(Problem::new(
            "packet access loads 1, 2 or 4 bytes into r0",
            "`r0 = *(u8 *)skb[…]`, `u16`, `u32`",
        ));
    }
    cursor.expect("[")?;
    let index = cursor.try_register();
    if let Some((Width::W32, _)) = index {
        return Err(Problem::new("the index is an `r` register", "`skb[r1 + 4]`"));
    }
    if index.is_some() && !cursor.take("+") && cursor.peek() != Some(Token::Symbol("-")) {
        return Err(cursor.unexpected("`+` and an offset"));
    }
    let off = cursor.number("the offset")?;
    cursor.expect("]")?;
    Ok(Op::Packet { size, index: index.map(|(_, reg)| reg), off })
}

/// The text after the first `*` of a line.
pub(super) fn store(cursor: &mut Cursor<'_, '_>) -> Result<Op, Problem> {
    let Access { size, signed } = access(cursor)?;
    let (base, off) = address(cursor)?;
    cursor.expect("=")?;
    let src = operand(cursor, Width::W64)?;
    if signed {
        return Err(Problem::new("only loads extend a sign", "`u8`, `u16`, `u32`, `u64`"));
    }
    if base != REG_PARAMS {
        return Ok(Op::Store { size, base, off, src });
    }
    if size == Size::Dw && off < 0 && off % 8 == 0 {
        return Ok(Op::StoreStackArg { off, src });
    }
    Err(no_stack_arg())
}

/// The text after `lock`.
pub(super) fn lock(cursor: &mut Cursor<'_, '_>) -> Result<Op, Problem> {
    cursor.expect("*")?;
    let (size, base, off) = place(cursor)?;
    let op = match cursor.peek() {
        Some(Token::Symbol("+=")) => AtomicOp::Add,
        Some(Token::Symbol("|=")) => AtomicOp::Or,
        Some(Token::Symbol("&=")) => AtomicOp::And,
        Some(Token::Symbol("^=")) => AtomicOp::Xor,
        _ => return Err(cursor.unexpected("`+=` `|=` `&=` `^=`")),
    };
    cursor.next();
    let src = cursor.register(Width::W64)?;
    atomic_size(size, None)?;
    Ok(Op::Atomic { op, size, base, off, src })
}

/// The text after `store_release`.
pub(super) fn store_release(cursor: &mut Cursor<'_, '_>) -> Result<Op, Problem> {
    cursor.expect("(")?;
    let (size, base, off) = place(cursor)?;
    cursor.expect(",")?;
    let src = cursor.register(Width::W64)?;
    cursor.expect(")")?;
    Ok(Op::StoreRelease { size, base, off, src })
}

/// The functions that access memory atomically; `None` if `word` is not one of them.
pub(super) fn fetch(
    cursor: &mut Cursor<'_, '_>,
    word: &str,
    dst: Reg,
) -> Result<Option<Op>, Problem> {
    if word == "load_acquire" {
        cursor.expect("(")?;
        let (size, base, off) = place(cursor)?;
        cursor.expect(")")?;
        return Ok(Some(Op::LoadAcquire { size, dst, base, off }));
    }
    let (wide, name) = match word.strip_prefix("atomic64_") {
        Some(name) => (true, name),
        None => match word.strip_prefix("atomic_") {
            Some(name) => (false, name),
            None => return Ok(None),
        },
    };
    let op = match name {
        "fetch_add" => AtomicOp::FetchAdd,
        "fetch_or" => AtomicOp::FetchOr,
        "fetch_and" => AtomicOp::FetchAnd,
        "fetch_xor" => AtomicOp::FetchXor,
        "xchg" => AtomicOp::Xchg,
        "cmpxchg" => AtomicOp::Cmpxchg,
        _ => {
            return Err(Problem::new(
                format!("there is no atomic operation `{name}`"),
                "`fetch_add`, `fetch_or`, `fetch_and`, `fetch_xor`, `xchg`, `cmpxchg`",
            ));
        }
    };
    cursor.expect("(")?;
    let (size, base, off) = place(cursor)?;
    atomic_size(size, Some(wide))?;
    cursor.expect(",")?;
    let mut src = cursor.register(Width::W64)?;
    let mut result = src;
    if op == AtomicOp::Cmpxchg {
        result = 0;
        if src != 0 {
            return Err(Problem::new("cmpxchg compares with r0", "`…, r0, rX)`"));
        }
        cursor.expect(",")?;
        src = cursor.register(Width::W64)?;
    }
    cursor.expect(")")?;
    if dst != result {
        return Err(Problem::new(
            format!("the old value goes to r{result}, not to r{dst}"),
            "the operand's register on the left side, r0 for cmpxchg",
        ));
    }
    Ok(Some(Op::Atomic { op, size, base, off, src }))
}

fn atomic_size(size: Size, wide: Option<bool>) -> Result<(), Problem> {
    let fits = match size {
        Size::W => wide != Some(true),
        Size::Dw => wide != Some(false),
        Size::B | Size::H => false,
    };
    if fits {
        return Ok(());
    }
    Err(Problem::new(
        "the size does not fit the atomic operation",
        "`u32` with `atomic_…`, `u64` with `atomic64_…`, either with `lock`",
    ))
}
