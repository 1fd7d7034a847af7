//! Whether a claim of the verifier's is true of the model's state.

use std::rc::Rc;

use bpf_model::{Object, Seen, Slot, Step};
use bpf_object::{LoadPlan, MapPlan};

use crate::check::Counts;
use crate::claim::{Claim, Pointer, SlotClaim, What};
use crate::graph::{Node, REGS};
use crate::taint::{Taint, bit};

/// Whether a claim is true.
pub(crate) enum Verdict {
    Holds,
    Open,
    Fails(String),
}

pub(crate) fn is_function(claim: &Rc<Claim>) -> bool {
    matches!(&claim.what, What::Pointer(pointer) if pointer.kind == "func")
}

/// Whether both are numbers.
pub(crate) fn is_number(claim: &Claim, seen: Seen) -> bool {
    matches!((&claim.what, seen), (What::Number { .. }, Seen::Number(_)))
}

/// Checks what a node claims of the current frame; what fails first.
pub(crate) fn claims(
    node: &Node,
    taint: &Taint,
    step: &Step<'_>,
    regs: &[Seen; REGS],
    (base, plan): (usize, &LoadPlan),
    counts: &mut Counts,
) -> Option<String> {
    let depth = node.depth();
    for (number, claim) in node.state.regs.iter().enumerate() {
        let Some(claim) = claim else { continue };
        let number_claim = matches!(claim.what, What::Number { .. });
        if taint.is_dead(number) || taint.reg(number) && number_claim {
            counts.weak += 1;
            continue;
        }
        match holds(claim, regs[number], base, depth, &plan.maps) {
            Verdict::Holds => counts.strong += 1,
            Verdict::Open => counts.open += 1,
            Verdict::Fails(what) => return Some(format!("R{number}={} {what}", claim.text)),
        }
    }
    for (offset, slot) in &*node.state.slots {
        let mask = bit(*offset);
        let number = match &**slot {
            SlotClaim::Spilled { claim, .. } => matches!(claim.what, What::Number { .. }),
            _ => true,
        };
        if taint.dead_slots & mask != 0 || taint.slots & mask != 0 && number {
            counts.weak += 1;
            continue;
        }
        let stack = step.stack(step.depth(), *offset);
        match slot_holds(slot, &stack, base, depth, &plan.maps) {
            Verdict::Holds => counts.strong += 1,
            Verdict::Open => counts.open += 1,
            Verdict::Fails(what) => return Some(format!("fp{offset}{what}")),
        }
    }
    None
}

pub(crate) fn holds(
    claim: &Claim,
    seen: Seen,
    base: usize,
    depth: usize,
    maps: &[MapPlan],
) -> Verdict {
    if matches!(seen, Seen::Indeterminate | Seen::Nothing) {
        return Verdict::Open;
    }
    match &claim.what {
        What::Number { range, .. } => match seen {
            Seen::Number(value) => match range.lacks(value) {
                None => Verdict::Holds,
                Some(bound) => Verdict::Fails(format!("is {value:#x}, outside of {bound}")),
            },
            // Without CAP_PERFMON a pointer to a function in data is the number that stands there.
            Seen::Function(slot) if range.lacks(slot as u64 * 8).is_none() => Verdict::Open,
            other => Verdict::Fails(format!("is {other}")),
        },
        What::Pointer(pointer) => pointer_holds(pointer, seen, base, depth, maps),
    }
}

