//! The operations as data: notation and result, in plain Rust.
//!
//! Independent of the model. RFC 9669 section 4.1 defines overflow, division by zero and shift
//! counts.

/// Width of an operation, the letter before a register's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    W32,
    W64,
}

impl Width {
    pub(super) const BOTH: [Self; 2] = [Self::W64, Self::W32];

    /// `r` or `w`.
    pub(super) fn letter(self) -> char {
        match self {
            Self::W32 => 'w',
            Self::W64 => 'r',
        }
    }

    /// For names of cases.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }
}

/// An operation with two operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binary {
    /// A word for names of cases.
    pub(super) name: &'static str,
    /// The operator between the operands.
    sign: &'static str,
    wide: fn(u64, u64) -> u64,
    /// `None` if there is no 32-bit form.
    narrow: Option<fn(u32, u32) -> u32>,
    /// Which immediates are valid at this width: `None` if there is no such form.
    takes: Option<fn(i32, Width) -> bool>,
}

impl Binary {
    pub(super) fn has(&self, width: Width) -> bool {
        width == Width::W64 || self.narrow.is_some()
    }

    /// The instruction with two registers.
    pub(super) fn registers(&self, width: Width, dst: usize, src: usize) -> String {
        let l = width.letter();
        format!("{l}{dst} {}{l}{src}", self.sign)
    }

    /// The instruction with an immediate, if the verifier accepts it.
    pub(super) fn immediate(&self, width: Width, dst: usize, imm: i32) -> Option<String> {
        let takes = self.takes.is_some_and(|takes| takes(imm, width)) && self.has(width);
        takes.then(|| format!("{}{dst} {}{imm}", width.letter(), self.sign))
    }

    /// All 64 bits of the result.
    pub(super) fn eval(&self, width: Width, dst: u64, src: u64) -> u64 {
        match (width, self.narrow) {
            (Width::W32, Some(narrow)) => u64::from(narrow(dst as u32, src as u32)),
            _ => (self.wide)(dst, src),
        }
    }
}

const ANY: Option<fn(i32, Width) -> bool> = Some(|_, _| true);
/// "div by zero" in `check_alu_op` of `kernel/bpf/verifier.c`.
const NOT_ZERO: Option<fn(i32, Width) -> bool> = Some(|imm, _| imm != 0);
/// "invalid shift" in the same function.
const COUNT: Option<fn(i32, Width) -> bool> =
    Some(|imm, width| u32::try_from(imm).is_ok_and(|count| count < width.bits()));

const fn binary(
    name: &'static str,
    sign: &'static str,
    wide: fn(u64, u64) -> u64,
    narrow: fn(u32, u32) -> u32,
    takes: Option<fn(i32, Width) -> bool>,
) -> Binary {
    Binary { name, sign, wide, narrow: Some(narrow), takes }
}

/// Addition to exclusive or.
pub(super) const ALU: [Binary; 6] = [
    binary("add", "+= ", u64::wrapping_add, u32::wrapping_add, ANY),
    binary("sub", "-= ", u64::wrapping_sub, u32::wrapping_sub, ANY),
    binary("mul", "*= ", u64::wrapping_mul, u32::wrapping_mul, ANY),
    binary("or", "|= ", |a, b| a | b, |a, b| a | b, ANY),
    binary("and", "&= ", |a, b| a & b, |a, b| a & b, ANY),
    binary("xor", "^= ", |a, b| a ^ b, |a, b| a ^ b, ANY),
];

/// Division and remainder, both signs.
pub(super) const DIVISION: [Binary; 4] = [
    binary(
        "div",
        "/= ",
        |a, b| a.checked_div(b).unwrap_or(0),
        |a, b| a.checked_div(b).unwrap_or(0),
        NOT_ZERO,
    ),
    binary(
        "mod",
        "%= ",
        |a, b| a.checked_rem(b).unwrap_or(a),
        |a, b| a.checked_rem(b).unwrap_or(a),
        NOT_ZERO,
    ),
    binary(
        "sdiv",
        "s/= ",
        |a, b| if b == 0 { 0 } else { (a as i64).wrapping_div(b as i64) as u64 },
        |a, b| if b == 0 { 0 } else { (a as i32).wrapping_div(b as i32) as u32 },
        NOT_ZERO,
    ),
    binary(
        "smod",
        "s%= ",
        |a, b| if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 },
        |a, b| if b == 0 { a } else { (a as i32).wrapping_rem(b as i32) as u32 },
        NOT_ZERO,
    ),
];

/// Shifts: the count is taken modulo the width.
pub(super) const SHIFTS: [Binary; 3] = [
    binary("lsh", "<<= ", |a, b| a << (b % 64), |a, b| a << (b % 32), COUNT),
    binary("rsh", ">>= ", |a, b| a >> (b % 64), |a, b| a >> (b % 32), COUNT),
    binary(
        "arsh",
        "s>>= ",
        |a, b| (a as i64 >> (b % 64)) as u64,
        |a, b| (a as i32 >> (b % 32)) as u32,
        COUNT,
    ),
];

