//! Values in words: a pointer is its object and an offset, not a made-up address.

use crate::memory::{BASE, FRAME_SIZE, Kind, Memory, Region};
use crate::value::{Value, ValueKind};

impl Memory {
    /// `0x2a`, `stack frame 0 -8` (from the frame pointer), `map 2 element 3 +16`, `context +0`,
    /// `packet +14`, `func 12`, `insn 40`, `map 2` for the map itself.
    pub(crate) fn show(&self, value: Value) -> String {
        match value.kind() {
            ValueKind::Scalar => format!("{:#x}", value.bits),
            ValueKind::Indeterminate => format!("indeterminate {:#x}", value.bits),
            ValueKind::Uninit => "uninitialised".to_owned(),
            ValueKind::Map => format!("map {}", value.prov.selector()),
            ValueKind::Instruction => format!("insn {}", value.prov.selector()),
            ValueKind::Function => format!("func {}", value.prov.selector()),
            ValueKind::Pointer => self.show_pointer(value),
        }
    }

    fn show_pointer(&self, value: Value) -> String {
        let element = value.prov.selector();
        let Some(object) = self.objects.get(value.prov.object()) else {
            return format!("pointer {:#x}", value.bits);
        };
        let stack = object.kind == Kind::Stack;
        let start = object.start as u64
            + if stack { FRAME_SIZE as u64 } else { object.stride as u64 * u64::from(element) };
        let offset = value.bits.wrapping_sub(BASE.wrapping_add(start)) as i64;
        match object.kind {
            Kind::Stack => format!("stack frame {} {offset:+}", value.prov.object()),
            Kind::Plain(Region::SyscallContext) | Kind::Context => format!("context {offset:+}"),
            Kind::Plain(Region::Packet) => format!("packet {offset:+}"),
            Kind::Plain(Region::Argument) => format!("memory {offset:+}"),
            Kind::Values { map, .. } | Kind::Guarded { map, .. } => {
                format!("map {map} element {element} {offset:+}")
            }
            Kind::Functions { map } | Kind::JumpTable { map } => format!("map {map} {offset:+}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Prov;

    fn moved(value: Value, by: i64) -> Value {
        Value { bits: value.bits.wrapping_add(by as u64), ..value }
    }

    #[test]
    fn pointers_are_objects_and_offsets() {
        let mut memory = Memory::new();
        let values = memory.add(12, 4, Kind::Values { map: 2, read: true, write: true });
        let table = memory.add(32, 1, Kind::JumpTable { map: 5 });
        let fp = memory.enter_frame(1);
        assert_eq!(memory.show(fp), "stack frame 1 +0");
        assert_eq!(memory.show(moved(fp, -8)), "stack frame 1 -8");
        assert_eq!(memory.show(moved(memory.pointer(values, 3), 4)), "map 2 element 3 +4");
        assert_eq!(memory.show(moved(memory.pointer(values, 1), -4)), "map 2 element 1 -4");
        assert_eq!(memory.show(moved(memory.pointer(table, 0), 8)), "map 5 +8");
        let context = memory.add_for_run(&[0; 8], Region::SyscallContext);
        let packet = memory.add_for_run(&[0; 14], Region::Packet);
        assert_eq!(memory.show(context), "context +0");
        assert_eq!(memory.show(moved(packet, 14)), "packet +14");
    }

    #[test]
    fn a_pointer_into_no_object_is_its_bits() {
        let stray = Value { bits: 0x10, prov: Prov::pointer(99, 0) };
        assert_eq!(Memory::new().show(stray), "pointer 0x10");
    }

    #[test]
    fn other_values() {
        let memory = Memory::new();
        let show = |prov| memory.show(Value { bits: 0x2a, prov });
        assert_eq!(show(Prov::SCALAR), "0x2a");
        assert_eq!(show(Prov::TAINTED), "indeterminate 0x2a");
        assert_eq!(show(Prov::UNINIT), "uninitialised");
        assert_eq!(show(Prov::map(2)), "map 2");
        assert_eq!(show(Prov::insn(40)), "insn 40");
        assert_eq!(show(Prov::function(12)), "func 12");
    }
}