pub(crate) fn pointer_holds(
    pointer: &Pointer,
    seen: Seen,
    base: usize,
    depth: usize,
    maps: &[MapPlan],
) -> Verdict {
    let fails = || Verdict::Fails(format!("is {seen}"));
    if let Seen::Number(value) = seen {
        return match pointer.kind.as_str() {
            _ if pointer.or_null && value == 0 => Verdict::Holds,
            "ctx" | "map_ptr" | "map_value" | "fp" | "pkt" | "pkt_meta" | "pkt_end" | "func"
            | "insn" => fails(),
            _ => Verdict::Open,
        };
    }
    let offset = match (pointer.kind.as_str(), seen) {
        ("func", Seen::Function(_)) => return Verdict::Holds,
        ("insn", Seen::Instruction(slot)) => {
            return if is_entry(pointer, slot, maps) { Verdict::Holds } else { fails() };
        }
        ("map_ptr", Seen::Map(map)) => {
            return if is_map(pointer, map, maps) { Verdict::Holds } else { fails() };
        }
        ("ctx", Seen::Pointer { into: Object::Context, offset }) => offset,
        ("fp", Seen::Pointer { into: Object::Stack { depth: at }, offset })
            if at == base + pointer.frame.unwrap_or(depth) =>
        {
            offset
        }
        ("map_value", Seen::Pointer { into: Object::Value { map }, offset })
            if is_map(pointer, map, maps) =>
        {
            offset
        }
        ("pkt" | "pkt_meta", Seen::Pointer { into: Object::Packet { .. }, offset }) => offset,
        ("pkt_end", Seen::Pointer { into: Object::Packet { len }, offset }) => {
            return if offset == len as i64 { Verdict::Holds } else { fails() };
        }
        (
            "ctx" | "map_ptr" | "map_value" | "fp" | "pkt" | "pkt_meta" | "pkt_end" | "func"
            | "insn",
            _,
        ) => return fails(),
        _ => return Verdict::Open,
    };
    match pointer.variable.lacks(offset.wrapping_sub(pointer.fixed) as u64) {
        None => Verdict::Holds,
        Some(bound) => Verdict::Fails(format!("is {seen}, outside of {bound}")),
    }
}

/// Whether an entry of a jump table at one of the offsets leads to a slot. Which table is not printed.
pub(crate) fn is_entry(pointer: &Pointer, slot: usize, maps: &[MapPlan]) -> bool {
    let tables = maps.iter().filter(|map| map.map_type == bpf_isa::MAP_TYPE_INSN_ARRAY);
    let entries = tables.flat_map(|map| map.contents.iter().enumerate());
    entries.into_iter().any(|(index, element)| {
        // `struct bpf_insn_array_value` begins with the slot.
        let target = element.value.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let offset = (index as i64 * 8).wrapping_sub(pointer.fixed) as u64;
        target == Some(slot) && pointer.variable.lacks(offset).is_none()
    })
}

/// Whether it is the map that a claim names. The kernel knows 15 bytes of its name.
pub(crate) fn is_map(pointer: &Pointer, map: usize, maps: &[MapPlan]) -> bool {
    let (Some((name, key, value)), Some(map)) = (&pointer.map, maps.get(map)) else {
        return true;
    };
    let named = |map: &MapPlan| map.name.get(..15).unwrap_or(&map.name) == name.as_str();
    map.key_size == *key && map.value_size == *value && (named(map) || !maps.iter().any(named))
}

pub(crate) fn slot_holds(
    slot: &SlotClaim,
    stack: &Slot,
    base: usize,
    depth: usize,
    maps: &[MapPlan],
) -> Verdict {
    let zero = |types: &str| {
        // From the top down.
        types.chars().zip(stack.bytes.iter().rev()).zip(stack.written.iter().rev()).find_map(
            |((kind, byte), written)| match (kind, byte) {
                ('0', Some(byte)) if *byte != 0 => Some(format!("has {byte:#x}")),
                ('0', None) if *written => Some("has a part of an address".to_owned()),
                _ => None,
            },
        )
    };
    match slot {
        SlotClaim::Special(_) => Verdict::Open,
        SlotClaim::Bytes(types) => match zero(types) {
            Some(has) => Verdict::Fails(format!("={types} {has}")),
            None if types.contains('0') => Verdict::Holds,
            None => Verdict::Open,
        },
        SlotClaim::Spilled { claim, bytes: 8, .. } => match stack.whole {
            Some(seen) => match holds(claim, seen, base, depth, maps) {
                Verdict::Fails(what) => Verdict::Fails(format!("={} {what}", claim.text)),
                other => other,
            },
            None => Verdict::Open,
        },
        SlotClaim::Spilled { claim, bytes, above } => {
            if let Some(has) = zero(above) {
                return Verdict::Fails(format!("={above}{} {has}", claim.text));
            }
            let What::Number { range, .. } = &claim.what else { return Verdict::Open };
            let mut value = 0;
            for (number, byte) in stack.bytes.iter().take(*bytes).enumerate() {
                let Some(byte) = byte else { return Verdict::Open };
                value |= u64::from(*byte) << (8 * number);
            }
            match range.lacks_low(value, *bytes) {
                None => Verdict::Holds,
                Some(bound) => Verdict::Fails(format!(
                    "={above}{} has {value:#x}, outside of {bound}",
                    claim.text
                )),
            }
        }
    }
}
