//! Chained calls: packet programs with a common interface run in order; each result selects the
//! next one through a table of functions. The result of the last one is the program's.

#![cfg_attr(target_arch = "bpf", no_std)]

use bpf::{Packet, action};

/// Limit of programs run for a packet.
const LENGTH: u32 = 8;
/// Results from here on select the next program; lower ones are XDP actions.
const NEXT: u32 = 8;

/// A program of the chain.
type Program = fn(&Packet) -> u32;

/// The programs by number.
static PROGRAMS: [Program; 8] = [ethernet, firewall, rate, rewrite, balance, count, reflect, last];

const fn next(program: u32) -> u32 {
    NEXT + program
}

/// Sends IPv4 on to `firewall`; everything else passes.
fn ethernet(packet: &Packet) -> u32 {
    match packet.read::<u16>(12).map(u16::from_be) {
        Some(0x0800) => next(1),
        Some(0x0806) => next(7),
        Some(_) => action::PASS,
        None => action::ABORTED,
    }
}

/// Drops packets from 10.0.0.0/8; reflects ICMP, counts UDP.
fn firewall(packet: &Packet) -> u32 {
    let (Some(source), Some(protocol)) = (packet.read::<u32>(26), packet.read::<u8>(23)) else {
        return action::DROP;
    };
    match (source.swap_bytes() >> 24, protocol) {
        (10, _) => action::DROP,
        (_, 1) => next(6),
        (_, 17) => next(5),
        _ => next(2),
    }
}

/// Sends one packet in four, by its identification, through `rewrite`.
fn rate(packet: &Packet) -> u32 {
    match packet.read::<u16>(18) {
        Some(id) if id & 3 == 0 => next(3),
        Some(_) => next(4),
        None => action::DROP,
    }
}

/// Decrements the time to live and updates the checksum (RFC 1624).
fn rewrite(packet: &Packet) -> u32 {
    let (Some(ttl), Some(sum)) = (packet.read::<u8>(22), packet.read::<u16>(24)) else {
        return action::DROP;
    };
    if ttl <= 1 {
        return action::DROP;
    }
    let sum = u32::from(sum.swap_bytes()) + 0x0100;
    let sum = (sum & 0xffff) + (sum >> 16);
    packet.write(24, (sum as u16).to_be());
    packet.write(22, ttl - 1);
    next(4)
}

/// Selects one of two programs by the addresses.
fn balance(packet: &Packet) -> u32 {
    match (packet.read::<u32>(26), packet.read::<u32>(30)) {
        (Some(from), Some(to)) if (from ^ to).count_ones() & 1 == 0 => next(6),
        (Some(_), Some(_)) => next(7),
        _ => action::DROP,
    }
}

/// Marks the packet in the type-of-service field.
fn count(packet: &Packet) -> u32 {
    let seen = packet.read::<u8>(15).unwrap_or(0);
    packet.write(15, seen.wrapping_add(4));
    next(2)
}

/// Sends the packet back: swaps the hardware addresses.
fn reflect(packet: &Packet) -> u32 {
    match packet.read::<[[u8; 6]; 2]>(0) {
        Some([to, from]) if packet.write(0, [from, to]) => action::TX,
        _ => action::ABORTED,
    }
}

fn last(_: &Packet) -> u32 {
    action::PASS
}

fn run(packet: Packet) -> u32 {
    let mut program = 0;
    for _ in 0..LENGTH {
        if !bpf::can_loop() {
            break;
        }
        let result = PROGRAMS[program as usize & 7](&packet);
        if result < NEXT {
            return result;
        }
        program = result - NEXT;
    }
    action::ABORTED
}

bpf::xdp!(run);
