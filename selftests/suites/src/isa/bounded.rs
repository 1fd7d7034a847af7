//! Operations and conditions on operands that the verifier knows something about: a range, some
//! bits.
//!
//! It computes what it knows about the result (`adjust_scalar_min_max_vals`, `reg_bounds_sync`) and
//! what a branch implies about the operands (`regs_refine_cond_op`), and removes branches that it
//! considers dead. So each point compares the result, or either operand after a condition, with
//! numbers that occur for some operands: if a range were too narrow or a bit wrong, the verifier
//! would decide the comparison, and wrongly.

use std::fmt;

use super::bounds::{BOUNDS, Bound, OPERANDS, pairs};
use super::operations::{
    ALU, Binary, CONDITIONS, Condition, DIVISION, MOVES, SHIFTS, UNARY, Unary, Width,
};
use super::sheet::Sheet;
use crate::Case;

/// Operations, conditions.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for op in [&ALU[..], &DIVISION, &SHIFTS, &MOVES].concat() {
        let widths = Width::BOTH.into_iter().filter(|width| op.has(*width));
        cases.extend(widths.map(|width| operation(&op, width).into()));
    }
    cases.push(one_operand().into());
    for condition in &CONDITIONS {
        cases.extend(Width::BOTH.map(|width| jump(condition, width).into()));
    }
    cases
}

/// Compares a register, all of it or its lower half, with these numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Probes {
    wide: Vec<u64>,
    narrow: Vec<u32>,
}

impl Probes {
    /// The smallest and largest numbers, signed and unsigned, and two in between.
    fn among(values: impl Iterator<Item = u64>) -> Self {
        let wide: Vec<u64> = values.collect();
        let narrow = wide.iter().map(|value| *value as u32).collect();
        Self { wide: ends(wide, |a| a as i64), narrow: ends(narrow, |a| a as i32) }
    }

    fn len(&self) -> usize {
        self.wide.len() + self.narrow.len()
    }

    /// Code that sets one bit of r4 per number that the register equals, starting at bit `first`.
    /// Clobbers r3.
    fn code(&self, reg: usize, first: usize) -> String {
        let mut code = String::new();
        let bits = |index: usize| format!("r4 |= {:#x}\n", 1 << (first + index));
        for (index, value) in self.wide.iter().enumerate() {
            code += &format!("r3 = {value:#x} ll\nif r{reg} != r3 goto +1\n{}", bits(index));
        }
        for (index, value) in self.narrow.iter().enumerate() {
            let value = *value as i32;
            let bits = bits(self.wide.len() + index);
            code += &format!("if w{reg} != {value} goto +1\n{bits}");
        }
        code
    }

    /// The bits that this code sets in r4.
    fn eval(&self, value: u64, first: usize) -> u64 {
        let wide = self.wide.iter().map(|probe| *probe == value);
        let narrow = self.narrow.iter().map(|probe| *probe == value as u32);
        let held = wide.chain(narrow).enumerate().filter(|(_, held)| *held);
        held.map(|(index, _)| 1 << (first + index)).sum()
    }
}

/// Smallest and largest, unsigned and signed, and two in between; without duplicates.
fn ends<T: Copy + Ord, S: Ord>(mut values: Vec<T>, signed: fn(T) -> S) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    let at = |index: usize| values.get(index).copied();
    let last = values.len().saturating_sub(1);
    let mut picked = vec![at(0), at(last), at(last / 3), at(last / 3 * 2)];
    picked.push(values.iter().copied().min_by_key(|value| signed(*value)));
    picked.push(values.iter().copied().max_by_key(|value| signed(*value)));
    let mut picked: Vec<T> = picked.into_iter().flatten().collect();
    picked.sort_unstable();
    picked.dedup();
    picked
}

/// The operands that pass both bounds.
fn through(left: &Bound, right: &Bound) -> Vec<(u64, u64)> {
    let lefts = OPERANDS.into_iter().filter_map(left.eval);
    lefts.flat_map(|l| OPERANDS.into_iter().filter_map(right.eval).map(move |r| (l, r))).collect()
}

/// Adds a run and a row for every pair of operands.
fn rows(sheet: &mut Sheet, words: impl Fn(u64, u64) -> Vec<u64>) {
    for left in OPERANDS {
        for right in OPERANDS {
            sheet.run(&[left, right]);
            sheet.row(format!("{left:#x}, {right:#x}"), words(left, right));
        }
    }
}

/// A sheet that starts with both operands in memory at r5, from which the bounds load them.
fn sheet(name: String, about: String) -> Sheet {
    let mut sheet = Sheet::new(name, about);
    sheet.code("r5 = operands ll\nr1 = *(u64 *)(r6 +8)\n*(u64 *)(r5 +0) = r1");
    sheet.code("r1 = *(u64 *)(r6 +16)\n*(u64 *)(r5 +8) = r1");
    sheet.behind(".data operands .data.operands: 0, 0");
    sheet
}

/// Loads the operand with this number (0 or 1) into the register with the next number, and bounds
/// it.
fn operand(sheet: &mut Sheet, number: usize, bound: &Bound, out: &str) {
    let reg = number + 1;
    sheet.code(format!("r{reg} = *({} *)(r5 +{})", bound.load, 8 * number));
    sheet.code(bound.code(reg, out));
}

