//! Packet loads, `ld_abs` and `ld_ind`: `bpf_gen_ld_abs()` in `net/core/filter.c` emits a load for
//! bytes that are certainly present, and a helper call otherwise.

use bpf_object::BtfUse;

use super::sheet::Sheet;
use super::values::sentinel;
use crate::Case;
use crate::builder::frame;

/// Size of the packet: an Ethernet header with an unknown protocol, and data.
const LEN: usize = 64;
/// Size of the header, which a socket filter does not see.
const HEADER: i64 = 14;

/// Offsets relative to the network header, and to the link layer's (`include/uapi/linux/filter.h`).
/// At `SKF_AD_OFF` classic programs find ancillary data, which only their conversion handles; here
/// it is an ordinary offset from the network header, far after the packet.
const SKF_NET_OFF: i32 = -0x10_0000;
const SKF_LL_OFF: i32 = -0x20_0000;
const SKF_AD_OFF: i32 = -0x1000;

/// Inside the packet, then at its edges.
pub(super) fn cases() -> Vec<Case> {
    // A function may only load from the packet if BTF says that it returns a number.
    let edges = [edges("tc", 0), edges("socket", HEADER)]
        .map(|sheet| sheet.finish().btf(BtfUse::Always).into());
    [vec![inside().into()], edges.into()].concat()
}

/// Every size, with every register as index except r6, which is the context; then one byte after
/// the end.
fn inside() -> Sheet {
    let packet = frame(LEN, 0x71);
    let mut sheet = Sheet::new("packet_loads", "every size, offset and register as index")
        .on_packet("tc", packet.clone());
    for column in ["loaded", "r7 afterwards"] {
        sheet.column(column);
    }
    for (size, bytes) in [("u8", 1), ("u16", 2), ("u32", 4)] {
        for off in [0, 1, 14, 31, LEN - bytes] {
            let value = packet[off..off + bytes].iter().fold(0, |v, b| v << 8 | u64::from(*b));
            let absolute = format!("r0 = *({size} *)skb[{off}]");
            sheet.code(format!("r7 = {:#x} ll\n{absolute}", sentinel(7)));
            sheet.store(0);
            sheet.store(7);
            sheet.row(absolute, [value, sentinel(7)]);
            for index in [0, 1, 2, 3, 4, 5, 7, 9] {
                // The index is taken as 32 bits, so a negative offset is subtracted from it.
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
    // After the end: the program returns 0 and does not reach the stores.
    let beyond = format!("r0 = *(u8 *)skb[{LEN}]");
    sheet.code(format!("r7 = 1\n{beyond}\nr0 = 1"));
    sheet.store(0);
    sheet.store(7);
    sheet.row(beyond, [0, 0]);
    sheet
}

/// Every size at the edges of the packet, before it and after it, absolute and with an index. Each
/// load is in its own function, because a failing load ends it with 0. `start` is the byte of the
/// packet with offset 0.
fn edges(section: &str, start: i64) -> Sheet {
    let packet = frame(LEN, 0x71);
    let about = format!("{section}: offsets of each kind, at the edges of the packet and outside");
    let mut sheet =
        Sheet::new(format!("packet_edges_{section}"), about).on_packet(section, packet.clone());
    sheet.column("bit 32 and what was loaded, or 0");
    let len = LEN as i32 - start as i32;
    let mut functions = 0;
    for (size, bytes) in [("u8", 1), ("u16", 2), ("u32", 4)] {
        let edge = len - bytes;
        let link = SKF_LL_OFF + LEN as i32 - bytes;
        let network = SKF_NET_OFF + LEN as i32 - HEADER as i32 - bytes;
        for off in [
            [0, edge, edge + 1, len, i32::MAX],
            [SKF_LL_OFF, SKF_LL_OFF + 12, link, link + 1, SKF_LL_OFF - 1],
            [SKF_NET_OFF, SKF_NET_OFF + 3, network, network + 1, SKF_NET_OFF - 1],
            [-1, -14, SKF_AD_OFF, SKF_AD_OFF + 4, i32::MIN],
        ]
        .concat()
        {
            let loaded = at(&packet, start, off, bytes as usize);
            let absolute = format!("r0 = *({size} *)skb[{off}]");
            let indexed = format!("r7 = {}\nr0 = *({size} *)skb[r7 + -20]", off.wrapping_add(20));
            for load in [absolute, indexed] {
                sheet.code(format!("r1 = r6\ncall f{functions}"));
                sheet.store(0);
                sheet.behind(format!(".func f{functions}\nr6 = r1\n{load}"));
                sheet.behind(format!("r1 = {:#x} ll\nr0 |= r1\nexit", 1_u64 << 32));
                sheet.row(load.replace('\n', ", "), [loaded.map_or(0, |value| 1 << 32 | value)]);
                functions += 1;
            }
        }
    }
    sheet
}

/// The result of a load, if all its bytes are in the packet.
fn at(packet: &[u8], start: i64, off: i32, bytes: usize) -> Option<u64> {
    let off64 = i64::from(off);
    let first = match off {
        0.. => start + off64,
        SKF_NET_OFF.. => HEADER + off64 - i64::from(SKF_NET_OFF),
        SKF_LL_OFF.. => off64 - i64::from(SKF_LL_OFF),
        _ => return None,
    };
    let first = usize::try_from(first).ok()?;
    let range = packet.get(first..first.checked_add(bytes)?)?;
    Some(range.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
