//! A packet classifier: EtherType and protocol select functions from tables.

#![cfg_attr(target_arch = "bpf", no_std)]

use bpf::{Packet, action};

/// Parses the network header: the offset of the next header, and in the low byte its protocol; 0 if
/// there is none.
type Network = fn(&Packet) -> usize;
/// Decides by the transport header.
type Transport = fn(&Packet, usize) -> u32;

/// Hash of an EtherType, without collisions for the known types.
const fn slot(ether_type: u16) -> usize {
    (ether_type as usize ^ ether_type as usize >> 4) & 7
}

const fn class(offset: usize, protocol: u8) -> usize {
    offset << 8 | protocol as usize
}

fn ipv4(packet: &Packet) -> usize {
    let (Some(first), Some(protocol)) = (packet.read::<u8>(14), packet.read::<u8>(23)) else {
        return 0;
    };
    // Options follow the 20 bytes; a shorter header is invalid.
    let words = first & 15;
    if first >> 4 != 4 || words < 5 { 0 } else { class(14 + 4 * words as usize, protocol) }
}

fn ipv6(packet: &Packet) -> usize {
    match (packet.read::<u8>(14), packet.read::<u8>(20)) {
        (Some(first), Some(protocol)) if first >> 4 == 6 => class(54, protocol),
        _ => 0,
    }
}

fn vlan(packet: &Packet) -> usize {
    match (packet.read::<u16>(16).map(u16::from_be), packet.read::<u8>(27)) {
        (Some(0x0800), Some(protocol)) => class(38, protocol),
        _ => 0,
    }
}

fn unknown(_: &Packet) -> usize {
    0
}

fn tcp(packet: &Packet, at: usize) -> u32 {
    match packet.read::<u16>(at + 2).map(u16::from_be) {
        Some(22) => action::PASS,
        Some(80 | 443) => action::TX,
        Some(_) => action::DROP,
        None => action::ABORTED,
    }
}

fn udp(packet: &Packet, at: usize) -> u32 {
    match packet.read::<u16>(at + 2).map(u16::from_be) {
        Some(53) => action::TX,
        Some(port) if port >= 1024 => action::PASS,
        Some(_) => action::DROP,
        None => action::ABORTED,
    }
}

fn icmp(packet: &Packet, at: usize) -> u32 {
    match packet.read::<u8>(at) {
        Some(8) => action::TX,
        Some(_) => action::PASS,
        None => action::ABORTED,
    }
}

fn other(_: &Packet, _: usize) -> u32 {
    action::DROP
}

static NETWORK: [Network; 8] = {
    let mut table: [Network; 8] = [unknown; 8];
    table[slot(0x0800)] = ipv4;
    table[slot(0x86dd)] = ipv6;
    table[slot(0x8100)] = vlan;
    table
};
static TRANSPORT: [Transport; 4] = [other, icmp, tcp, udp];

fn run(packet: Packet) -> u32 {
    let Some(ether_type) = packet.read::<u16>(12).map(u16::from_be) else {
        return action::ABORTED;
    };
    let class = NETWORK[slot(ether_type)](&packet);
    if class == 0 {
        return action::PASS;
    }
    let kind = match class as u8 {
        1 | 58 => 1,
        6 => 2,
        17 => 3,
        _ => 0,
    };
    TRANSPORT[kind](&packet, class >> 8 & 127)
}

bpf::xdp!(run);
