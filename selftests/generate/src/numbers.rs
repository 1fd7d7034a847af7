//! Numbers: constants, arithmetic, and numbers below a bound made in many ways.

use crate::body::Generator;
use crate::state::{Lock, REGS, SLOTS, Type};
use crate::tree::Node;

/// Constants where formats and bounds end.
const EDGES: [i64; 14] =
    [0, 1, -1, 2, 7, 8, 0x7f, -0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, -0x8000_0000, 0x8000];

impl Generator<'_> {
    /// A constant that fits an immediate.
    pub(crate) fn immediate(&mut self) -> i64 {
        match self.rng.u8(..8) {
            0..4 => self.rng.i64(0..32),
            4..6 => EDGES[self.rng.usize(..EDGES.len())],
            6 => self.rng.i64(-64..1024),
            _ => i64::from(self.rng.i32(..)),
        }
    }

    /// A register that holds a number, and its largest value.
    pub(crate) fn number(&mut self) -> Option<(u8, u64)> {
        let reg = self.find(|held| matches!(held, Type::Number { .. }))?;
        match self.state.regs[usize::from(reg)] {
            Type::Number { max } => Some((reg, max)),
            _ => None,
        }
    }

    /// A register that holds something of this kind.
    pub(crate) fn find(&mut self, is: impl Fn(Type) -> bool) -> Option<u8> {
        let regs: Vec<u8> =
            (0..REGS as u8).filter(|reg| is(self.state.regs[usize::from(*reg)])).collect();
        self.pick(&regs)
    }

    /// A register that may be overwritten with anything, most often one that holds nothing.
    pub(crate) fn target(&mut self, avoid: &[u8]) -> Option<u8> {
        let may = |reg: &u8| {
            self.state.reg_locks[usize::from(*reg)] == Lock::Free && !avoid.contains(reg)
        };
        let all: Vec<u8> = (0..REGS as u8).filter(may).collect();
        let empty = |reg: &u8| self.state.regs[usize::from(*reg)] == Type::Uninit;
        let empty: Vec<u8> = all.iter().copied().filter(empty).collect();
        if !empty.is_empty() && !self.one_in(4) { self.pick(&empty) } else { self.pick(&all) }
    }

    /// A register that may be overwritten with a number.
    pub(crate) fn number_target(&mut self, avoid: &[u8]) -> Option<u8> {
        let may = |reg: &u8| {
            self.state.reg_locks[usize::from(*reg)] != Lock::Frozen && !avoid.contains(reg)
        };
        let all: Vec<u8> = (0..REGS as u8).filter(may).collect();
        let numbers = |reg: &u8| {
            matches!(self.state.regs[usize::from(*reg)], Type::Uninit | Type::Number { .. })
        };
        let numbers: Vec<u8> = all.iter().copied().filter(numbers).collect();
        if !numbers.is_empty() && !self.one_in(6) { self.pick(&numbers) } else { self.pick(&all) }
    }

    pub(crate) fn is_number(&mut self, reg: u8, max: u64) {
        self.state.regs[usize::from(reg)] = Type::Number { max };
    }

    /// Where to draw a line in a range.
    pub(crate) fn limit(&mut self, max: u64) -> u64 {
        let most = max.min(0x7fff_ffff);
        match self.rng.u8(..8) {
            0 => self.rng.u64(..=most),
            1 => most,
            2 => most.min(1 << self.rng.u32(..31)),
            // Most numbers are small, and both ways are to be taken.
            3..6 => most.min(self.rng.u64(..8)),
            _ => most.min(self.rng.u64(..32)),
        }
    }

    pub(crate) fn set(&mut self) -> Option<()> {
        let reg = self.number_target(&[])?;
        if self.one_in(5) {
            let value = match self.rng.u8(..3) {
                0 => self.rng.u64(..),
                1 => 1 << self.rng.u32(..64),
                _ => u64::MAX >> self.rng.u32(..64),
            };
            self.line(format!("r{reg} = {value:#x} ll"));
            self.is_number(reg, value);
        } else if self.one_in(4) {
            let value = self.immediate();
            self.line(format!("w{reg} = {value}"));
            self.is_number(reg, u64::from(value as u32));
        } else {
            let value = self.immediate();
            self.line(format!("r{reg} = {value}"));
            self.is_number(reg, value as u64);
        }
        Some(())
    }

    pub(crate) fn arithmetic(&mut self) -> Option<()> {
        let numbers: Vec<u8> = (0..REGS as u8)
            .filter(|reg| {
                let at = usize::from(*reg);
                matches!(self.state.regs[at], Type::Number { .. })
                    && self.state.reg_locks[at] != Lock::Frozen
            })
            .collect();
        let reg = self.pick(&numbers)?;
        let Type::Number { max } = self.state.regs[usize::from(reg)] else { return None };
        if self.one_in(8) {
            return self.unary(reg);
        }
        let narrow = self.one_in(3);
        let r = if narrow { 'w' } else { 'r' };
        let bits = if narrow { 32 } else { 64 };
        let all = u64::MAX >> (64 - bits);
        let max = max.min(all);
        let op = self.pick(&[
            "+=", "-=", "*=", "&=", "|=", "^=", "<<=", ">>=", "s>>=", "/=", "%=", "&=", "+=", "-=",
            "+=", "s/=", "s%=",
        ])?;
        let shifts = matches!(op, "<<=" | ">>=" | "s>>=");
        if self.rng.bool() {
            let (other, limit) = self.number()?;
            if shifts && limit >= bits {
                self.line(format!("{r}{reg} {op} {r}{other}"));
                self.is_number(reg, all);
                return Some(());
            }
            self.line(format!("{r}{reg} {op} {r}{other}"));
            let limit = limit.min(all);
            let known = match op {
                "+=" => max.checked_add(limit).filter(|sum| *sum <= all),
                "&=" => Some(max.min(limit)),
                ">>=" | "/=" => Some(max),
                "%=" => Some(max),
                "|=" | "^=" => Some(ones(max | limit)),
                _ => None,
            };
            self.is_number(reg, known.unwrap_or(all));
            return Some(());
        }
        let value = match op {
            _ if shifts && self.rng.bool() => self.rng.i64(0..5),
            _ if shifts => self.rng.i64(0..i64::from(bits as u32)),
            "/=" | "%=" => self.rng.i64(1..64),
            "s/=" | "s%=" => self.pick(&[1, 2, 3, -3, 7, 64])?,
            "*=" => self.pick(&[0, 1, 2, 3, 5, 8, 24, -1, 1000])?,
            _ => self.immediate(),
        };
        self.line(format!("{r}{reg} {op} {value}"));
        let plain = u64::try_from(value).ok().map(|value| value & all);
        let known = plain.and_then(|value| match op {
            "+=" => max.checked_add(value).filter(|sum| *sum <= all),
            "*=" => max.checked_mul(value).filter(|product| *product <= all),
            "&=" => Some(max.min(value)),
            ">>=" => Some(max >> value),
            "<<=" if max.leading_zeros() as u64 >= value + 64 - bits => Some(max << value),
            "/=" => Some(max / value),
            "%=" => Some(max.min(value - 1)),
            "|=" | "^=" => Some(ones(max | value)),
            _ => None,
        });
        self.is_number(reg, known.unwrap_or(all));
        Some(())
    }

    fn unary(&mut self, reg: u8) -> Option<()> {
        let (text, max) = match self.rng.u8(..7) {
            0 => (format!("r{reg} = -r{reg}"), u64::MAX),
            1 => (format!("w{reg} = -w{reg}"), u64::from(u32::MAX)),
            2 => {
                let size = self.pick(&["s8", "s16", "s32"])?;
                (format!("r{reg} = ({size})r{reg}"), u64::MAX)
            }
            3 => {
                let size = self.pick(&["s8", "s16"])?;
                (format!("w{reg} = ({size})w{reg}"), u64::from(u32::MAX))
            }
            4 => (format!("r{reg} = be16 r{reg}"), 0xffff),
            5 => (format!("r{reg} = bswap32 r{reg}"), u64::from(u32::MAX)),
            _ => (format!("w{reg} = w{reg}"), u64::from(u32::MAX)),
        };
        self.line(text);
        self.is_number(reg, max);
        Some(())
    }

    pub(crate) fn copy(&mut self) -> Option<()> {
        let from = self.find(|held| held != Type::Uninit)?;
        let held = self.state.regs[usize::from(from)];
        let to = match held {
            Type::Number { .. } => self.number_target(&[from])?,
            _ => self.target(&[from])?,
        };
        self.line(format!("r{to} = r{from}"));
        self.state.regs[usize::from(to)] = held;
        Some(())
    }

    pub(crate) fn spill(&mut self) -> Option<()> {
        let from = self.find(|held| held != Type::Uninit)?;
        let held = self.state.regs[usize::from(from)];
        let slots: Vec<usize> = (0..SLOTS)
            .filter(|slot| match self.state.slot_locks[*slot] {
                Lock::Free => true,
                Lock::Number => matches!(held, Type::Number { .. }),
                Lock::Frozen => false,
            })
            .collect();
        let slot = self.pick(&slots)?;
        let at = 8 * (slot as i32 + 1);
        let narrow = matches!(held, Type::Number { max } if max <= u64::from(u32::MAX));
        if narrow && self.one_in(6) && matches!(self.state.slots[slot], Type::Number { .. }) {
            // Half of the slot: nothing is known of the whole.
            self.line(format!("*(u32 *)(r10 -{at}) = r{from}"));
            self.state.slots[slot] = Type::ANY;
        } else {
            self.line(format!("*(u64 *)(r10 -{at}) = r{from}"));
            self.state.slots[slot] = held;
        }
        Some(())
    }

    pub(crate) fn fill(&mut self) -> Option<()> {
        let slots: Vec<usize> =
            (0..SLOTS).filter(|slot| self.state.slots[*slot] != Type::Uninit).collect();
        let slot = self.pick(&slots)?;
        let held = self.state.slots[slot];
        let to = match held {
            Type::Number { .. } => self.number_target(&[])?,
            _ => self.target(&[])?,
        };
        let at = 8 * (slot as i32 + 1);
        match held {
            Type::Number { .. } if self.one_in(5) => {
                self.line(format!("r{to} = *(u32 *)(r10 -{at})"));
                self.is_number(to, u64::from(u32::MAX));
            }
            _ => {
                self.line(format!("r{to} = *(u64 *)(r10 -{at})"));
                self.state.regs[usize::from(to)] = held;
            }
        }
        Some(())
    }

    /// A register of its own with a number below `count`, which may be computed with.
    pub(crate) fn bounded(&mut self, count: u64, avoid: &[u8]) -> Option<u8> {
        let from = self.number();
        let reg = self.number_target(avoid)?;
        let Some((from, max)) = from.filter(|_| !self.one_in(12)) else {
            let value = self.rng.u64(..count);
            self.line(format!("r{reg} = {value}"));
            self.is_number(reg, value);
            return Some(reg);
        };
        let most = count - 1;
        if from != reg && max > most && self.one_in(4) {
            return self.linked(reg, from, most);
        }
        if from != reg {
            self.line(format!("r{reg} = r{from}"));
        }
        if max > most || self.one_in(3) {
            self.bound(reg, most);
        } else {
            self.is_number(reg, max);
        }
        if self.one_in(8) {
            self.through_stack(reg);
        }
        Some(reg)
    }

    /// A number at most `most`, of which another one with which it is linked was compared.
    fn linked(&mut self, reg: u8, from: u8, most: u64) -> Option<u8> {
        let other = self.rng.u64(..=most);
        let free = (0..SLOTS).find(|slot| self.state.slot_locks[*slot] == Lock::Free);
        let line = |text: String| Node::Line(text);
        let test = format!("r{from} <= {most}");
        match (self.rng.u8(..3), free) {
            (0, Some(slot)) => {
                let at = 8 * (slot + 1);
                self.line(format!("*(u64 *)(r10 -{at}) = r{from}"));
                let then = vec![line(format!("r{reg} = *(u64 *)(r10 -{at})"))];
                let other = vec![line(format!("r{reg} = {other}"))];
                self.out.push(Node::If { test, then, other });
                self.state.slots[slot] = Type::ANY;
            }
            (1, _) => {
                let delta = self.rng.u64(..=most.min(8));
                self.line(format!("r{reg} = r{from}"));
                self.line(format!("r{reg} += {delta}"));
                let test = format!("r{from} <= {}", most - delta);
                let other = vec![line(format!("r{reg} = {other}"))];
                self.out.push(Node::If { test, then: Vec::new(), other });
            }
            _ => {
                self.line(format!("r{reg} = r{from}"));
                let other = vec![line(format!("r{reg} = {other}"))];
                self.out.push(Node::If { test, then: Vec::new(), other });
            }
        }
        self.is_number(reg, most);
        Some(reg)
    }

    /// Makes a number at most `most`.
    fn bound(&mut self, reg: u8, most: u64) {
        let bits = 64 - (most + 1).leading_zeros() - 1;
        if self.one_in(4)
            && let Some(other) =
                self.find(|held| matches!(held, Type::Number { max } if max <= most))
            && other != reg
        {
            // What is known of one number has to be known of the other as well.
            self.clamp(format!("r{reg} <= r{other}"), reg, most);
            return self.is_number(reg, most);
        }
        let known = match self.rng.u8(..8) {
            0..2 => {
                let mask = (1u64 << bits) - 1;
                let r = self.width();
                self.line(format!("{r}{reg} &= {mask}"));
                mask
            }
            2 => {
                let r = self.width();
                self.line(format!("{r}{reg} %= {}", most + 1));
                most
            }
            3 if bits > 0 => {
                self.line(format!("r{reg} >>= {}", 64 - bits));
                (1 << bits) - 1
            }
            4 => {
                // Signed on both sides.
                self.clamp(format!("r{reg} s<= {most}"), reg, most);
                self.clamp(format!("r{reg} s>= 0"), reg, most);
                most
            }
            5 => {
                self.line(format!("w{reg} = w{reg}"));
                self.clamp(format!("w{reg} <= {most}"), reg, most);
                most
            }
            6 => {
                self.clamp(format!("r{reg} <= {most}"), reg, most);
                most
            }
            _ => {
                self.clamp(format!("r{reg} < {}", most + 1), reg, most);
                most
            }
        };
        self.is_number(reg, known);
    }

    pub(crate) fn width(&mut self) -> char {
        if self.one_in(3) { 'w' } else { 'r' }
    }

    fn clamp(&mut self, test: String, reg: u8, most: u64) {
        let other = self.rng.u64(..=most);
        let other = vec![Node::Line(format!("r{reg} = {other}"))];
        self.out.push(Node::If { test, then: Vec::new(), other });
    }

    /// Stores a number and loads it again.
    fn through_stack(&mut self, reg: u8) {
        let free: Vec<usize> =
            (0..SLOTS).filter(|slot| self.state.slot_locks[*slot] == Lock::Free).collect();
        if let Some(slot) = self.pick(&free) {
            let at = 8 * (slot + 1);
            self.line(format!("*(u64 *)(r10 -{at}) = r{reg}"));
            self.line(format!("r{reg} = *(u64 *)(r10 -{at})"));
            self.state.slots[slot] = self.state.regs[usize::from(reg)];
        }
    }

    /// Multiplies a number at most `most` by the size of an element.
    pub(crate) fn scale(&mut self, reg: u8, stride: u32, avoid: &[u8]) {
        let power = stride.trailing_zeros();
        let odd = stride >> power;
        let r = self.width();
        match self.rng.u8(..5) {
            0 if odd == 1 => self.line(format!("{r}{reg} <<= {power}")),
            1 if odd > 1 => {
                self.line(format!("{r}{reg} *= {odd}"));
                self.line(format!("{r}{reg} <<= {power}"));
            }
            2 if odd == 3 && self.one_in(4) => {
                let Some(other) = self.number_target(&[avoid, &[reg]].concat()) else {
                    return self.line(format!("r{reg} *= {stride}"));
                };
                self.line(format!("r{other} = r{reg}"));
                self.line(format!("r{other} <<= {}", power + 1));
                self.line(format!("r{reg} <<= {power}"));
                self.line(format!("r{reg} += r{other}"));
                self.is_number(other, u64::MAX);
            }
            _ => self.line(format!("{r}{reg} *= {stride}")),
        }
        if self.one_in(8) {
            self.through_stack(reg);
        }
    }
}

/// The smallest number of ones that covers a number.
fn ones(value: u64) -> u64 {
    if value == 0 { 0 } else { u64::MAX >> value.leading_zeros() }
}
