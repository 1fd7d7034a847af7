//! What goes elsewhere: unconditional jumps both ways, over code of every length around the limit of
//! x86's short jumps (`is_imm8_jmp_offset`: 123 bytes ahead, 128 back), and packet loads.

use super::sheet::Sheet;
use super::values::sentinel;
use crate::Case;

/// Jumps, packets.
pub(super) fn cases() -> Vec<Case> {
    vec![
        distances("goto", "goto").into(),
        distances("gotol", "gotol").into(),
        distances("conditional", "if r7 != 1 goto").into(),
        packets().into(),
    ]
}

/// A jump ahead, one back, and one ahead again, with `count` instructions of 3 bytes between.
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

/// Bytes of the packet: an Ethernet header, whose protocol nobody knows, and data.
fn packet() -> Vec<u8> {
    crate::builder::frame(64, 0x71)
}

/// `ld_abs` and `ld_ind` of every size, with every register as index but r6, which is the context
/// (`bpf_gen_ld_abs` in `net/core/filter.c` makes a call of a helper of them).
fn packets() -> Sheet {
    let packet = packet();
    let mut sheet = Sheet::new("packet_loads", "every size, offset and register as index")
        .on_packet(packet.clone());
    for column in ["loaded", "r7 afterwards"] {
        sheet.column(column);
    }
    for (size, bytes) in [("u8", 1), ("u16", 2), ("u32", 4)] {
        for off in [0, 1, 14, 31, 64 - bytes] {
            let value = packet[off..off + bytes].iter().fold(0, |v, b| v << 8 | u64::from(*b));
            let absolute = format!("r0 = *({size} *)skb[{off}]");
            sheet.code(format!("r7 = {:#x} ll\n{absolute}", sentinel(7)));
            sheet.store(0);
            sheet.store(7);
            sheet.row(absolute, [value, sentinel(7)]);
            for index in [0, 1, 2, 3, 4, 5, 7, 9] {
                // The index is taken as 32 bits, so a negative offset goes back from it.
                let start = off as i64 + 20;
                let text = format!("r0 = *({size} *)skb[r{index} + -20]");
                sheet.code(format!("r7 = {:#x} ll\nr{index} = {start}\n{text}", sentinel(7)));
                sheet.store(0);
                sheet.store(7);
                let r7 = if index == 7 { start as u64 } else { sentinel(7) };
                sheet.row(format!("{text}, {start}"), [value, r7]);
            }
        }
    }
    // Behind the end: the program ends with 0 and does not get to this.
    let beyond = format!("r0 = *(u8 *)skb[{}]", packet.len());
    sheet.code(format!("r7 = 1\n{beyond}\nr0 = 1"));
    sheet.store(0);
    sheet.store(7);
    sheet.row(beyond, [0, 0]);
    sheet
}
