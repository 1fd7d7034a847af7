//! The model's steps, followed through the graph of the log.
//!
//! [`Checker`] keeps the nodes that the execution may be at, each with what is tainted ([`crate::taint`]).
//! At each step it goes on to the nodes that follow, and keeps those that hold what the model has. None
//! left means that the verifier did not think of this.
//!
//! Where a path was stopped (`safe`), the older states are the nodes of the same slot and chain of
//! calls. Of those that hold everything the latest is taken: what was verified from there on is true of
//! the execution. If there is none, it is one of those that differ in dead registers and in numbers that
//! it did not need; what differs is tainted.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;

use bpf_isa::Insn;
use bpf_model::{Observer, Seen, Step};
use bpf_object::LoadPlan;

use crate::claim::{Claim, SlotClaim, What};
use crate::graph::{Kind, Log, Node, REGS};
use crate::holds::{Verdict, claims, holds, is_function, is_number, slot_holds};
use crate::taint::{self, Frames, Taint, bit};

/// `bpf_tail_call` (`include/uapi/linux/bpf.h`).
const TAIL_CALL: i32 = 12;

/// Nodes that an execution may be at; with more, it is not followed any further.
const ACTIVE: usize = 64;

/// Older states that are looked at for all executions of a [`Checker`]; then it is not followed further.
const LOOKED_AT: u64 = 1 << 18;

/// Steps of a path that are remembered.
const REMEMBERED: usize = 24;

/// Older states that are followed where none holds everything.
const OLDER: usize = 8;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executions.
    pub runs: u64,
    /// Steps that were looked at.
    pub steps: u64,
    /// Registers and slots at a step that were claimed and are so.
    pub strong: u64,
    /// Those that are not claimed any more, because a state was pruned.
    pub weak: u64,
    /// Those whose value is the kernel's choice, or whose claim says nothing that can be compared.
    pub open: u64,
    /// Executions that were not followed to their end, for too many nodes or after a tail call had
    /// replaced a function that was to return.
    pub given_up: u64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.strong += other.strong;
        self.weak += other.weak;
        self.open += other.open;
        self.given_up += other.given_up;
    }
}

/// A state of the model that is in none of the verifier's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the program.
    pub program: usize,
    /// Slot of the instruction before which it is so.
    pub slot: usize,
    /// Depth of the frame.
    pub depth: usize,
    /// What is claimed, and what is.
    pub what: String,
    /// Line of the log that claims it.
    pub line: usize,
    /// The slots on the way there, the last ones.
    pub path: Vec<usize>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, slot, depth, what, line, path } = self;
        write!(f, "program {program}, before slot {slot}, frame {depth}: {what}")?;
        if *line > 0 {
            write!(f, " (line {line} of the log)")?;
        }
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        write!(f, "; the way there: {}", path.join(" "))
    }
}

/// A node that the execution may be at.
#[derive(Clone, Debug)]
struct Active {
    node: usize,
    frames: Frames,
}

/// A function that was verified by itself, or a program after a tail call.
#[derive(Clone, Debug)]
struct Context {
    program: usize,
    /// Depth of its first frame.
    base: usize,
    active: Vec<Active>,
    /// Whether it has replaced another by a tail call.
    tail: bool,
}

/// Follows executions of the programs of a plan.
#[derive(Debug)]
pub struct Checker<'a> {
    logs: &'a [Option<Log>],
    plan: &'a LoadPlan,
    contexts: Vec<Context>,
    before: Option<([Seen; REGS], usize, usize)>,
    path: VecDeque<usize>,
    looked_at: Cell<u64>,
    stopped: bool,
    /// What was found first.
    pub violation: Option<Violation>,
    /// What was checked.
    pub counts: Counts,
}

impl<'a> Checker<'a> {
    /// One log for each program of the plan, where there is one.
    pub fn new(plan: &'a LoadPlan, logs: &'a [Option<Log>]) -> Self {
        Self {
            logs,
            plan,
            contexts: Vec::new(),
            before: None,
            path: VecDeque::new(),
            looked_at: Cell::new(0),
            stopped: false,
            violation: None,
            counts: Counts::default(),
        }
    }

