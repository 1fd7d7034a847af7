//! Parses one instruction.

use super::cursor::{Cursor, fit};
use super::error::Problem;
use super::lex::Token;
use super::memory;
use super::operators::{alu_operator, condition};
use crate::Insn;
use crate::op::{AluOp, EndianKind, Imm64, Op, Operand, Reg, Width};
use crate::opcode::MAX_REG;

/// An instruction with unresolved names.
#[derive(Debug)]
pub(super) enum Parsed<'s> {
    /// A complete instruction.
    Op(Op),
    /// A jump to a label; its offset is filled in later.
    Jump(Op, &'s str),
    /// `ld_imm64` of a symbol's address.
    Address { dst: Reg, symbol: &'s str, addend: i64 },
    /// `ld_imm64` of a map.
    Map { dst: Reg, symbol: &'s str },
    /// A call of a function or a helper.
    Call { symbol: &'s str },
    /// A raw slot.
    Raw(Insn),
}

const INSTRUCTIONS: &str = "a directive, `NAME:`, or an instruction: `r1 = …`, `w1 += …`, \
     `*(u64 *)(r1 +0) = …`, `lock *(…) += …`, `store_release(…)`, `if … goto …`, `goto`, `gotol`, \
     `may_goto`, `gotox`, `call`, `callx`, `exit`";

pub(super) fn parse<'s>(cursor: &mut Cursor<'_, 's>) -> Result<Parsed<'s>, Problem> {
    let parsed = start(cursor)?;
    cursor.expect_end()?;
    Ok(parsed)
}

fn start<'s>(cursor: &mut Cursor<'_, 's>) -> Result<Parsed<'s>, Problem> {
    if let Some((width, dst)) = cursor.try_register() {
        return assignment(cursor, width, dst);
    }
    if cursor.take("*") {
        return memory::store(cursor).map(Parsed::Op);
    }
    let before = cursor.clone();
    let Some(Token::Word(word)) = cursor.next() else {
        return Err(before.unexpected(INSTRUCTIONS));
    };
    let op = match word {
        "exit" => Op::Exit,
        "gotox" => Op::Gotox { reg: cursor.register(Width::W64)? },
        "callx" => Op::Callx { reg: cursor.register(Width::W64)? },
        "goto" => return jump(cursor, Op::Ja { off: 0, long: false }),
        "gotol" => return jump(cursor, Op::Ja { off: 0, long: true }),
        "may_goto" => return jump(cursor, Op::MayGoto { off: 0 }),
        "if" => return conditional(cursor),
        "call" => return call(cursor),
        "lock" => memory::lock(cursor)?,
        "store_release" => memory::store_release(cursor)?,
        ".insn" => return raw(cursor),
        _ => return Err(before.unexpected(INSTRUCTIONS)),
    };
    Ok(Parsed::Op(op))
}

/// A jump target: a label, or a signed offset, with or without leading `pc`.
fn jump<'s>(cursor: &mut Cursor<'_, 's>, op: Op) -> Result<Parsed<'s>, Problem> {
    skip_pc(cursor);
    if let Some(offset) = cursor.try_number() {
        return Ok(Parsed::Op(with_offset(op, offset)?));
    }
    let label = cursor.name("a label, or an offset in slots such as `+3`")?;
    Ok(Parsed::Jump(op, label))
}

/// Skips `pc` before a signed number; otherwise `pc` is a label.
fn skip_pc(cursor: &mut Cursor<'_, '_>) {
    let before = cursor.clone();
    if cursor.take_word("pc") && !matches!(cursor.peek(), Some(Token::Symbol("+" | "-"))) {
        *cursor = before;
    }
}

/// Sets the offset of a jump.
pub(super) fn with_offset(op: Op, offset: i128) -> Result<Op, Problem> {
    const FIELD: &str = "the jump's offset of 16 bits; `gotol` has 32";
    Ok(match op {
        Op::Ja { long: true, .. } => Op::Ja { off: fit(offset, "the jump's offset")?, long: true },
        Op::Ja { long: false, .. } => {
            Op::Ja { off: i32::from(fit::<i16>(offset, FIELD)?), long: false }
        }
        Op::MayGoto { .. } => Op::MayGoto { off: fit(offset, FIELD)? },
        Op::JumpCond { width, cond, dst, src, .. } => {
            Op::JumpCond { width, cond, dst, src, off: fit(offset, FIELD)? }
        }
        other => other,
    })
}

fn conditional<'s>(cursor: &mut Cursor<'_, 's>) -> Result<Parsed<'s>, Problem> {
    let (width, dst) = cursor
        .try_register()
        .ok_or_else(|| cursor.unexpected("a register r0 to r10 or w0 to w10"))?;
    let cond = condition(cursor)?;
    let src = operand(cursor, width)?;
    cursor.expect_word("goto")?;
    jump(cursor, Op::JumpCond { width, cond, dst, src, off: 0 })
}

fn call<'s>(cursor: &mut Cursor<'_, 's>) -> Result<Parsed<'s>, Problem> {
    const ACCEPTED: &str = "a function, a helper by name or number, `pc+3` for a function by its \
                            distance in slots, `kfunc ID BTF`";
    pc_relative(cursor).map_or_else(
        || {
            if let Some(id) = cursor.try_number() {
                return Ok(Parsed::Op(Op::CallHelper { id: fit(id, "the helper's number")? }));
            }
            let before = cursor.clone();
            if cursor.take_word("kfunc") && cursor.peek().is_some() {
                let id = cursor.number("the function's BTF id")?;
                let btf = cursor.number("the index of the BTF")?;
                return Ok(Parsed::Op(Op::CallKfunc { id, btf }));
            }
            *cursor = before;
            Ok(Parsed::Call { symbol: cursor.name(ACCEPTED)? })
        },
        |off| Ok(Parsed::Op(Op::CallLocal { off: fit(off, "the call's offset")? })),
    )
}

/// `pc` and a signed number, if they are next.
fn pc_relative(cursor: &mut Cursor<'_, '_>) -> Option<i128> {
    let before = cursor.clone();
    skip_pc(cursor);
    let found = matches!(cursor.peek(), Some(Token::Symbol("+" | "-")))
        && before.peek() == Some(Token::Word("pc"));
    let number = if found { cursor.try_number() } else { None };
    if number.is_none() {
        *cursor = before;
    }
    number
}

/// A register of this width, or an immediate.
pub(super) fn operand(cursor: &mut Cursor<'_, '_>, width: Width) -> Result<Operand, Problem> {
    let before = cursor.clone();
    if let Some((found, reg)) = cursor.try_register() {
        if found == width {
            return Ok(Operand::Reg(reg));
        }
        return Err(before.unexpected("a register of the same width as the left side"));
    }
    match cursor.try_number() {
        Some(number) => Ok(Operand::Imm(immediate(number, width)?)),
        None => Err(cursor.unexpected("a register or a number")),
    }
}

/// A 32-bit immediate. With `w` registers its sign does not matter; with `r` registers the kernel
/// sign-extends, which would change numbers from 0x80000000 up.
fn immediate(number: i128, width: Width) -> Result<i32, Problem> {
    if width == Width::W32
        && let Ok(unsigned) = u32::try_from(number)
    {
        return Ok(unsigned.cast_signed());
    }
    i32::try_from(number).map_err(|_| {
        let range = match width {
            Width::W32 => "-0x80000000 to 0xffffffff",
            Width::W64 => {
                "-0x80000000 to 0x7fffffff, which is extended with its sign, or \
                           `r1 = NUMBER ll`"
            }
        };
        Problem::new(format!("{number} ({number:#x}) does not fit an immediate"), range)
    })
}

fn assignment<'s>(
    cursor: &mut Cursor<'_, 's>,
    width: Width,
    dst: Reg,
) -> Result<Parsed<'s>, Problem> {
    if !cursor.take("=") {
        let op = alu_operator(cursor)?;
        let src = operand(cursor, width)?;
        return Ok(Parsed::Op(Op::Alu { width, op, dst, src }));
    }
    let before = cursor.clone();
    if let Some((found, src)) = cursor.try_register() {
        if found != width {
            return Err(before.unexpected("a register of the same width as the left side"));
        }
        let src = Operand::Reg(src);
        return Ok(Parsed::Op(Op::Alu { width, op: AluOp::Mov, dst, src }));
    }
    if let Some(number) = cursor.try_number() {
        if width == Width::W64 && cursor.take_word("ll") {
            let value = Imm64::Value(wide(number)?);
            return Ok(Parsed::Op(Op::LdImm64 { dst, value }));
        }
        let src = Operand::Imm(immediate(number, width)?);
        return Ok(Parsed::Op(Op::Alu { width, op: AluOp::Mov, dst, src }));
    }
    if cursor.take("-") {
        return match cursor.register(width) {
            Ok(reg) if reg == dst => Ok(Parsed::Op(Op::Neg { width, dst })),
            Ok(_) => Err(Problem::new(
                "negation works in place",
                "the same register on both sides: `r1 = -r1`",
            )),
            Err(problem) => Err(problem),
        };
    }
    if cursor.take("(") {
        return movsx(cursor, width, dst).map(Parsed::Op);
    }
    if width == Width::W32 {
        return Err(cursor.unexpected("a `w` register, a number, `-w…`, `(s8)w…`, `(s16)w…`"));
    }
    if cursor.take("*") {
        return memory::load(cursor, dst).map(Parsed::Op);
    }
    named(cursor, dst)
}

fn wide(number: i128) -> Result<u64, Problem> {
    match i64::try_from(number) {
        Ok(signed) => Ok(signed.cast_unsigned()),
        Err(_) => fit(number, "64 bits"),
    }
}

fn movsx(cursor: &mut Cursor<'_, '_>, width: Width, dst: Reg) -> Result<Op, Problem> {
    let bits = if cursor.take_word("s8") {
        8
    } else if cursor.take_word("s16") {
        16
    } else if width == Width::W64 && cursor.take_word("s32") {
        32
    } else {
        return Err(cursor.unexpected("`s8`, `s16`, and `s32` with `r` registers"));
    };
    cursor.expect(")")?;
    Ok(Op::MovSx { width, bits, dst, src: cursor.register(width)? })
}

/// A right side that starts with a word: a built-in function or a symbol.
fn named<'s>(cursor: &mut Cursor<'_, 's>, dst: Reg) -> Result<Parsed<'s>, Problem> {
    let word = cursor.name(
        "a register, a number, `-r…`, `(s8)r…`, `*(u64 *)(…)`, `be16 r…`, `atomic64_…(…)`, \
         `load_acquire(…)`, `addr_space_cast(…)`, `NAME ll`, `map NAME ll`",
    )?;
    // A symbol may be named like a keyword.
    let symbol = matches!(cursor.peek(), None | Some(Token::Word("ll") | Token::Symbol("+" | "-")))
        && !matches!(
            word,
            "func" | "map_fd" | "map_value" | "btf_id" | "map_idx" | "map_idx_value"
        );
    if !symbol {
        if let Some((kind, bits)) = endian(word) {
            if cursor.register(Width::W64)? != dst {
                return Err(Problem::new(
                    "the byte order is changed in place",
                    "the same register on both sides: `r1 = be16 r1`",
                ));
            }
            return Ok(Parsed::Op(Op::Endian { kind, bits, dst }));
        }
        if word == "map" {
            let symbol = cursor.name("the name of a map")?;
            cursor.expect_word("ll")?;
            return Ok(Parsed::Map { dst, symbol });
        }
        if let Some(op) = memory::fetch(cursor, word, dst)? {
            return Ok(Parsed::Op(op));
        }
        if let Some(value) = pseudo(cursor, word)? {
            cursor.expect_word("ll")?;
            return Ok(Parsed::Op(Op::LdImm64 { dst, value }));
        }
        if word == "addr_space_cast" {
            cursor.expect("(")?;
            let src = cursor.register(Width::W64)?;
            cursor.expect(",")?;
            let to = cursor.number("an address space")?;
            cursor.expect(",")?;
            let from = cursor.number("an address space")?;
            cursor.expect(")")?;
            return Ok(Parsed::Op(Op::AddrSpaceCast { dst, src, to, from }));
        }
    }
    let addend = match cursor.try_number() {
        Some(number) => fit(number, "the addend")?,
        None => 0,
    };
    cursor.expect_word("ll")?;
    Ok(Parsed::Address { dst, symbol: word, addend })
}

fn endian(word: &str) -> Option<(EndianKind, u8)> {
    let (kind, bits) = if let Some(bits) = word.strip_prefix("bswap") {
        (EndianKind::Swap, bits)
    } else if let Some(bits) = word.strip_prefix("be") {
        (EndianKind::Be, bits)
    } else {
        (EndianKind::Le, word.strip_prefix("le")?)
    };
    match bits {
        "16" => Some((kind, 16)),
        "32" => Some((kind, 32)),
        "64" => Some((kind, 64)),
        _ => None,
    }
}

/// The pseudo sources of `ld_imm64` with their numbers.
fn pseudo(cursor: &mut Cursor<'_, '_>, word: &str) -> Result<Option<Imm64>, Problem> {
    Ok(Some(match word {
        "map_fd" => Imm64::MapFd(cursor.number("a descriptor")?),
        "map_value" => {
            let fd = cursor.number("a descriptor")?;
            Imm64::MapValue { fd, off: cursor.number("an offset in the value")? }
        }
        "btf_id" => {
            let id = cursor.number("a BTF id")?;
            Imm64::BtfId { id, btf_fd: cursor.number("a descriptor")? }
        }
        "func" => Imm64::Func { off: cursor.number("the distance in slots")? },
        "map_idx" => Imm64::MapIdx(cursor.number("an index")?),
        "map_idx_value" => {
            let idx = cursor.number("an index")?;
            Imm64::MapIdxValue { idx, off: cursor.number("an offset in the value")? }
        }
        _ => return Ok(None),
    }))
}

fn raw<'s>(cursor: &mut Cursor<'_, '_>) -> Result<Parsed<'s>, Problem> {
    let code = cursor.number("an opcode")?;
    let mut register = || -> Result<u8, Problem> {
        let number: u8 = cursor.number("a register field")?;
        if number < 16 {
            return Ok(number);
        }
        Err(Problem::new(
            format!("{number} does not fit a register field"),
            format!("0 to 15, of which 0 to {} exist", MAX_REG - 1),
        ))
    };
    let (dst, src) = (register()?, register()?);
    let off = cursor.number("the offset")?;
    let imm = immediate(cursor.number("the immediate")?, Width::W32)?;
    Ok(Parsed::Raw(Insn { code, dst, src, off, imm }))
}
