//! Where a state that is come back to was put aside.

use std::rc::Rc;

use super::{GOTOX, PARENTS, Path, Reader};
use crate::claim::{Claim, Printed, Range, What};
use crate::frame::CALL;
use crate::graph::{FrameState, Kind, Node, Up};

impl Reader<'_> {
    /// The paths that a state which was put aside may belong to: after the instruction at `x`, with
    /// `y` to come; one for each chain of calls, of which the first is the likeliest.
    ///
    /// What is put aside last is come back to first. So it is the latest node at `x` that may have put
    /// aside what has not been come back to; or at `y`, where a `gotox` or a read of a pointer to a
    /// function goes on in another way. Without a state to compare it may be any.
    pub(super) fn came_from(&mut self, x: usize, y: usize, printed: Option<&Printed>) -> Vec<Path> {
        let again = x == y && !self.jumps_to_itself(x);
        let helper = matches!(self.insns.get(x), Some(insn) if insn.code == CALL && y != x + 1);
        let chooses =
            self.insns.get(y).is_some_and(|insn| insn.code == GOTOX || insn.code & 7 == 1);
        let of = |slot: usize| self.log.at.get(&slot).into_iter().flatten().copied();
        let mut candidates: Vec<(usize, bool)> = of(x).map(|number| (number, false)).collect();
        if chooses && !again {
            candidates.extend(of(y).map(|number| (number, true)));
        }
        candidates.sort_unstable_by(|a, b| b.cmp(a));
        let mut found: Vec<(usize, Path)> = Vec::new();
        let mut taken = None;
        for pass in [false, true] {
            for &(number, choice) in &candidates {
                let Some(node) = self.log.nodes.get(number) else { continue };
                let done = if choice { node.chosen } else { node.done };
                // What is done with is asked only where there is no other, or beside it.
                let first = found.is_empty();
                if node.kind != Kind::Instruction || first && done != pass {
                    continue;
                }
                let from_x =
                    |&before: &usize| self.log.nodes.get(before).is_some_and(|n| n.slot == x);
                if choice && !node.before.iter().any(from_x) {
                    continue;
                }
                let enters =
                    helper && !choice && printed.is_none_or(|p| p.frame == node.depth() + 1);
                if let Some(printed) = printed
                    && !enters
                    && (printed.frame != node.depth() || !self.fits(node, printed, (again, choice)))
                {
                    continue;
                }
                let last = if again || choice { node.before.clone() } else { vec![number] };
                if let Some((_, path)) = found.iter_mut().find(|(chain, _)| *chain == node.chain) {
                    if path.last.len() < PARENTS {
                        path.last.extend(last);
                        path.last.dedup();
                    }
                    continue;
                }
                taken = taken.or(Some((number, choice)));
                let up = if enters {
                    let state = node.state.clone();
                    let (callsite, up, depth) = (x, node.up.clone(), node.depth());
                    Some(Rc::new(Up { state, callsite, up, depth }))
                } else {
                    node.up.clone()
                };
                let path = Path {
                    state: printed.map(FrameState::whole).unwrap_or_default(),
                    up,
                    callback: enters || node.callback,
                    last,
                    returned: false,
                    start: self.log.nodes.len(),
                    others: Vec::new(),
                };
                found.push((node.chain, path));
            }
            if !found.is_empty() {
                break;
            }
        }
        if let Some((number, choice)) = taken
            && let Some(node) = self.log.nodes.get_mut(number)
        {
            if choice {
                node.chosen = true;
            } else {
                node.done = true;
            }
        }
        found.into_iter().map(|(_, path)| path).collect()
    }

    fn jumps_to_itself(&self, slot: usize) -> bool {
        self.insns.get(slot).is_some_and(|insn| matches!(insn.code & 7, 5 | 6))
    }

    /// Whether a state may come from a node: what its instruction does not touch is the same.
    fn fits(&self, node: &Node, printed: &Printed, (again, choice): (bool, bool)) -> bool {
        let Some(insn) = self.insns.get(node.slot) else { return false };
        let ids: Vec<u32> = [insn.dst, insn.src]
            .iter()
            .filter_map(|reg| node.state.regs.get(usize::from(*reg))?.as_ref())
            .map(|claim| claim.id)
            .filter(|id| *id != 0)
            .collect();
        let clobbers = insn.code & 0xf7 == 0x85 || insn.code & 7 == 0;
        printed.regs.iter().all(|(reg, claim)| {
            let touched = *reg == usize::from(insn.dst) || *reg == usize::from(insn.src);
            let touched = touched && !choice && (!again || *reg == usize::from(insn.dst));
            if touched || clobbers && !choice && *reg < 6 {
                return true;
            }
            let Some(before) = node.state.regs.get(*reg).and_then(Option::as_ref) else {
                return false;
            };
            if claim.id != 0 && ids.contains(&claim.id)
                || before.id != 0 && ids.contains(&before.id)
            {
                return true;
            }
            like(before, claim)
        })
    }
}

/// Whether two claims may be of the same register at the same time: numbers are widened at times, and
/// pointers lose that they may be null.
fn like(before: &Claim, after: &Claim) -> bool {
    match (&before.what, &after.what) {
        (What::Number { range: old, .. }, What::Number { range: new, .. }) => {
            old == new || *new == Range::ANY
        }
        (What::Pointer(old), What::Pointer(new)) => {
            old.kind == new.kind
                && old.frame == new.frame
                && (old.fixed, old.variable.bits) == (new.fixed, new.variable.bits)
        }
        (What::Pointer(old), What::Number { .. }) => old.or_null,
        (What::Number { .. }, What::Pointer(_)) => false,
    }
}
