//! Every operation with every pair of edge values: operands in registers, an immediate on the
//! right, and operands known to the verifier.
//!
//! The registers are always the same here; [`super::pairing`] varies them. How the verifier treats
//! each: of unknown registers it only tracks bounds; it folds constants
//! (`adjust_scalar_min_max_vals`, and removes branches on known values,
//! `opt_hard_wire_dead_code_branches` and `opt_remove_dead_code` in `kernel/bpf/fixups.c`).
//! Division gets guards (`bpf_do_misc_fixups`). `jit-hardened` blinds each immediate
//! (`bpf_jit_blind_insn` in `kernel/bpf/core.c`).

use super::operations::{ALU, Binary, DIVISION, MOVES, SHIFTS, UNARY, Width};
use super::sheet::{Sheet, data};
use super::values::{CONSTANTS, EDGES, IMMEDIATES};
use crate::Case;
use crate::builder::load_flag::TEST_RND_HI32;

const GROUPS: [(&str, &[Binary]); 4] =
    [("alu", &ALU), ("division", &DIVISION), ("shift", &SHIFTS), ("move", &MOVES)];

/// Registers, immediates, constants; then unary operations.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, group) in GROUPS {
        cases.push(registers(name, group, Hi32::Kept).into());
        cases.push(registers(name, group, Hi32::Random).into());
        for width in Width::BOTH {
            cases.push(immediates(name, group, width, Hi32::Kept).into());
        }
        cases.push(immediates(name, group, Width::W32, Hi32::Random).into());
        for op in group {
            cases.extend(
                Width::BOTH.into_iter().filter(|width| op.has(*width)).map(|w| constants(op, w)),
            );
        }
    }
    cases.push(unary().into());
    cases
}

/// Treatment of the upper halves of 32-bit results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hi32 {
    /// All 64 bits are checked.
    Kept,
    /// Only the lower half is checked, and `BPF_F_TEST_RND_HI32` puts garbage into the other, which
    /// the verifier considers dead (`opt_subreg_zext_lo32_rnd_hi32`).
    Random,
}

impl Hi32 {
    /// The sheet, and the size of its stores.
    fn sheet(self, name: String, about: String) -> (Sheet, &'static str) {
        match self {
            Self::Kept => (Sheet::new(name, about), "u64"),
            Self::Random => {
                let about = format!("{about}, upper halves at random where they are dead");
                (Sheet::new(name + "_rnd_hi32", about).flags(TEST_RND_HI32), "u32")
            }
        }
    }

    fn seen(self, result: u64) -> u64 {
        match self {
            Self::Kept => result,
            Self::Random => u64::from(result as u32),
        }
    }
}

/// One run per left operand; the program iterates over the right ones.
fn registers(name: &str, group: &[Binary], hi32: Hi32) -> Sheet {
    let about = format!("{name}: two registers, every pair of edge values");
    let (mut sheet, size) = hi32.sheet(format!("{name}_registers"), about);
    let forms: Vec<_> = group
        .iter()
        .flat_map(|op| Width::BOTH.map(|width| (op, width)))
        .filter(|(op, width)| op.has(*width))
        .collect();
    sheet.code("r7 = rights ll\nr9 = 0\nnext:");
    for (op, width) in &forms {
        let text = op.registers(*width, 1, 2);
        sheet.column(&text);
        sheet.code("r1 = *(u64 *)(r6 +8)\nr2 = *(u64 *)(r7 +0)");
        sheet.code(text);
        sheet.store_as(size, 1);
    }
    sheet.skip();
    let count = EDGES.len();
    sheet.code(format!("r7 += 8\nr9 += 1\nif r9 != {count} goto next"));
    sheet.behind(data("rights", ".data.in", EDGES));
    for left in EDGES {
        sheet.run(&[left]);
        for right in EDGES {
            let words = forms.iter().map(|(op, width)| hi32.seen(op.eval(*width, left, right)));
            sheet.row(format!("{left:#x}, {right:#x}"), words);
        }
    }
    sheet
}

/// One run per left operand; the right ones are immediates.
fn immediates(name: &str, group: &[Binary], width: Width, hi32: Hi32) -> Sheet {
    let bits = width.bits();
    let about = format!("{name}: {bits} bits, register and immediate, every pair of edge values");
    let (mut sheet, size) = hi32.sheet(format!("{name}{bits}_immediates"), about);
    let mut rights = IMMEDIATES.to_vec();
    if name == "shift" {
        rights.extend((0..64).filter(|count| !IMMEDIATES.contains(count)));
    }
    let mut forms: Vec<(&Binary, i32)> = Vec::new();
    for op in group {
        for &imm in &rights {
            let Some(text) = op.immediate(width, 1, imm) else { continue };
            sheet.code("r1 = *(u64 *)(r6 +8)");
            sheet.code(&text);
            sheet.column(text);
            sheet.store_as(size, 1);
            forms.push((op, imm));
        }
    }
    for left in EDGES {
        sheet.run(&[left]);
        let right = |imm: i32| i64::from(imm) as u64;
        let words = forms.iter().map(|(op, imm)| hi32.seen(op.eval(width, left, right(*imm))));
        sheet.row(format!("{left:#x}"), words.collect::<Vec<_>>());
    }
    sheet
}

/// The verifier knows operands and result, and so the branch's direction: it must remove the other
/// one.
fn constants(op: &Binary, width: Width) -> Case {
    let bits = width.bits();
    let about = format!("{}: {bits} bits, operands, result and a branch are constants", op.name);
    let mut sheet = Sheet::new(format!("constants_{}{bits}", op.name), about);
    sheet.column(op.registers(width, 1, 2));
    sheet.column("1 where the branch on the result is right");
    for left in CONSTANTS {
        for right in CONSTANTS {
            let result = op.eval(width, left, right);
            sheet.code(format!("r1 = {left:#x} ll\nr2 = {right:#x} ll"));
            sheet.code(op.registers(width, 1, 2));
            sheet.code(format!("r3 = {result:#x} ll\nr4 = 1\nif r1 == r3 goto +1\nr4 = 2"));
            sheet.store(1);
            sheet.store(4);
            sheet.row(format!("{left:#x}, {right:#x}"), [result, 1]);
        }
    }
    sheet.into()
}

fn unary() -> Sheet {
    let mut sheet = Sheet::new("one_operand", "negation and byte order of every edge value");
    for op in &UNARY {
        sheet.column(op.text(1));
        sheet.code("r1 = *(u64 *)(r6 +8)");
        sheet.code(op.text(1));
        sheet.store(1);
    }
    for operand in EDGES {
        sheet.run(&[operand]);
        sheet.row(format!("{operand:#x}"), UNARY.iter().map(|op| op.eval(operand)));
    }
    sheet
}
