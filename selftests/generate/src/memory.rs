//! Memory: loads and stores at fixed and at variable offsets, atomics, maps.

use crate::body::{COUNTERS, COUNTERS_SIZE, Generator};
use crate::state::{BUFFER, BUFFER_AT, Lock, Region, SLOTS, Type};
use crate::tree::Node;

/// Bytes below r10 where the slots that are spilled to begin.
const SLOTS_AT: i16 = -8 * SLOTS as i16;

const LOCKED: &str = ".map locked array key=4 value=16 entries=1 lock=8";
const HASH: &str = ".map hash hash key=8 value=16 entries=8";
const ARRAY: &str = ".map array array key=4 value=32 entries=4";

impl Generator<'_> {
    /// Memory that numbers can be read from, as base, first offset, size and whether it can be
    /// written.
    fn memory(&mut self) -> Option<(String, i16, u32, bool)> {
        if self.buffer && self.one_in(4) {
            return Some(("r10".to_owned(), BUFFER_AT, BUFFER, true));
        }
        let numbers = |slot: &Type| matches!(slot, Type::Number { .. });
        if self.state.slots.iter().all(numbers) && self.one_in(3) {
            return Some(("r10".to_owned(), SLOTS_AT, 8 * SLOTS as u32, true));
        }
        if self.one_in(3) {
            let reg = self.target(&[])?;
            self.line(format!("r{reg} = {COUNTERS} ll"));
            let size = COUNTERS_SIZE;
            self.state.regs[usize::from(reg)] = Type::Memory { region: Region::Value, size };
            return Some((format!("r{reg}"), 0, size, true));
        }
        let numbers = |held| match held {
            Type::Memory { region, .. } => !matches!(region, Region::Table(_)),
            _ => false,
        };
        let reg = self.find(numbers)?;
        let Type::Memory { size, .. } = self.state.regs[usize::from(reg)] else { return None };
        Some((format!("r{reg}"), 0, size, true))
    }

    /// Memory from this offset on was written. The slots are any numbers then.
    fn written(&mut self, first: i16) {
        if first == SLOTS_AT {
            self.state.slots = [Type::ANY; SLOTS];
        }
    }

    fn size(&mut self, within: u32) -> Option<(u32, &'static str)> {
        let all = [(8, "u64"), (4, "u32"), (2, "u16"), (1, "u8")];
        let fit: Vec<_> = all.into_iter().filter(|(size, _)| *size <= within).collect();
        if self.rng.bool() { fit.first().copied() } else { self.pick(&fit) }
    }

    pub(crate) fn load_number(&mut self) -> Option<()> {
        let (base, first, len, _) = self.memory()?;
        let (size, name) = self.size(len)?;
        let at = i64::from(first) + i64::from(self.rng.u32(..=(len - size) / size) * size);
        let to = self.number_target(&[])?;
        if size < 8 && self.one_in(4) {
            let name = name.replace('u', "s");
            self.line(format!("r{to} = *({name} *)({base} {at:+})"));
            self.is_number(to, u64::MAX);
        } else {
            self.line(format!("r{to} = *({name} *)({base} {at:+})"));
            self.is_number(to, u64::MAX >> (64 - 8 * size));
        }
        Some(())
    }

    pub(crate) fn store(&mut self) -> Option<()> {
        let (base, first, len, writable) = self.memory()?;
        if !writable {
            return None;
        }
        self.written(first);
        let (size, name) = self.size(len)?;
        let at = i64::from(first) + i64::from(self.rng.u32(..=(len - size) / size) * size);
        match self.number() {
            Some((reg, _)) if !self.one_in(3) => {
                self.line(format!("*({name} *)({base} {at:+}) = r{reg}"));
            }
            _ => {
                let value = self.immediate();
                self.line(format!("*({name} *)({base} {at:+}) = {value}"));
            }
        }
        Some(())
    }

    pub(crate) fn atomic(&mut self) -> Option<()> {
        let (reg, _) = self.number()?;
        let base = self.target(&[reg])?;
        self.line(format!("r{base} = {COUNTERS} ll"));
        let size = COUNTERS_SIZE;
        self.state.regs[usize::from(base)] = Type::Memory { region: Region::Value, size };
        let at = 8 * self.rng.u32(..size / 8);
        match self.rng.u8(..3) {
            0 => {
                let op = self.pick(&["+=", "|=", "&=", "^="])?;
                self.line(format!("lock *(u64 *)(r{base} +{at}) {op} r{reg}"));
            }
            1 => {
                let to = self.number_target(&[base])?;
                let op = self.pick(&["add", "or", "and", "xor"])?;
                if to != reg {
                    self.line(format!("r{to} = r{reg}"));
                }
                self.line(format!("r{to} = atomic64_fetch_{op}((u64 *)(r{base} +{at}), r{to})"));
                self.is_number(to, u64::MAX);
            }
            _ => {
                let to = self.number_target(&[base])?;
                self.line(format!("r{to} = load_acquire((u64 *)(r{base} +{at}))"));
                self.is_number(to, u64::MAX);
            }
        }
        Some(())
    }

    /// An access at an offset that is known at run time only.
    pub(crate) fn access_variable(&mut self) -> Option<()> {
        let (base, first, len, writable) = self.memory()?;
        let own = base.strip_prefix('r').and_then(|reg| reg.parse::<u8>().ok()).unwrap_or(10);
        let (size, name) = self.size(len)?;
        let index = if len >= 40 + size && self.one_in(4) {
            self.sum_of_steps(own)?
        } else {
            // A step of more than the size leaves gaps.
            let step = size * self.rng.u32(1..=2);
            let count = (len - size) / step + 1;
            let index = self.bounded(count.into(), &[own])?;
            if step > 1 {
                self.scale(index, step, &[own]);
            }
            index
        };
        let pointer = if self.rng.bool() {
            let pointer = self.target(&[own, index])?;
            self.line(format!("r{pointer} = {base}"));
            self.line(format!("r{pointer} += r{index}"));
            pointer
        } else {
            if self.state.reg_locks[usize::from(index)] != Lock::Free {
                return Some(());
            }
            self.line(format!("r{index} += {base}"));
            index
        };
        // Where it points is not known any more.
        for reg in [index, pointer] {
            self.state.regs[usize::from(reg)] = Type::Uninit;
        }
        if pointer != index {
            self.is_number(index, u64::MAX);
        }
        if writable && self.one_in(3) {
            self.written(first);
            match self.number() {
                Some((reg, _)) => {
                    self.line(format!("*({name} *)(r{pointer} {first:+}) = r{reg}"));
                }
                None => self.line(format!("*({name} *)(r{pointer} {first:+}) = 1")),
            }
            return Some(());
        }
        let to = self.number_target(&[])?;
        self.line(format!("r{to} = *({name} *)(r{pointer} {first:+})"));
        self.is_number(to, u64::MAX >> (64 - 8 * size));
        Some(())
    }

    /// A number at most 40, the sum of two that have different strides.
    fn sum_of_steps(&mut self, own: u8) -> Option<u8> {
        let index = self.bounded(2, &[own])?;
        self.scale(index, 24, &[own]);
        self.is_number(index, 24);
        let other = self.bounded(2, &[own, index])?;
        self.scale(other, 16, &[own, index]);
        self.is_number(other, 16);
        self.line(format!("r{index} += r{other}"));
        self.is_number(index, 40);
        Some(index)
    }

    /// Looks up a map's element, with statements on it.
    pub(crate) fn look_up(&mut self, depth: u32) -> Option<()> {
        if !self.buffer {
            return None;
        }
        let size = if self.rng.bool() {
            self.use_map("hash", HASH);
            self.line("r1 = map hash ll".to_owned());
            16
        } else {
            self.use_map("array", ARRAY);
            let key = self.rng.u32(..5);
            self.line(format!("*(u32 *)(r10 {BUFFER_AT:+}) = {key}"));
            self.line("r1 = map array ll".to_owned());
            32
        };
        self.line("r2 = r10".to_owned());
        self.line(format!("r2 += {BUFFER_AT}"));
        self.line("call bpf_map_lookup_elem".to_owned());
        self.state.clobber();
        let before = self.state.clone();
        self.state.regs[0] = Type::Memory { region: Region::Value, size };
        let statements = self.rng.u32(1..4);
        let then = self.nested(statements, depth);
        self.state.join(&before);
        self.out.push(Node::If { test: "r0 != 0".to_owned(), then, other: Vec::new() });
        Some(())
    }

    /// A number under a spin lock.
    pub(crate) fn lock(&mut self) -> Option<()> {
        if !self.buffer {
            return None;
        }
        self.use_map("locked", LOCKED);
        let keep = self.target(&[0, 1, 2, 3, 4, 5])?;
        for line in [
            format!("*(u32 *)(r10 {BUFFER_AT:+}) = 0"),
            "r1 = map locked ll".to_owned(),
            "r2 = r10".to_owned(),
            format!("r2 += {BUFFER_AT}"),
            "call bpf_map_lookup_elem".to_owned(),
        ] {
            self.line(line);
        }
        self.state.clobber();
        let value = self.immediate();
        let lines = vec![
            format!("r{keep} = r0"),
            format!("r1 = r{keep}"),
            "r1 += 8".to_owned(),
            "call bpf_spin_lock".to_owned(),
            format!("r1 = *(u64 *)(r{keep} +0)"),
            format!("r1 += {value}"),
            format!("*(u64 *)(r{keep} +0) = r1"),
            format!("r1 = r{keep}"),
            "r1 += 8".to_owned(),
            "call bpf_spin_unlock".to_owned(),
        ];
        // The program may not end while it holds the lock.
        let then = vec![Node::Lines(lines)];
        self.state.regs[usize::from(keep)] = Type::Uninit;
        self.out.push(Node::If { test: "r0 != 0".to_owned(), then, other: Vec::new() });
        Some(())
    }

    /// Writes an element of a map.
    pub(crate) fn update(&mut self) -> Option<()> {
        if !self.buffer {
            return None;
        }
        self.use_map("hash", HASH);
        self.line("r1 = map hash ll".to_owned());
        self.line("r2 = r10".to_owned());
        self.line(format!("r2 += {BUFFER_AT}"));
        self.line("r3 = r10".to_owned());
        self.line(format!("r3 += {}", BUFFER_AT + 8));
        self.line("r4 = 0".to_owned());
        let what = if self.one_in(4) { "delete" } else { "update" };
        self.line(format!("call bpf_map_{what}_elem"));
        self.state.clobber();
        self.is_number(0, u64::MAX);
        Some(())
    }
}
