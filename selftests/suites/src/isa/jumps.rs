//! Conditional jumps with every pair of edge values: registers, immediates, and operands known to
//! the verifier, which removes the untaken branch.

use super::operations::{CONDITIONS, Condition, Width};
use super::sheet::{Sheet, data};
use super::values::{CONSTANTS, EDGES, IMMEDIATES};
use crate::Case;

/// Registers, immediates, constants.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for width in Width::BOTH {
        cases.push(registers(width).into());
        cases.push(immediates(width).into());
    }
    for condition in &CONDITIONS {
        cases.extend(Width::BOTH.map(|width| constants(condition, width).into()));
    }
    cases
}

fn registers(width: Width) -> Sheet {
    let bits = width.bits();
    let about = format!("{bits} bits, two registers, every pair of edge values");
    let mut sheet = Sheet::new(format!("jump{bits}_registers"), about);
    sheet.code("r7 = rights ll\nr9 = 0\nnext:");
    for condition in &CONDITIONS {
        let text = condition.registers(width, 1, 2);
        // Loaded again each time, or the verifier would know more after each jump.
        sheet.code("r1 = *(u64 *)(r6 +8)\nr2 = *(u64 *)(r7 +0)\nr3 = 1");
        sheet.code(format!("{text} goto +1\nr3 = 0"));
        sheet.store(3);
        sheet.column(text);
    }
    sheet.skip();
    let count = EDGES.len();
    sheet.code(format!("r7 += 8\nr9 += 1\nif r9 != {count} goto next"));
    sheet.behind(data("rights", ".data.in", EDGES));
    for left in EDGES {
        sheet.run(&[left]);
        for right in EDGES {
            let taken = CONDITIONS.iter().map(|c| u64::from(c.holds(width, left, right)));
            sheet.row(format!("{left:#x}, {right:#x}"), taken);
        }
    }
    sheet
}

fn immediates(width: Width) -> Sheet {
    let bits = width.bits();
    let about = format!("{bits} bits, register and immediate, every pair of edge values");
    let mut sheet = Sheet::new(format!("jump{bits}_immediates"), about);
    let forms: Vec<(&Condition, i32)> =
        CONDITIONS.iter().flat_map(|c| IMMEDIATES.map(|imm| (c, imm))).collect();
    for (condition, imm) in &forms {
        let text = condition.immediate(width, 1, *imm);
        sheet.code(format!("r1 = *(u64 *)(r6 +8)\nr3 = 1\n{text} goto +1\nr3 = 0"));
        sheet.store(3);
        sheet.column(text);
    }
    for left in EDGES {
        sheet.run(&[left]);
        let taken = forms.iter().map(|(condition, imm)| {
            u64::from(condition.holds(width, left, i64::from(*imm) as u64))
        });
        sheet.row(format!("{left:#x}"), taken.collect::<Vec<_>>());
    }
    sheet
}

fn constants(condition: &Condition, width: Width) -> Sheet {
    let bits = width.bits();
    let about = format!("{}: {bits} bits, both operands are constants", condition.name);
    let mut sheet = Sheet::new(format!("constants_{}_{bits}", condition.name), about);
    sheet.column(condition.registers(width, 1, 2));
    for left in CONSTANTS {
        for right in CONSTANTS {
            sheet.code(format!("r1 = {left:#x} ll\nr2 = {right:#x} ll\nr3 = 1"));
            sheet.code(format!("{} goto +1\nr3 = 0", condition.registers(width, 1, 2)));
            sheet.store(3);
            let taken = condition.holds(width, left, right);
            sheet.row(format!("{left:#x}, {right:#x}"), [u64::from(taken)]);
        }
    }
    sheet
}