fn operation(op: &Binary, width: Width) -> Sheet {
    let bits = width.bits();
    let about = format!("{}: {bits} bits, operands of which something is known", op.name);
    let mut sheet = sheet(format!("bounded_{}{bits}", op.name), about);
    let mut points = Vec::new();
    for (number, (left, right)) in pairs().enumerate() {
        let results = through(left, right).into_iter().map(|(l, r)| op.eval(width, l, r));
        let probes = Probes::among(results);
        let out = format!("out{number}");
        operand(&mut sheet, 0, left, &out);
        operand(&mut sheet, 1, right, &out);
        sheet.code(op.registers(width, 1, 2));
        probed(&mut sheet, &probes, &out, &format!("{left} and {right}"));
        points.push((left, right, probes));
    }
    rows(&mut sheet, |l, r| {
        let word = |(left, right, probes): &(&Bound, &Bound, Probes)| {
            let operands = (left.eval)(l).zip((right.eval)(r));
            let result = operands.map(|(l, r)| op.eval(width, l, r));
            result.map_or([0, 0], |result| [result, probes.eval(result, 0)])
        };
        points.iter().flat_map(word).collect()
    });
    sheet
}

/// Stores r1 and the results of its probes.
fn probed(sheet: &mut Sheet, probes: &Probes, out: &str, name: &str) {
    sheet.code("r4 = 0");
    sheet.code(probes.code(1, 0));
    sheet.store(1);
    sheet.store(4);
    sheet.code(format!("{out}:"));
    sheet.column(format!("result for {name}"));
    sheet.column(format!("which of {probes} it is for {name}"));
}

fn one_operand() -> Sheet {
    let about = "negation and byte order of operands of which something is known";
    let mut sheet = sheet("bounded_one_operand".into(), about.into());
    let mut points = Vec::new();
    for op in &UNARY {
        for bound in &BOUNDS {
            let operands = OPERANDS.into_iter().filter_map(bound.eval);
            let probes = Probes::among(operands.map(|operand| op.eval(operand)));
            let out = format!("out{}", points.len());
            operand(&mut sheet, 0, bound, &out);
            sheet.code(op.text(1));
            probed(&mut sheet, &probes, &out, &format!("{} of {bound}", op.text(1)));
            points.push((op, bound, probes));
        }
    }
    for operand in OPERANDS {
        sheet.run(&[operand, 0]);
        let word = |(op, bound, probes): &(&Unary, &Bound, Probes)| {
            let result = (bound.eval)(operand).map(|operand| op.eval(operand));
            result.map_or([0, 0], |result| [result, probes.eval(result, 0)])
        };
        sheet.row(format!("{operand:#x}"), points.iter().flat_map(word));
    }
    sheet
}

/// The probes on one side of a condition: of the left operand, then of the right one.
#[derive(Debug)]
struct Way {
    sides: [Probes; 2],
}

/// Low bits of r4 that record the direction.
const WAY_BITS: usize = 2;

impl Way {
    fn among(operands: &[(u64, u64)]) -> Self {
        let lefts = Probes::among(operands.iter().map(|pair| pair.0));
        Self { sides: [lefts, Probes::among(operands.iter().map(|pair| pair.1))] }
    }

    fn code(&self) -> String {
        let [left, right] = &self.sides;
        left.code(1, WAY_BITS) + &right.code(2, WAY_BITS + left.len())
    }

    fn eval(&self, (left, right): (u64, u64)) -> u64 {
        let [lefts, rights] = &self.sides;
        lefts.eval(left, WAY_BITS) | rights.eval(right, WAY_BITS + lefts.len())
    }
}

fn jump(condition: &Condition, width: Width) -> Sheet {
    let bits = width.bits();
    let about = format!("{}: {bits} bits, operands of which something is known", condition.name);
    let mut sheet = sheet(format!("bounded_{}_{bits}", condition.name), about);
    let mut points = Vec::new();
    for (number, (left, right)) in pairs().enumerate() {
        let (yes, no): (Vec<_>, Vec<_>) =
            through(left, right).into_iter().partition(|(l, r)| condition.holds(width, *l, *r));
        let ways = [Way::among(&no), Way::among(&yes)];
        let out = format!("out{number}");
        operand(&mut sheet, 0, left, &out);
        operand(&mut sheet, 1, right, &out);
        sheet.code(format!("{} goto yes{number}", condition.registers(width, 1, 2)));
        sheet.code(format!("r4 = 1\n{}goto end{number}", ways[0].code()));
        sheet.code(format!("yes{number}: r4 = 2\n{}end{number}:", ways[1].code()));
        sheet.store(4);
        sheet.code(format!("{out}:"));
        let [no, yes] = &ways;
        sheet.column(format!(
            "2 where it holds, and which of {} and {} the operands are, else 1 and which of {} and \
             {}, for {left} and {right}",
            yes.sides[0], yes.sides[1], no.sides[0], no.sides[1]
        ));
        points.push((left, right, ways));
    }
    rows(&mut sheet, |l, r| {
        let word = |(left, right, ways): &(&Bound, &Bound, [Way; 2])| {
            let Some(pair) = (left.eval)(l).zip((right.eval)(r)) else { return 0 };
            let holds = usize::from(condition.holds(width, pair.0, pair.1));
            1 << holds | ways[holds].eval(pair)
        };
        points.iter().map(word).collect()
    });
    sheet
}

impl fmt::Display for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x?}, {:x?}", self.wide, self.narrow)
    }
}
