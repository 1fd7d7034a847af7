//! Every pairing of registers for instructions that only use registers, and every register with
//! immediates.
//!
//! What the x86-64 JIT encodes differently (`arch/x86/net/bpf_jit_comp.c`):
//! - r5, r7, r8, r9 are x86's r8 to r15 and take bits of the REX prefix, one for either operand
//!   (`add_1mod`, `add_2mod`); without it a 32-bit instruction has no prefix at all
//!   (`maybe_emit_mod`).
//! - Division uses rax and rdx, which are r0 and r3: they are saved around it unless they are the
//!   destination, and the divisor is moved away if it is one of them.
//! - Shifts take the count in cl, which is r4, or with BMI2 in any register (`emit_shiftx`,
//!   three-byte VEX); r4 as destination goes through r11.
//! - Sign extension of 8 bits needs REX for sil and dil, which are r2 and r1 (`emit_movsx_reg`).
//! - Immediates of 8 bits, of 32 bits, and of 32 bits with eax have three forms; a shift by 1, a
//!   move of 0 and of a negative number (`emit_mov_imm32`), and a comparison with 0 have their own.
//! - Each width of `ld_imm64` (`emit_mov_imm64`).

use super::frame::{Point, REGISTERS, fill, refill};
use super::operations::{ALU, Binary, CONDITIONS, DIVISION, MOVES, SHIFTS, UNARY, Unary, Width};
use super::sheet::Sheet;
use super::values::{CONSTANTS, PAIRS};
use crate::Case;

/// Immediates for each x86 form; some operations do not accept negative ones, or 0.
const FORMS: [i32; 7] = [0, 1, 5, -1, 31, 0x1234_5678, -0x1234_5678];
/// The same for comparisons.
const COMPARED: [i32; 3] = [0, 5, 0x1234_5678];

/// The result of an instruction for the operands.
type Eval = Box<dyn Fn(u64, u64) -> u64>;
/// Whether a jump is taken.
type Holds = Box<dyn Fn(u64, u64) -> bool>;

/// Two registers, then a register and an immediate, then one register.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let groups: [(&str, &[Binary]); 4] =
        [("alu", &ALU), ("division", &DIVISION), ("shift", &SHIFTS), ("move", &MOVES)];
    for (name, group) in groups {
        cases.extend(Width::BOTH.map(|width| registers(name, group, width)));
        cases.extend(Width::BOTH.map(|width| immediates(name, group, width)));
    }
    for width in Width::BOTH {
        cases.push(jumps(width));
        cases.push(jumps_on_immediates(width));
    }
    cases.push(one_register());
    cases.push(wide_immediates());
    cases
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..REGISTERS).flat_map(|dst| (0..REGISTERS).map(move |src| (dst, src)))
}

/// A case with points that all have these columns.
fn case(name: String, about: &str, columns: &[String], points: Vec<Point>) -> Case {
    let mut sheet = Sheet::new(format!("pairing_{name}"), about);
    fill(&mut sheet, columns, points, &PAIRS);
    sheet.into()
}

/// Instructions on the first operand in `dst`, one after another, and the result of each.
fn each(dst: usize, src: usize, forms: impl IntoIterator<Item = (String, Eval)>) -> Point {
    let mut code = Vec::new();
    let mut evals = Vec::new();
    for (column, (text, eval)) in forms.into_iter().enumerate() {
        code.extend([refill(dst, 0), text, format!("@{column} = r{dst}")]);
        evals.push(eval);
    }
    let effect = move |row: &mut [u64]| {
        let (first, second) = (row[dst], row[src]);
        for (column, eval) in evals.iter().enumerate() {
            row[dst] = eval(first, second);
            row[REGISTERS + column] = row[dst];
        }
    };
    Point::binary(dst, src, code.join("\n"), Box::new(effect))
}

