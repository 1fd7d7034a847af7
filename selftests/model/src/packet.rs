//! Packet access with `ld_abs` and `ld_ind`, and the set-up of packet programs.
//!
//! The set-up is that of `BPF_PROG_TEST_RUN` (`net/bpf/test_run.c`): what it refuses is not
//! supported here either.

use crate::code::{Code, Opc};
use crate::context::{
    Context, PacketPointers, SKB_SIZE, SkbContext, XDP_SIZE, XdpContext, ethernet_protocol, skb,
};
use crate::memory::{Kind, Memory, Region};
use crate::trap::TrapKind;
use crate::value::Value;

/// Bytes of an Ethernet header.
pub(crate) const ETH_HLEN: usize = 14;
/// Packets up to this size are linear in `skb` and XDP test runs.
const MAX_LINEAR: usize = 3520;
/// `SKF_NET_OFF`, `SKF_LL_OFF` (`include/uapi/linux/filter.h`).
const SKF_NET_OFF: i32 = -0x10_0000;
const SKF_LL_OFF: i32 = -0x20_0000;

/// Executes `ld_abs` or `ld_ind`: the value, or none if the packet is too short
/// (`bpf_skb_load_helper_32` and its like in `net/core/filter.c`).
pub(crate) fn load(
    code: Code,
    regs: &[Value; 16],
    memory: &Memory,
) -> Result<Option<u64>, TrapKind> {
    crate::arith::readable(6, regs[6])?;
    let Context::Skb(context) = &memory.context else {
        return Err(TrapKind::InvalidInstruction {
            why: "packet access in a program that has no skb".into(),
        });
    };
    let is_context = regs[6].prov.is_pointer()
        && memory.objects.get(regs[6].prov.object()).is_some_and(|o| o.kind == Kind::Context)
        && memory.pointer(regs[6].prov.object() as u32, 0).bits == regs[6].bits;
    if !is_context {
        return Err(TrapKind::InvalidInstruction { why: "r6 is not the context".into() });
    }
    let size = (code.imm >> 32) as usize;
    let mut offset = code.imm as i32;
    if code.op == Opc::PacketInd {
        let index = regs[usize::from(code.src)];
        crate::arith::readable(code.src, index)?;
        if index.prov.is_address() {
            return Err(TrapKind::Unsupported("packet access at an address".into()));
        }
        offset = (index.bits as i32).wrapping_add(offset);
    }
    // What lies before skb->data: the Ethernet header, where it has been pulled.
    let pulled = if context.traffic_control { 0 } else { ETH_HLEN as i64 };
    let network = ETH_HLEN as i64 - pulled;
    let offset = match offset {
        0.. => i64::from(offset),
        SKF_NET_OFF.. => i64::from(offset) - i64::from(SKF_NET_OFF) + network,
        SKF_LL_OFF.. => i64::from(offset) - i64::from(SKF_LL_OFF) - pulled,
        _ => return Ok(None),
    };
    // Packets are linear here, so the object that holds one has all there is, header included.
    let bytes = memory.element(context.packet.data.prov.object() as u32, 0);
    let range = usize::try_from(offset + pulled)
        .ok()
        .and_then(|start| Some(start..start.checked_add(size)?));
    let bytes = range.and_then(|range| bytes.get(range));
    Ok(bytes.map(|bytes| bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte))))
}

/// Fields of `struct __sk_buff` that a test run takes and hands back
/// (`convert___skb_to_skb`, `convert_skb_to___skb`).
const SKB_INPUT: [std::ops::Range<usize>; 7] = [
    skb::MARK..skb::MARK + 4,
    skb::PRIORITY..skb::PRIORITY + 4,
    skb::INGRESS_IFINDEX..skb::INGRESS_IFINDEX + 4,
    skb::IFINDEX..skb::IFINDEX + 4,
    skb::CB..skb::CB_END,
    skb::TSTAMP..skb::TSTAMP + 8,
    skb::WIRE_LEN..skb::GSO_SEGS + 4,
];