    /// Another execution begins.
    pub fn begin(&mut self) {
        self.contexts.clear();
        self.before = None;
        self.path.clear();
        self.stopped = self.violation.is_some();
        self.counts.runs += u64::from(!self.stopped);
    }

    fn give_up(&mut self) {
        self.counts.given_up += 1;
        self.stopped = true;
    }

    fn start(&mut self, step: &Step<'_>, tail: bool) -> Vec<Active> {
        let log = self.logs.get(step.program()).and_then(Option::as_ref);
        let nodes = log.map(|log| {
            let here =
                |&&start: &&usize| log.nodes.get(start).is_some_and(|n| n.slot == step.slot());
            log.starts.iter().filter(here).copied().collect::<Vec<_>>()
        });
        let Some(nodes) = nodes else {
            self.give_up();
            return Vec::new();
        };
        self.contexts.push(Context {
            program: step.program(),
            base: step.depth(),
            active: Vec::new(),
            tail,
        });
        let fresh = |node| Active { node, frames: vec![Taint::default()] };
        nodes.into_iter().map(fresh).collect()
    }

    /// Whether the step before was a tail call that was made: the next one is the first of a program.
    fn after_tail_call(&self, context: &Context) -> bool {
        let Some((_, slot, _)) = self.before else { return false };
        let program = self.plan.programs.get(context.program);
        let insn = program.and_then(|program| program.insns.get(slot));
        insn.is_some_and(|insn| (insn.code, insn.src, insn.imm) == (0x85, 0, TAIL_CALL))
    }

    fn advance(&mut self, step: &Step<'_>, regs: &[Seen; REGS]) {
        let Some(context) = self.contexts.last() else {
            let active = self.start(step, false);
            return self.keep(active, step, regs);
        };
        if step.slot() == 0 && step.depth() >= context.base && self.after_tail_call(context) {
            let active = self.start(step, true);
            return self.keep(active, step, regs);
        }
        while let Some(context) = self.contexts.last()
            && step.depth() < context.base
        {
            if context.tail {
                return self.give_up();
            }
            self.contexts.pop();
        }
        let Some(context) = self.contexts.last() else { return self.give_up() };
        let Some(log) = self.logs.get(context.program).and_then(Option::as_ref) else {
            return self.give_up();
        };
        let Some(insns) = self.plan.programs.get(context.program).map(|p| &p.insns[..]) else {
            return self.give_up();
        };
        if self.looked_at.get() > LOOKED_AT {
            return self.give_up();
        }
        let (base, looked_at) = (context.base, &self.looked_at);
        let walk = Walk { log, insns, base, step, regs, plan: self.plan, looked_at };
        let before = self.before;
        let mut next = Vec::new();
        for active in &context.active {
            walk.follow(active, before.as_ref(), &mut next);
        }
        if next.is_empty() {
            let (_, slot, depth) = before.unwrap_or(([Seen::Nothing; REGS], 0, 0));
            let calls = insns.get(slot).is_some_and(|insn| insn.code == 0x85 && insn.src == 1);
            if calls && step.depth() == depth + 1 {
                // A global function is verified by itself. What it returns to is known at its call.
                let frames = |active: &mut Active| {
                    if let (Some((regs, ..)), Some(insn)) = (&before, insns.get(slot)) {
                        taint::execute(&mut active.frames, insn, regs, walk.base);
                    }
                };
                if let Some(context) = self.contexts.last_mut() {
                    context.active.iter_mut().for_each(frames);
                }
                let active = self.start(step, false);
                return self.keep(active, step, regs);
            }
        }
        self.keep(next, step, regs);
    }

