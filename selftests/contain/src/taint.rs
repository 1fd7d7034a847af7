//! What of an execution the verifier claims nothing about.
//!
//! When it stops a path because an older state is as good, it compares registers that are alive, and
//! numbers only where the older state needed them to be precise. The execution goes on as that older
//! state did, with other numbers in what was not compared: these are tainted, and what is computed
//! from them. A pointer or a jump that depends on a tainted number is claimed all the same: there the
//! older state would have needed it to be precise.

use bpf_isa::Insn;
use bpf_model::{Object, Seen};

use crate::graph::REGS;

/// `BPF_LOAD_ACQ`, `BPF_STORE_REL`, `BPF_CMPXCHG` (`include/uapi/linux/bpf.h`).
const LOAD_ACQ: i32 = 0x100;
const STORE_REL: i32 = 0x110;
const CMPXCHG: i32 = 0xf1;

/// Of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taint {
    /// Registers whose numbers are not claimed.
    pub(crate) regs: u16,
    /// Registers of which nothing is claimed until they are written: they were dead.
    pub(crate) dead: u16,
    /// The same for slots, by their number from the frame pointer down.
    pub(crate) slots: u64,
    pub(crate) dead_slots: u64,
}

/// The bit of the slot at an offset.
pub(crate) fn bit(offset: i64) -> u64 {
    u32::try_from(-(offset + 1) / 8).ok().filter(|number| *number < 64).map_or(0, |n| 1 << n)
}

/// The slots that bytes at an offset touch.
fn bits(offset: i64, size: i64) -> u64 {
    if offset >= 0 {
        return 0;
    }
    let mut mask = 0;
    let mut at = offset;
    while at < offset + size && at < 0 {
        mask |= bit(at);
        at += 1;
    }
    mask
}

impl Taint {
    pub(crate) fn reg(&self, number: usize) -> bool {
        self.regs >> number & 1 != 0
    }

    pub(crate) fn is_dead(&self, number: usize) -> bool {
        self.dead >> number & 1 != 0
    }

    pub(crate) fn count(&self) -> u32 {
        self.regs.count_ones() + self.slots.count_ones()
    }
}

/// The frames of an execution, the last is the current one.
pub(crate) type Frames = Vec<Taint>;

/// What an instruction does, `regs` before it, in a frame at `depth`, the first of `frames` being at
/// `base`.
pub(crate) fn execute(frames: &mut Frames, insn: &Insn, regs: &[Seen; REGS], base: usize) {
    let (dst, src) = (usize::from(insn.dst), usize::from(insn.src));
    let Some(mut now) = frames.last().copied() else { return };
    let size = match insn.code & 0x18 {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    };
    let set = |now: &mut Taint, reg: usize, tainted: bool| {
        now.regs = now.regs & !(1 << reg) | u16::from(tainted) << reg;
        now.dead &= !(1 << reg);
    };
    match insn.code & 7 {
        // ALU, ALU64: a register is the source if bit 3 is set, but for byte order and negation.
        4 | 7 => {
            let (op, x) = (insn.code & 0xf0, insn.code & 8 != 0);
            let from_src = x && op != 0xd0 && op != 0x80 && now.reg(src);
            let keeps = op != 0xb0 && now.reg(dst);
            set(&mut now, dst, from_src || keeps);
        }
        // LD: a wide immediate, or a load of a packet.
        0 => match insn.code {
            0x18 => set(&mut now, dst, false),
            _ => (0..6).for_each(|reg| set(&mut now, reg, false)),
        },
        // LDX, and the atomic load
        1 => {
            let tainted =
                slots_at(frames, regs, src, insn.off, size, base).is_some_and(|(frame, mask)| {
                    frames.get(frame).is_some_and(|f| f.slots & mask != 0)
                });
            set(&mut now, dst, tainted);
        }
        3 if insn.code & 0xe0 == 0xc0 && insn.imm == LOAD_ACQ => {
            let tainted =
                slots_at(frames, regs, src, insn.off, size, base).is_some_and(|(frame, mask)| {
                    frames.get(frame).is_some_and(|f| f.slots & mask != 0)
                });
            set(&mut now, dst, tainted);
        }
        // ST, STX
        class @ (2 | 3) => {
            let atomic = class == 3 && insn.code & 0xe0 == 0xc0 && insn.imm != STORE_REL;
            let tainted = class == 3 && now.reg(src);
            let place = slots_at(frames, regs, dst, insn.off, size, base);
            if let Some((frame, mask)) = place {
                let last = frames.len() - 1;
                let was = if frame == last { now.slots } else { frames[frame].slots } & mask != 0;
                let taint = if frame == last { &mut now } else { &mut frames[frame] };
                let whole = size == 8 && mask.count_ones() == 1;
                if tainted || atomic && was {
                    taint.slots |= mask;
                } else if whole && !atomic {
                    taint.slots &= !mask;
                }
                if whole {
                    taint.dead_slots &= !mask;
                }
                if atomic {
                    if insn.imm & 1 != 0 && insn.imm != CMPXCHG {
                        set(&mut now, src, tainted || was);
                    }
                    if insn.imm == CMPXCHG {
                        let r0 = now.reg(0);
                        set(&mut now, 0, r0 || was);
                    }
                }
            } else if atomic {
                // What is in memory is not claimed.
                if insn.imm & 1 != 0 && insn.imm != CMPXCHG {
                    set(&mut now, src, false);
                }
                if insn.imm == CMPXCHG {
                    set(&mut now, 0, false);
                }
            }
        }
        // JMP, JMP32
        _ => match insn.code & 0xf0 {
            0x80 => {
                // A function is entered with its arguments; what a helper gives is claimed.
                now.regs &= !0x3f;
                now.dead &= !0x3f;
            }
            0x00 | 0x90 => {}
            _ if insn.code & 8 != 0 && (now.reg(dst) || now.reg(src)) => {
                // Each is narrowed by what is claimed of the other.
                now.regs |= 1 << dst | 1 << src;
            }
            _ => {}
        },
    }
    if let Some(last) = frames.last_mut() {
        *last = now;
    }
}

/// The frame and its slots that an access through a register touches, if it is one to a stack.
fn slots_at(
    frames: &Frames,
    regs: &[Seen; REGS],
    reg: usize,
    off: i16,
    size: i64,
    base: usize,
) -> Option<(usize, u64)> {
    let Some(Seen::Pointer { into: Object::Stack { depth }, offset }) = regs.get(reg) else {
        return None;
    };
    let frame = depth.checked_sub(base)?;
    (frame < frames.len()).then(|| (frame, bits(offset + i64::from(off), size)))
}