fn registers(name: &str, group: &'static [Binary], width: Width) -> Case {
    let ops = || group.iter().filter(move |op| op.has(width));
    let columns: Vec<String> = ops().map(|op| op.registers(width, 1, 2)).collect();
    let points = pairs().map(|(dst, src)| {
        each(
            dst,
            src,
            ops().map(|op| -> (_, Eval) {
                (op.registers(width, dst, src), Box::new(move |a, b| op.eval(width, a, b)))
            }),
        )
    });
    let name = format!("{name}{}", width.bits());
    case(name, "every pair of registers", &columns, points.collect())
}

fn immediates(name: &str, group: &'static [Binary], width: Width) -> Case {
    let forms = move |reg: usize| {
        group.iter().flat_map(move |op| {
            FORMS.into_iter().filter_map(move |imm| {
                let eval: Eval = Box::new(move |a, _| op.eval(width, a, i64::from(imm) as u64));
                Some((op.immediate(width, reg, imm)?, eval))
            })
        })
    };
    let columns: Vec<String> = forms(1).map(|(text, _)| text).collect();
    let points = (0..REGISTERS).map(|reg| each(reg, reg, forms(reg)));
    let name = format!("{name}{}_immediates", width.bits());
    case(name, "every register with immediates of each form", &columns, points.collect())
}

/// Jumps over a store: 0 if the jump is taken. The operands are the first and second one.
fn skipping(dst: usize, src: usize, forms: Vec<(String, Holds)>) -> Point {
    let mut code = Vec::new();
    let mut conditions = Vec::new();
    for (column, (text, holds)) in forms.into_iter().enumerate() {
        code.extend([refill(dst, 0), format!("{text} goto +1"), format!("@{column} = r{dst}")]);
        conditions.push(holds);
    }
    let effect = move |row: &mut [u64]| {
        let (first, second) = (row[dst], row[src]);
        for (column, holds) in conditions.iter().enumerate() {
            row[REGISTERS + column] = if holds(first, second) { 0 } else { first };
        }
    };
    Point::binary(dst, src, code.join("\n"), Box::new(effect))
}

fn jumps(width: Width) -> Case {
    let columns = CONDITIONS.map(|condition| condition.registers(width, 1, 2));
    let points = pairs().map(|(dst, src)| {
        let forms = CONDITIONS.map(|condition| -> (_, Holds) {
            let text = condition.registers(width, dst, src);
            (text, Box::new(move |a, b| condition.holds(width, a, b)))
        });
        skipping(dst, src, forms.into())
    });
    let name = format!("jump{}", width.bits());
    case(name, "every pair of registers", &columns, points.collect())
}

fn jumps_on_immediates(width: Width) -> Case {
    let forms = |reg: usize| -> Vec<_> {
        CONDITIONS
            .into_iter()
            .flat_map(|condition| {
                COMPARED.map(|imm| -> (_, Holds) {
                    let text = condition.immediate(width, reg, imm);
                    (text, Box::new(move |a, _| condition.holds(width, a, imm as u64)))
                })
            })
            .collect()
    };
    let columns: Vec<String> = forms(1).into_iter().map(|(text, _)| text).collect();
    let points = (0..REGISTERS).map(|reg| skipping(reg, reg, forms(reg)));
    let name = format!("jump{}_immediates", width.bits());
    case(name, "every register with immediates of each form", &columns, points.collect())
}

fn one_register() -> Case {
    let columns = UNARY.map(|op| op.text(1));
    let points = (0..REGISTERS).map(|reg| {
        let form = |op: Unary| -> (_, Eval) { (op.text(reg), Box::new(move |a, _| op.eval(a))) };
        each(reg, reg, UNARY.map(form))
    });
    let about = "negation and byte order in every register";
    case("one_operand".into(), about, &columns, points.collect())
}

fn wide_immediates() -> Case {
    let text = |reg: usize, value: u64| format!("r{reg} = {value:#x} ll");
    let columns = CONSTANTS.map(|value| text(1, value));
    let points = (0..REGISTERS).map(|reg| {
        let form = |value: u64| -> (_, Eval) { (text(reg, value), Box::new(move |_, _| value)) };
        each(reg, reg, CONSTANTS.map(form))
    });
    let about = "wide immediates of each form in every register";
    case("ld_imm64".into(), about, &columns, points.collect())
}