    /// Keeps the nodes that hold what the model has.
    fn keep(&mut self, candidates: Vec<Active>, step: &Step<'_>, regs: &[Seen; REGS]) {
        if self.stopped {
            return;
        }
        let Some(context) = self.contexts.last() else { return };
        let (program, base) = (context.program, context.base);
        let Some(log) = self.logs.get(program).and_then(Option::as_ref) else { return };
        let mut kept: Vec<Active> = Vec::new();
        let mut failed = None;
        let mut counts = Counts::default();
        for active in candidates {
            let Some(node) = log.nodes.get(active.node) else { continue };
            if kept.iter().any(|other| other.node == active.node && other.frames == active.frames) {
                continue;
            }
            let taint = active.frames.last().copied().unwrap_or_default();
            let mut these = Counts::default();
            let found = claims(node, &taint, step, regs, (base, self.plan), &mut these);
            match found {
                Some(what) => {
                    failed.get_or_insert((what, node.line));
                }
                None => {
                    if kept.is_empty() {
                        counts = these;
                    }
                    kept.push(active);
                }
            }
        }
        if kept.is_empty() {
            let (what, line) = failed
                .unwrap_or_else(|| ("no state was printed for it on this path".to_owned(), 0));
            self.violation = Some(Violation {
                program,
                slot: step.slot(),
                depth: step.depth(),
                what,
                line,
                path: self.path.iter().copied().collect(),
            });
            self.stopped = true;
            return;
        }
        if kept.len() > ACTIVE {
            return self.give_up();
        }
        self.counts.steps += 1;
        self.counts.add(&counts);
        if let Some(context) = self.contexts.last_mut() {
            context.active = kept;
        }
    }
}

impl Observer for Checker<'_> {
    fn step(&mut self, step: &Step<'_>) {
        if self.stopped {
            return;
        }
        let mut regs = [Seen::Nothing; REGS];
        for (number, reg) in regs.iter_mut().enumerate() {
            *reg = step.reg(number);
        }
        self.advance(step, &regs);
        if self.path.len() == REMEMBERED {
            self.path.pop_front();
        }
        self.path.push_back(step.slot());
        self.before = Some((regs, step.slot(), step.depth()));
    }
}

/// One step through a log.
struct Walk<'a> {
    log: &'a Log,
    insns: &'a [Insn],
    base: usize,
    step: &'a Step<'a>,
    regs: &'a [Seen; REGS],
    plan: &'a LoadPlan,
    looked_at: &'a Cell<u64>,
}

