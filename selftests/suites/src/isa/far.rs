//! Extreme offsets: loads, stores and atomics around an address in the middle of a value of more
//! than 64 KiB.

use super::atomics::{Kind, forms};
use super::memory::{LOADED, STORED};
use super::sheet::Sheet;
use crate::Case;

/// Offset of the address in the value; also the largest negative offset.
const MIDDLE: i32 = 1 << 15;
/// Size of the value: after the largest offset there is room for 8 bytes.
const BYTES: i32 = 2 * MIDDLE + 8;

/// Offsets for accesses without alignment, and for aligned ones.
const OFFSETS: [i32; 4] = [-MIDDLE, -MIDDLE + 1, MIDDLE - 8, MIDDLE - 1];
const ALIGNED: [i32; 2] = [-MIDDLE, MIDDLE - 8];

/// Registers for the address: r5, r7 and r9 are x86's r8, r13 and r15.
const BASES: [usize; 4] = [1, 5, 7, 9];

/// Initial memory, and the stored value or operand, of which an immediate has 32 bits.
const MEMORY: u64 = 0x8182_8384_8586_8788;
const VALUE: u64 = 0xfedc_ba98_f654_3210;

/// Plain accesses, atomics.
pub(super) fn cases() -> Vec<Case> {
    vec![plain().into(), atomic().into()]
}

/// Code that points r3 to the accessed bytes, and fills them.
fn fill(sheet: &mut Sheet, base: usize, off: i32) {
    let at = MIDDLE + off;
    sheet.code(format!("r{base} = far + {MIDDLE} ll\nr3 = far + {at} ll\nr4 = {MEMORY:#x} ll"));
    sheet.code(format!("*(u64 *)(r3 +0) = r4\nr2 = {VALUE:#x} ll"));
}

fn behind(sheet: &mut Sheet) {
    sheet.behind(format!(".data far .data.far: zero {BYTES}"));
}

fn plain() -> Sheet {
    let about = "loads and stores with the largest offsets ahead and back";
    let mut sheet = Sheet::new("far_offsets", about);
    let mut words = Vec::new();
    for base in BASES {
        for off in OFFSETS {
            for access in LOADED {
                let text = format!("r4 = *({} *)(r{base} {off:+})", access.text);
                fill(&mut sheet, base, off);
                sheet.code(&text);
                sheet.store(4);
                sheet.column(text);
                words.push(access.load(&MEMORY.to_le_bytes()));
            }
            for access in STORED {
                let imm = VALUE as i32;
                for (source, value) in [("r2".to_owned(), VALUE), (imm.to_string(), imm as u64)] {
                    let text = format!("*({} *)(r{base} {off:+}) = {source}", access.text);
                    fill(&mut sheet, base, off);
                    sheet.code(&text);
                    sheet.code("r4 = *(u64 *)(r3 +0)");
                    sheet.store(4);
                    sheet.column(format!("memory after {text}"));
                    let mut bytes = MEMORY.to_le_bytes();
                    access.store(&mut bytes, value);
                    words.push(u64::from_le_bytes(bytes));
                }
            }
        }
    }
    behind(&mut sheet);
    sheet.row("all", words);
    sheet
}

fn atomic() -> Sheet {
    let about = "atomics with the largest aligned offsets ahead and back";
    let mut sheet = Sheet::new("far_offsets_atomic", about);
    let mut words = Vec::new();
    for base in BASES {
        for off in ALIGNED {
            for (op, width) in forms() {
                let text = op.text(width, base, off, 2);
                fill(&mut sheet, base, off);
                sheet.code("r0 = r4");
                sheet.code(&text);
                sheet.code("r4 = *(u64 *)(r3 +0)");
                sheet.store(4);
                sheet.store(if op.kind == Kind::Compare { 0 } else { 2 });
                sheet.column(format!("memory after {text}"));
                sheet.column(format!("register after {text}"));
                let (stored, register) = op.eval(width, MEMORY, VALUE, MEMORY);
                words.extend([stored, register]);
            }
        }
    }
    behind(&mut sheet);
    sheet.row("all", words);
    sheet
}