/// Sets up a run of a socket filter or, with `traffic_control`, a classifier or action.
/// Gives r1.
pub(crate) fn set_up_skb(
    memory: &mut Memory,
    ctx: &[u8],
    packet: &[u8],
    traffic_control: bool,
) -> Result<Value, TrapKind> {
    check_packet(packet)?;
    let protocol = ethernet_protocol(packet);
    let payload = packet.len() - ETH_HLEN;
    if (protocol == 0x0008 && payload < 20) || (protocol == 0xdd86 && payload < 40) {
        return Err(unsupported("a packet that is shorter than its IP header"));
    }
    let known = |at: usize| SKB_INPUT.iter().any(|range| range.contains(&at));
    if ctx.iter().enumerate().any(|(at, &byte)| byte != 0 && !known(at)) {
        return Err(unsupported("an input context with fields that test runs refuse"));
    }
    let mut fields = [0; SKB_SIZE];
    for (field, byte) in fields.iter_mut().zip(ctx) {
        *field = *byte;
    }
    let len = if traffic_control { packet.len() } else { payload } as u32;
    set(&mut fields, skb::LEN, len);
    set(&mut fields, skb::PROTOCOL, protocol);
    match get(&fields, skb::IFINDEX) {
        0 | 1 => set(&mut fields, skb::IFINDEX, 1),
        _ => return Err(unsupported("a device other than loopback")),
    }
    match get(&fields, skb::WIRE_LEN) {
        0 => set(&mut fields, skb::WIRE_LEN, len),
        wire if wire < len || wire > 65536 => return Err(unsupported("this wire_len")),
        _ => {}
    }
    if get(&fields, skb::GSO_SEGS) > 65535 {
        return Err(unsupported("this gso_segs"));
    }
    let packet = add_packet(memory, packet);
    let context = SkbContext { fields, traffic_control, packet };
    memory.context = Context::Skb(Box::new(context));
    let object = memory.add(SKB_SIZE, 1, Kind::Context);
    Ok(memory.pointer(object, 0))
}

/// Sets up a run of an XDP program. Gives r1.
pub(crate) fn set_up_xdp(
    memory: &mut Memory,
    ctx: &[u8],
    packet: &[u8],
) -> Result<Value, TrapKind> {
    check_packet(packet)?;
    if !ctx.is_empty() {
        let word = |at: usize| {
            ctx.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        };
        let plain = word(0) == 0 && word(4) as usize == packet.len();
        if !plain
            || ctx.len() < 8
            || ctx.len() > XDP_SIZE
            || ctx.iter().skip(8).any(|&byte| byte != 0)
        {
            return Err(unsupported("an XDP context with metadata or a device"));
        }
    }
    memory.context = Context::Xdp(XdpContext { packet: add_packet(memory, packet) });
    let object = memory.add(XDP_SIZE, 1, Kind::Context);
    Ok(memory.pointer(object, 0))
}

/// Context and packet as a test run hands them back, given the context that went in.
pub(crate) fn results(memory: &Memory, ctx: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let packet =
        |pointers: &PacketPointers| memory.element(pointers.data.prov.object() as u32, 0).to_vec();
    match &memory.context {
        Context::None => (Vec::new(), Vec::new()),
        Context::Xdp(context) => (ctx.to_vec(), packet(&context.packet)),
        Context::Skb(context) => {
            let mut out = ctx.to_vec();
            for at in SKB_INPUT.into_iter().flatten() {
                if let (Some(to), Some(&from)) = (out.get_mut(at), context.fields.get(at)) {
                    *to = from;
                }
            }
            let mut packet = packet(&context.packet);
            if !context.traffic_control {
                // bpf_prog_test_run_skb() pushes a header of zeros back.
                packet.iter_mut().take(ETH_HLEN).for_each(|byte| *byte = 0);
            }
            (out, packet)
        }
    }
}

fn add_packet(memory: &mut Memory, packet: &[u8]) -> PacketPointers {
    let data = memory.add_for_run(packet, Region::Packet);
    let end = Value { bits: data.bits.wrapping_add(packet.len() as u64), ..data };
    PacketPointers { data, end }
}

fn check_packet(packet: &[u8]) -> Result<(), TrapKind> {
    if packet.len() < ETH_HLEN {
        return Err(unsupported("a packet without Ethernet header"));
    }
    if packet.len() > MAX_LINEAR {
        return Err(unsupported("a packet that does not fit into one page"));
    }
    Ok(())
}

fn get(fields: &[u8; SKB_SIZE], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(bytes) = fields.get(at..at + 4) {
        word.copy_from_slice(bytes);
    }
    u32::from_le_bytes(word)
}

fn set(fields: &mut [u8; SKB_SIZE], at: usize, value: u32) {
    if let Some(bytes) = fields.get_mut(at..at + 4) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

fn unsupported(what: &'static str) -> TrapKind {
    TrapKind::Unsupported(what.into())
}