impl Walk<'_> {
    fn follow(
        &self,
        active: &Active,
        before: Option<&([Seen; REGS], usize, usize)>,
        next: &mut Vec<Active>,
    ) {
        let Some(node) = self.log.nodes.get(active.node) else { return };
        let mut frames = active.frames.clone();
        let caller = frames.last().copied().unwrap_or_default();
        // A global function that has returned was executed when it was called.
        if let Some((regs, slot, depth)) = before
            && *slot == node.slot
            && *depth == self.base + node.depth()
            && let Some(insn) = self.insns.get(node.slot)
        {
            taint::execute(&mut frames, insn, regs, self.base);
            self.taint_linked(node, insn, &mut frames);
        }
        let depth = self.step.depth() - self.base;
        while frames.len() > depth + 1 {
            let result = frames.pop().is_some_and(|callee| callee.reg(0));
            if let Some(last) = frames.last_mut() {
                last.regs = last.regs & !1 | u16::from(result);
            }
        }
        if frames.len() < depth + 1 {
            let arguments = if caller.regs & 0x3e != 0 { 0x3e } else { 0 };
            frames.push(Taint { regs: arguments, ..Taint::default() });
        }
        for &number in &node.next {
            self.enter(number, &frames, next);
            // A helper that calls a function again, or goes on: the verifier came to the helper.
            let Some(again) = self.log.nodes.get(number) else { continue };
            if !node.callback || node.depth() != again.depth() + 1 {
                continue;
            }
            let mut lost = frames.clone();
            if again.kind != Kind::Instruction
                && let Some(caller) = lost.get_mut(again.depth())
            {
                *caller = Taint { regs: 0x3c0, slots: u64::MAX, ..*caller };
            }
            for helper in self.same(number, again) {
                let nodes = self.log.nodes.get(helper).map_or(&[][..], |helper| &helper.next);
                nodes.iter().for_each(|&number| self.enter(number, &lost, next));
            }
        }
    }

    /// What is linked with a number that was compared with a tainted one is narrowed as well.
    fn taint_linked(&self, node: &Node, insn: &Insn, frames: &mut Frames) {
        let compares = matches!(insn.code & 7, 5 | 6) && insn.code & 8 != 0;
        let Some(last) = frames.last_mut() else { return };
        let both = 1 << insn.dst | 1 << insn.src;
        if !compares || last.regs & both != both || matches!(insn.code & 0xf0, 0x00 | 0x80 | 0x90) {
            return;
        }
        let id = |reg: u8| node.state.regs.get(usize::from(reg))?.as_ref().map(|claim| claim.id);
        let ids = [id(insn.dst), id(insn.src)];
        let linked = |claim: &Claim| claim.id != 0 && ids.contains(&Some(claim.id));
        for (number, claim) in node.state.regs.iter().enumerate() {
            if claim.as_deref().is_some_and(linked) {
                last.regs |= 1 << number;
            }
        }
        for (offset, slot) in &*node.state.slots {
            if matches!(&**slot, SlotClaim::Spilled { claim, .. } if linked(claim)) {
                last.slots |= bit(*offset);
            }
        }
    }

    /// The nodes that a node stands for: itself, or the older states of the same place.
    fn same(&self, number: usize, node: &Node) -> Vec<usize> {
        if node.kind == Kind::Instruction {
            return vec![number];
        }
        let at = self.log.at.get(&node.slot).into_iter().flatten().copied();
        at.take_while(|&other| other < number)
            .filter(|&other| {
                self.log
                    .nodes
                    .get(other)
                    .is_some_and(|o| o.kind == Kind::Instruction && o.chain == node.chain)
            })
            .collect()
    }

    fn enter(&self, number: usize, frames: &Frames, next: &mut Vec<Active>) {
        let Some(node) = self.log.nodes.get(number) else { return };
        let here = node.slot == self.step.slot() && node.depth() + self.base == self.step.depth();
        if !here {
            return;
        }
        let Kind::Pruned { exact, precise } = &node.kind else {
            next.push(Active { node: number, frames: frames.clone() });
            return;
        };
        let mut differing = Vec::new();
        let mut same = 0;
        let mut chooses = false;
        for older in self.same(number, node).into_iter().rev() {
            let Some(old) = self.log.nodes.get(older) else { continue };
            self.looked_at.set(self.looked_at.get() + 1);
            let Some(frames) = self.merge(old, frames, *exact, precise) else { continue };
            let tainted: u32 = frames.iter().map(Taint::count).sum();
            if tainted == 0 {
                next.push(Active { node: older, frames });
                same += 1;
                chooses = self.chooses(old);
                if same == OLDER || !chooses {
                    return;
                }
                continue;
            }
            differing.push((tainted, Active { node: older, frames }));
        }
        // Those that hold everything may go another way than the execution.
        if same > 0 && !chooses {
            return;
        }
        differing.sort_by_key(|(tainted, _)| *tainted);
        next.extend(differing.into_iter().take(OLDER).map(|(_, active)| active));
    }

    /// Whether states that are printed alike may go on in different ways: which function a pointer
    /// points to is not printed, nor which way a `gotox` or a read of a pointer to a function goes.
    fn chooses(&self, node: &Node) -> bool {
        let insn = self.insns.get(node.slot);
        let reads = |insn: &Insn| {
            let base = node.state.regs.get(usize::from(insn.src)).and_then(Option::as_deref);
            let value = |claim: &Claim| matches!(&claim.what, What::Pointer(pointer) if pointer.kind == "map_value");
            insn.code == 0x79 && base.is_some_and(value)
        };
        insn.is_some_and(|insn| insn.code == 0x0d || reads(insn))
            || node.state.regs.iter().flatten().any(is_function)
    }

    /// What is tainted if an execution goes on as from an older state; none if that is no such state.
    fn merge(&self, old: &Node, frames: &Frames, exact: bool, precise: &[usize]) -> Option<Frames> {
        let mut frames = frames.clone();
        let depth = old.depth();
        let mut now = frames.get(depth).copied()?;
        let live = self.log.live.get(&old.slot).copied().unwrap_or(0x3ff) | 1 << 10;
        let mut links: Vec<(u32, u64, Option<usize>, i64)> = Vec::new();
        for (number, claim) in old.state.regs.iter().enumerate() {
            let Some(claim) = claim else { continue };
            if live >> number & 1 == 0 {
                now.dead |= 1 << number;
                now.regs &= !(1 << number);
                continue;
            }
            // What holds here is claimed again, whatever it was before.
            let tainted = now.regs >> number & 1 == 1;
            now.regs &= !(1 << number);
            now.dead &= !(1 << number);
            let seen = self.regs.get(number).copied().unwrap_or(Seen::Nothing);
            if let Verdict::Fails(_) = holds(claim, seen, self.base, depth, &self.plan.maps) {
                // Where not even numbers may differ, one that already does is no news.
                let must = exact && !tainted || precise.contains(&number);
                if must || !is_number(claim, seen) {
                    return None;
                }
                now.regs |= 1 << number;
            }
            if let (What::Number { .. }, Seen::Number(value)) = (&claim.what, seen)
                && claim.id != 0
            {
                let base = value.wrapping_sub(claim.delta as u64);
                links.push((claim.id, base, Some(number), 0));
            }
        }
        for (offset, slot) in &*old.state.slots {
            let mask = bit(*offset);
            let stack = self.step.stack(self.step.depth(), *offset);
            now.slots &= !mask;
            now.dead_slots &= !mask;
            if let Verdict::Fails(_) = slot_holds(slot, &stack, self.base, depth, &self.plan.maps) {
                if matches!(&**slot, SlotClaim::Spilled { claim, .. } if matches!(claim.what, What::Number { .. }))
                {
                    now.slots |= mask;
                }
                now.dead_slots |= mask;
            }
            if let SlotClaim::Spilled { claim, bytes: 8, .. } = &**slot
                && let (What::Number { .. }, Some(Seen::Number(value))) = (&claim.what, stack.whole)
                && claim.id != 0
            {
                links.push((claim.id, value.wrapping_sub(claim.delta as u64), None, *offset));
            }
        }
        for (id, base, number, offset) in &links {
            if links.iter().any(|(other, value, ..)| other == id && value != base) {
                if exact && number.is_some() {
                    return None;
                }
                match number {
                    Some(number) => now.regs |= 1 << number,
                    None => now.slots |= bit(*offset),
                }
            }
        }
        if let Some(place) = frames.get_mut(depth) {
            *place = now;
        }
        self.merge_callers(old, &mut frames)?;
        Some(frames)
    }

    /// Of the callers the log says what they had when they called, but not what became of it in the
    /// callee: their stack is not claimed, nor are numbers that others are linked with.
    fn merge_callers(&self, old: &Node, frames: &mut Frames) -> Option<()> {
        let mut up = old.up.as_ref();
        let mut depth = old.depth();
        while let Some(frame) = up {
            depth -= 1;
            let taint = frames.get_mut(depth)?;
            let live = self.log.live.get(&frame.callsite).copied().unwrap_or(0x3ff);
            for number in 6..10 {
                let Some(claim) = frame.state.regs.get(number).and_then(Option::as_ref) else {
                    continue;
                };
                if live >> number & 1 == 0 {
                    taint.dead |= 1 << number;
                    continue;
                }
                let Some(seen) = self.step.saved(self.base + depth, number) else { continue };
                let verdict = holds(claim, seen, self.base, depth, &self.plan.maps);
                let fails = matches!(verdict, Verdict::Fails(_));
                if fails && !is_number(claim, seen) {
                    return None;
                }
                if fails || claim.id != 0 && matches!(claim.what, What::Number { .. }) {
                    taint.regs |= 1 << number;
                }
            }
            taint.slots = u64::MAX;
            up = frame.up.as_ref();
        }
        Some(())
    }
}