/// Moves, including sign-extending ones.
pub(super) const MOVES: [Binary; 4] = [
    binary("mov", "= ", |_, b| b, |_, b| b, ANY),
    binary("movs8", "= (s8)", |_, b| b as i8 as u64, |_, b| b as i8 as u32, None),
    binary("movs16", "= (s16)", |_, b| b as i16 as u64, |_, b| b as i16 as u32, None),
    Binary {
        name: "movs32",
        sign: "= (s32)",
        wide: |_, b| b as i32 as u64,
        narrow: None,
        takes: None,
    },
];

/// An operation with one operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unary {
    /// The operator before the operand.
    sign: &'static str,
    letter: char,
    eval: fn(u64) -> u64,
}

impl Unary {
    pub(super) fn text(&self, reg: usize) -> String {
        let l = self.letter;
        format!("{l}{reg} = {}{l}{reg}", self.sign)
    }

    pub(super) fn eval(&self, operand: u64) -> u64 {
        (self.eval)(operand)
    }
}

/// Negation and byte order. Those of less than 64 bits clear the upper bits.
pub(super) const UNARY: [Unary; 11] = [
    Unary { sign: "-", letter: 'r', eval: u64::wrapping_neg },
    Unary { sign: "-", letter: 'w', eval: |a| u64::from((a as u32).wrapping_neg()) },
    Unary { sign: "le16 ", letter: 'r', eval: |a| u64::from(a as u16) },
    Unary { sign: "le32 ", letter: 'r', eval: |a| u64::from(a as u32) },
    Unary { sign: "le64 ", letter: 'r', eval: |a| a },
    Unary { sign: "be16 ", letter: 'r', eval: |a| u64::from((a as u16).swap_bytes()) },
    Unary { sign: "be32 ", letter: 'r', eval: |a| u64::from((a as u32).swap_bytes()) },
    Unary { sign: "be64 ", letter: 'r', eval: u64::swap_bytes },
    Unary { sign: "bswap16 ", letter: 'r', eval: |a| u64::from((a as u16).swap_bytes()) },
    Unary { sign: "bswap32 ", letter: 'r', eval: |a| u64::from((a as u32).swap_bytes()) },
    Unary { sign: "bswap64 ", letter: 'r', eval: u64::swap_bytes },
];

/// A condition of a jump.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    /// A word for names of cases.
    pub(super) name: &'static str,
    sign: &'static str,
    wide: fn(u64, u64) -> bool,
    narrow: fn(u32, u32) -> bool,
}

impl Condition {
    /// `if r1 s> r2`, to be followed by `goto`.
    pub(super) fn registers(&self, width: Width, dst: usize, src: usize) -> String {
        let l = width.letter();
        format!("if {l}{dst} {} {l}{src}", self.sign)
    }

    /// `if r1 s> 5`.
    pub(super) fn immediate(&self, width: Width, dst: usize, imm: i32) -> String {
        format!("if {}{dst} {} {imm}", width.letter(), self.sign)
    }

    /// Whether it jumps.
    pub(super) fn holds(&self, width: Width, dst: u64, src: u64) -> bool {
        match width {
            Width::W64 => (self.wide)(dst, src),
            Width::W32 => (self.narrow)(dst as u32, src as u32),
        }
    }
}

const fn condition(
    name: &'static str,
    sign: &'static str,
    wide: fn(u64, u64) -> bool,
    narrow: fn(u32, u32) -> bool,
) -> Condition {
    Condition { name, sign, wide, narrow }
}

/// All of them.
pub(super) const CONDITIONS: [Condition; 11] = [
    condition("jeq", "==", |a, b| a == b, |a, b| a == b),
    condition("jne", "!=", |a, b| a != b, |a, b| a != b),
    condition("jgt", ">", |a, b| a > b, |a, b| a > b),
    condition("jge", ">=", |a, b| a >= b, |a, b| a >= b),
    condition("jlt", "<", |a, b| a < b, |a, b| a < b),
    condition("jle", "<=", |a, b| a <= b, |a, b| a <= b),
    condition("jsgt", "s>", |a, b| a as i64 > b as i64, |a, b| a as i32 > b as i32),
    condition("jsge", "s>=", |a, b| a as i64 >= b as i64, |a, b| a as i32 >= b as i32),
    condition("jslt", "s<", |a, b| (a as i64) < b as i64, |a, b| (a as i32) < b as i32),
    condition("jsle", "s<=", |a, b| a as i64 <= b as i64, |a, b| a as i32 <= b as i32),
    condition("jset", "&", |a, b| a & b != 0, |a, b| a & b != 0),
];
