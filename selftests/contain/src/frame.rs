//! What the log says of one frame, carried along a path.

use std::collections::BTreeMap;
use std::rc::Rc;

use bpf_isa::Insn;

use crate::claim::{Claim, Printed, SlotClaim, What};
use crate::graph::REGS;

/// `ld_imm64`.
const WIDE: u8 = 0x18;
pub(crate) const CALL: u8 = 0x85;
const CALLX: u8 = 0x8d;
/// `BPF_LOAD_ACQ`, `BPF_CMPXCHG` (`include/uapi/linux/bpf.h`).
const LOAD_ACQUIRE: i32 = 0x100;
const CMPXCHG: i32 = 0xf1;
/// Helpers that write nothing through their arguments: from `bpf_map_lookup_elem` on.
const LOOKUP: i32 = 1;
const DELETE: i32 = 3;

/// What is known of the frame that the verifier was in.
#[derive(Clone, Debug, Default)]
pub struct FrameState {
    /// Registers; none where nothing is claimed.
    pub regs: [Option<Rc<Claim>>; REGS],
    /// Slots by their offset.
    pub slots: Rc<BTreeMap<i64, Rc<SlotClaim>>>,
}

impl FrameState {
    pub(crate) fn whole(printed: &Printed) -> Self {
        let mut state = Self::default();
        state.update(printed);
        state
    }

    pub(crate) fn update(&mut self, printed: &Printed) {
        for (reg, claim) in &printed.regs {
            if let Some(place) = self.regs.get_mut(*reg) {
                *place = Some(Rc::new(claim.clone()));
            }
        }
        if !printed.slots.is_empty() {
            let slots = Rc::make_mut(&mut self.slots);
            for (offset, slot) in &printed.slots {
                slots.insert(*offset, Rc::new(slot.clone()));
            }
        }
    }

    pub(crate) fn drop_caller_saved(&mut self) {
        self.regs[..6].fill(None);
    }

    /// What an instruction writes is not what it was; what it is now is not printed if it is dead.
    pub(crate) fn drop_written(&mut self, insn: &Insn, depth: usize) {
        let (dst, src) = (usize::from(insn.dst), usize::from(insn.src));
        match insn.code & 7 {
            // A load of a packet clobbers as a call does.
            0 if insn.code != WIDE => self.drop_caller_saved(),
            0 | 1 | 4 | 7 => self.drop_reg(dst),
            2 | 3 => {
                let atomic = insn.code & 7 == 3 && insn.code & 0xe0 == 0xc0;
                let loads = atomic && insn.imm == LOAD_ACQUIRE;
                if loads {
                    return self.drop_reg(dst);
                }
                let place = self.regs.get(dst).and_then(Option::as_deref).cloned();
                if atomic && insn.imm & 1 != 0 {
                    self.drop_reg(if insn.imm == CMPXCHG { 0 } else { src });
                }
                self.drop_slots(place.as_ref(), i64::from(insn.off), depth);
            }
            _ if matches!(insn.code, CALL | CALLX) => {
                let number = (insn.code == CALL && insn.src == 0).then_some(insn.imm);
                if !matches!(number, Some(LOOKUP..=DELETE)) {
                    for reg in 1..6 {
                        let claim = self.regs.get(reg).and_then(Option::as_deref).cloned();
                        let to_stack = |claim: &Claim| matches!(&claim.what, What::Pointer(pointer) if pointer.kind == "fp");
                        if claim.as_ref().is_some_and(to_stack) {
                            Rc::make_mut(&mut self.slots).clear();
                        }
                    }
                }
                self.drop_caller_saved();
            }
            _ => {}
        }
    }

    pub(crate) fn drop_reg(&mut self, reg: usize) {
        if let Some(place) = self.regs.get_mut(reg) {
            *place = None;
        }
    }

    /// Drops the slots that a store of up to eight bytes may touch.
    pub(crate) fn drop_slots(&mut self, place: Option<&Claim>, off: i64, depth: usize) {
        let Some(What::Pointer(pointer)) = place.map(|claim| &claim.what) else {
            if place.is_none() {
                Rc::make_mut(&mut self.slots).clear();
            }
            return;
        };
        if pointer.kind != "fp" || pointer.frame.is_some_and(|frame| frame != depth) {
            return;
        }
        let first = pointer.fixed.saturating_add(pointer.variable.signed.0).saturating_add(off);
        let last = pointer.fixed.saturating_add(pointer.variable.signed.1).saturating_add(off + 7);
        if self.slots.range(first.saturating_sub(7)..=last).next().is_some() {
            let slots = Rc::make_mut(&mut self.slots);
            slots.retain(|at, _| *at + 7 < first || *at > last);
        }
    }

    /// `widen_imprecise_scalars()` prints nothing.
    pub(crate) fn drop_imprecise(&mut self) {
        let imprecise = |claim: &Claim| matches!(claim.what, What::Number { precise: false, .. });
        for place in &mut self.regs {
            if place.as_deref().is_some_and(imprecise) {
                *place = None;
            }
        }
        Rc::make_mut(&mut self.slots).retain(|_, slot| match &**slot {
            SlotClaim::Spilled { claim, .. } => !imprecise(claim),
            _ => true,
        });
    }
}
