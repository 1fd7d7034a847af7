//! A frame around a few instructions on the same registers: fills all registers, executes the
//! instructions, and writes all registers to the table, to detect wrong operands as well as
//! clobbered registers.
//!
//! The stack holds what has no register: the operands, and the values for the other registers. One
//! register that the instructions do not use holds the table's address, a different one each time;
//! if it were clobbered, the row would not be written.

use super::sheet::Sheet;
use super::values::sentinel;

/// r0 to r9.
pub(super) const REGISTERS: usize = 10;

/// Stack layout, in bytes below r10. The operands come first.
const OPERANDS: [i32; 2] = [8, 16];
/// Address of the run's first row.
const PLACE: i32 = 24;
/// Values for registers that are not operands.
const SENTINELS: i32 = 32;
/// A word that the frame does not use, with an 8-bit offset from r10 in x86 code.
pub(super) const NEAR: i32 = -(SENTINELS + 8 * REGISTERS as i32);
/// A word with a 32-bit offset.
pub(super) const FAR: i32 = -264;

/// Contents of a register before the instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The run's first operand.
    First,
    /// The run's second operand.
    Second,
    /// [`sentinel`] of the register.
    Sentinel,
    /// An address, in the notation before `ll`. It is written to the table as its distance from
    /// itself: 0.
    Address(String),
    /// The table's address, written as 0. Replaces one of the sentinels.
    Table,
}

/// Modifies the expected row, which initially has the registers as filled and zeros in the other
/// columns.
pub(super) type Effect = Box<dyn Fn(&mut [u64])>;

/// Instructions on the same registers.
pub(super) struct Point {
    /// Name in reports.
    pub(super) label: String,
    /// Initial contents of the registers.
    pub(super) held: [Held; REGISTERS],
    /// The instructions. `@3` stands for the fourth column after the registers, as the left side of
    /// a store. They must only change the registers that `effect` changes.
    pub(super) code: String,
    /// Their effect, according to the author.
    pub(super) effect: Effect,
}

impl Point {
    /// A point with operands in `dst` and `src`; if these are the same register, both are the first
    /// operand.
    pub(super) fn binary(dst: usize, src: usize, code: String, effect: Effect) -> Self {
        let held = std::array::from_fn(|reg| match reg {
            _ if reg == dst => Held::First,
            _ if reg == src => Held::Second,
            _ => Held::Sentinel,
        });
        Self { label: format!("r{dst}, r{src}"), held, code, effect }
    }

    /// The row before the instructions.
    fn before(&self, (first, second): (u64, u64), columns: usize) -> Vec<u64> {
        let held = |(reg, held): (usize, &Held)| match held {
            Held::First => first,
            Held::Second => second,
            Held::Sentinel => sentinel(reg),
            Held::Address(_) | Held::Table => 0,
        };
        let mut row: Vec<u64> = self.held.iter().enumerate().map(held).collect();
        row.resize(columns, 0);
        row
    }
}

/// Code that fills a register with the first (0) or second (1) operand again.
pub(super) fn refill(reg: usize, operand: usize) -> String {
    format!("r{reg} = *(u64 *)(r10 -{})", OPERANDS[operand])
}

/// Fills a sheet with these points, one row each per run, and one run per pair of operands. The
/// columns after the registers are named `more`.
pub(super) fn fill(
    sheet: &mut Sheet,
    more: &[String],
    mut points: Vec<Point>,
    operands: &[(u64, u64)],
) {
    for reg in 0..REGISTERS {
        sheet.column(format!("r{reg} afterwards"));
    }
    more.iter().for_each(|name| sheet.column(name));
    let columns = REGISTERS + more.len();
    prologue(sheet);
    for (number, point) in points.iter_mut().enumerate() {
        code(sheet, point, number, columns);
    }
    for &pair in operands {
        sheet.run(&[pair.0, pair.1]);
        for point in &points {
            let mut row = point.before(pair, columns);
            (point.effect)(&mut row);
            sheet.row(format!("{} with {:#x}, {:#x}", point.label, pair.0, pair.1), row);
        }
    }
}

fn prologue(sheet: &mut Sheet) {
    for (index, place) in OPERANDS.into_iter().enumerate() {
        let at = 8 * (index + 1);
        sheet.code(format!("r1 = *(u64 *)(r6 +{at})\n*(u32 *)(r10 -{place}) = r1\nr1 >>= 32"));
        // In halves: what the verifier learns about a register filled from a spilled one, it also
        // learns about the stack, so the points would not be independent.
        sheet.code(format!("*(u32 *)(r10 -{}) = r1", place - 4));
    }
    sheet.code(format!("*(u64 *)(r10 -{PLACE}) = r8\n*(u64 *)(r10 {FAR:+}) = 0"));
    sheet.code(format!("*(u64 *)(r10 {NEAR:+}) = 0"));
    for reg in 0..REGISTERS {
        let place = SENTINELS + 8 * reg as i32;
        sheet.code(format!("r1 = {:#x} ll\n*(u64 *)(r10 -{place}) = r1", sentinel(reg)));
    }
}

fn code(sheet: &mut Sheet, point: &mut Point, number: usize, columns: usize) {
    let mut free = (number..number + REGISTERS).map(|reg| reg % REGISTERS);
    let table = free.find(|reg| point.held[*reg] == Held::Sentinel).unwrap_or_default();
    point.held[table] = Held::Table;
    for (reg, held) in point.held.iter().enumerate() {
        let place = match held {
            Held::First => OPERANDS[0],
            Held::Second => OPERANDS[1],
            Held::Table => PLACE,
            Held::Sentinel => SENTINELS + 8 * reg as i32,
            Held::Address(address) => {
                sheet.code(format!("r{reg} = {address} ll"));
                continue;
            }
        };
        sheet.code(format!("r{reg} = *(u64 *)(r10 -{place})"));
    }
    let place = |column: usize| format!("*(u64 *)(r{table} +{})", 8 * (number * columns + column));
    for line in point.code.lines() {
        let column = |text: &str| text.parse().map_or(0, |column: usize| REGISTERS + column);
        match line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            Some((text, rest)) => sheet.code(format!("{} {rest}", place(column(text)))),
            None => sheet.code(line),
        }
    }
    let before = point.before((1, 1), columns);
    let mut row = before.clone();
    (point.effect)(&mut row);
    let store = |reg: usize| format!("{} = r{reg}", place(reg));
    // The kernel chooses addresses, so the table gets the distance. A register that was loaded over
    // its own address holds a number.
    let is_address =
        |reg: usize| matches!(point.held[reg], Held::Address(_)) && row[reg] == before[reg];
    let numbers = (0..REGISTERS).filter(|&reg| reg != table && !is_address(reg));
    let mut spare = 0;
    for reg in numbers {
        sheet.code(store(reg));
        spare = reg;
    }
    for (reg, held) in point.held.iter().enumerate() {
        if let Held::Address(address) = held
            && is_address(reg)
        {
            sheet.code(format!("r{spare} = {address} ll\nr{reg} -= r{spare}"));
            sheet.code(store(reg));
        }
    }
}
