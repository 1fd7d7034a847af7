//! Unconditional jumps in both directions, over code of every length around the limit of x86's
//! short jumps (`is_imm8_jmp_offset`: 123 bytes forward, 128 back).

use super::sheet::Sheet;
use crate::Case;

/// Jumps.
pub(super) fn cases() -> Vec<Case> {
    vec![
        distances("goto", "goto").into(),
        distances("gotol", "gotol").into(),
        distances("conditional", "if r7 != 1 goto").into(),
    ]
}

/// A jump forward, one back, and one forward again, over `count` instructions of 3 bytes.
fn distances(name: &str, jump: &str) -> Sheet {
    let about = "jumps over 0 to 60 instructions, ahead and back";
    let mut sheet = Sheet::new(format!("jump_distances_{name}"), about);
    sheet.code("r7 = *(u64 *)(r6 +8)");
    for column in ["what was passed on the way back", "what was jumped over"] {
        sheet.column(column);
    }
    for count in 0..=60 {
        let over = "r2 += r7\n".repeat(count);
        let way = "r1 += r7\n".repeat(count);
        sheet.code(format!("r1 = 0\nr2 = 0\n{jump} ahead{count}"));
        sheet.code(format!("back{count}: {over}{way}{jump} out{count}"));
        sheet.code(format!("ahead{count}: {over}{jump} back{count}"));
        sheet.code(format!("out{count}:"));
        sheet.store(1);
        sheet.store(2);
        sheet.row(format!("{count} instructions"), [7 * count as u64, 14 * count as u64]);
    }
    sheet.run(&[7]);
    sheet
}
