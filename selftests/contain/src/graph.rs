//! The verifier's log as a graph.
//!
//! At log level 2 the verifier prints, before each instruction, the registers and slots that have
//! changed since the last one, of the frame that it is in (`print_insn_state()`); and a whole frame
//! where it comes back to a branch (`from X to Y:`), enters a function (`callee:`) or leaves one
//! (`to caller at N:`). Carried along each path, that gives what it knew before each instruction.
//!
//! What a state does not say: a register that the verifier has dropped, because it is dead or a call
//! has clobbered it, is not printed again. A call drops r0 to r5 here, too; what is dropped for being
//! dead is carried on, and remains true until it is written, or until a path ends because an older
//! state was as good (`safe`), which [`crate::check`] sees to.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use bpf_isa::Insn;

use crate::claim::{Claim, Printed, SlotClaim, What};

/// Registers that programs see.
pub(crate) const REGS: usize = 11;

/// Parents of a state at most; the latest are kept.
const PARENTS: usize = 32;

/// What is known of the frame that the verifier was in.
#[derive(Clone, Debug, Default)]
pub struct FrameState {
    /// Registers; none where nothing is claimed.
    pub regs: [Option<Rc<Claim>>; REGS],
    /// Slots by their offset.
    pub slots: Rc<BTreeMap<i64, Rc<SlotClaim>>>,
}

impl FrameState {
    fn whole(printed: &Printed) -> Self {
        let mut state = Self::default();
        state.update(printed);
        state
    }

    fn update(&mut self, printed: &Printed) {
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

    fn drop_caller_saved(&mut self) {
        self.regs[..6].fill(None);
    }

    /// `widen_imprecise_scalars()` prints nothing.
    fn drop_imprecise(&mut self) {
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

/// A frame further up.
#[derive(Debug)]
pub struct Up {
    /// What was known of it when it called.
    pub state: FrameState,
    /// Slot of the call.
    pub callsite: usize,
    /// The one above.
    pub up: Option<Rc<Up>>,
    depth: usize,
}

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The verifier went through the instruction.
    Instruction,
    /// It stopped before it, as an older state was as good.
    Pruned {
        /// The older state was not done with: every number was compared (`SCC backedge`).
        exact: bool,
        /// Registers of this frame that the older state needs to be precise.
        precise: Vec<usize>,
    },
}

/// A state before an instruction.
#[derive(Clone, Debug)]
pub struct Node {
    /// Slot of the instruction.
    pub slot: usize,
    /// Line of the log.
    pub line: usize,
    /// What it stands for.
    pub kind: Kind,
    /// What is known of the frame.
    pub state: FrameState,
    /// The callers.
    pub up: Option<Rc<Up>>,
    /// Whether the frame is that of a function that a helper has called.
    pub callback: bool,
    /// Number of the chain of calls.
    pub chain: usize,
    /// Where the verifier went on.
    pub next: Vec<usize>,
    before: Vec<usize>,
}

impl Node {
    /// Depth of the frame, 0 for the function that the verifier began with.
    pub fn depth(&self) -> usize {
        depth(self.up.as_ref())
    }
}

fn depth(up: Option<&Rc<Up>>) -> usize {
    up.map_or(0, |up| up.depth + 1)
}

/// What was read of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Registers and slots that were printed.
    pub printed: usize,
    /// Those of them that were not understood.
    pub unparsed: usize,
    /// Lines that were not understood.
    pub lines: usize,
    /// Places where the path through the log was lost.
    pub lost: usize,
    /// The first few of all that.
    pub examples: Vec<String>,
}

impl Parsed {
    const EXAMPLES: usize = 5;

    fn note(&mut self, text: &str) {
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(text.to_owned());
        }
    }

    /// Adds what was read of another log.
    pub fn add(&mut self, other: &Self) {
        self.printed += other.printed;
        self.unparsed += other.unparsed;
        self.lines += other.lines;
        self.lost += other.lost;
        other.examples.iter().for_each(|example| self.note(example));
    }
}

/// A log as a graph.
#[derive(Debug, Default)]
pub struct Log {
    /// The states in the order in which the verifier came to them.
    pub nodes: Vec<Node>,
    /// First nodes of what was verified by itself: the program, global functions.
    pub starts: Vec<usize>,
    /// Registers that are alive before each slot.
    pub live: HashMap<usize, u16>,
    /// Nodes of each slot.
    pub at: HashMap<usize, Vec<usize>>,
    /// What was read.
    pub parsed: Parsed,
    chains: HashMap<(usize, Vec<usize>), usize>,
}

impl Log {
    /// Reads the log of a load of these instructions.
    pub fn read(text: &str, insns: &[Insn]) -> Self {
        let mut reader = Reader { log: Self::default(), insns, ..Reader::default() };
        let mut lines = text.lines().enumerate();
        reader.preamble(&mut lines);
        let mut lines = lines.peekable();
        while let Some((number, line)) = lines.next() {
            reader.line = number + 1;
            if !reader.take(line, &mut lines) {
                break;
            }
        }
        reader.log
    }
}

/// Where the verifier is.
#[derive(Clone, Debug)]
struct Path {
    state: FrameState,
    up: Option<Rc<Up>>,
    callback: bool,
    /// The instructions before, of which one was the last to be gone through.
    last: Vec<usize>,
    /// Slot that a function has just returned to.
    returned: bool,
}

#[derive(Default)]
struct Reader<'a> {
    log: Log,
    insns: &'a [Insn],
    path: Option<Path>,
    section: usize,
    backedge: bool,
    precise: Vec<(usize, Vec<usize>)>,
    line: usize,
    begun: bool,
}

impl Reader<'_> {
    /// What stands before the first state: of interest is which registers are alive where.
    fn preamble<'t>(&mut self, lines: &mut dyn Iterator<Item = (usize, &'t str)>) {
        let mut live = false;
        for (number, line) in lines {
            if line.starts_with("Live regs before insn:") {
                live = true;
            } else if line.starts_with("0: R") {
                self.line = number + 1;
                self.state_line(line);
                return;
            } else if live {
                self.live(line);
            }
        }
    }

    /// `  1  80: .1234..... (85) call bpf_loop#181`
    fn live(&mut self, line: &str) {
        let Some((head, rest)) = line.split_once(": ") else { return };
        let slot = head.split_whitespace().next_back().and_then(|slot| slot.parse().ok());
        let (Some(slot), Some(set)) = (slot, rest.get(..10)) else { return };
        let mask = set.bytes().enumerate().filter(|(_, c)| c.is_ascii_digit());
        self.log.live.insert(slot, mask.fold(0, |mask, (reg, _)| mask | 1 << reg));
    }

    /// Takes a line; whether there are more.
    fn take<'t, I: Iterator<Item = (usize, &'t str)>>(
        &mut self,
        line: &str,
        lines: &mut std::iter::Peekable<I>,
    ) -> bool {
        let mut following = || lines.next().map(|(_, line)| line).unwrap_or_default();
        if line.is_empty() || line.starts_with("; ") {
        } else if line.starts_with("processed ") {
            return false;
        } else if let Some(rest) = line.strip_prefix("from ") {
            self.from(rest);
        } else if line.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            self.numbered(line);
        } else if line == "caller:" {
            let printed = self.printed(following());
            self.caller(&printed);
        } else if line == "callee:" {
            let printed = self.printed(following());
            self.callee(&printed);
        } else if line == "returning from callee:" {
            self.printed(following());
        } else if let Some(at) = line.strip_prefix("to caller at ") {
            let at = at.trim_end_matches(':').parse().unwrap_or_default();
            let printed = self.printed(following());
            self.returned(at, &printed);
        } else if line.starts_with("Validating ") {
            self.path = None;
            self.begun = false;
        } else if let Some(rest) = line.strip_prefix("frame ") {
            self.propagating(rest);
        } else if line.starts_with("SCC backedge") {
            self.backedge = true;
        } else if let Some(rest) = line.strip_prefix("mark_precise: ") {
            if let Some((_, state)) = rest.split_once(" stack=").filter(|_| rest.contains("parent state"))
                && let Some((_, state)) = state.split_once(": ")
            {
                self.printed(state);
            }
        } else if !known(line) {
            self.log.parsed.lines += 1;
            self.log.parsed.note(line);
        }
        true
    }

    fn printed(&mut self, text: &str) -> Printed {
        let printed = Printed::parse(text);
        let parsed = &mut self.log.parsed;
        parsed.printed += printed.count();
        parsed.unparsed += printed.unparsed.len();
        printed.unparsed.iter().for_each(|word| parsed.note(word));
        printed
    }

    fn lose(&mut self, why: &str) {
        self.log.parsed.lost += 1;
        self.log.parsed.note(&format!("line {}: {why}", self.line));
        self.path = None;
    }

    /// A line that begins with the number of a slot.
    fn numbered(&mut self, line: &str) {
        let Some((slot, rest)) = line.split_once(": ") else {
            // A state of nothing.
            if !line.ends_with(':') {
                self.log.parsed.lines += 1;
                self.log.parsed.note(line);
            }
            return;
        };
        let Ok(slot) = slot.parse::<usize>() else {
            self.log.parsed.lines += 1;
            self.log.parsed.note(line);
            return;
        };
        if rest == "safe" {
            self.pruned(slot);
        } else if rest.starts_with('(') {
            self.instruction(slot);
            if let Some((_, state)) = rest.split_once(';') {
                self.delta(state);
            }
        } else {
            self.state_line(line);
        }
    }

    /// `12: frame1: R0=1`: what has changed, or the first state of all.
    fn state_line(&mut self, line: &str) {
        let Some((slot, state)) = line.split_once(": ") else { return };
        if !self.begun {
            self.begun = true;
            self.section = slot.parse().unwrap_or_default();
            let printed = self.printed(state);
            self.path = Some(Path {
                state: FrameState::whole(&printed),
                up: None,
                callback: printed.callback,
                last: Vec::new(),
                returned: false,
            });
            return;
        }
        self.delta(state);
    }

    fn delta(&mut self, state: &str) {
        let printed = self.printed(state);
        let Some(path) = &mut self.path else { return };
        if printed.frame != depth(path.up.as_ref()) {
            if printed.count() > 0 || printed.frame > 0 {
                self.lose("a state of another frame");
            }
            return;
        }
        path.state.update(&printed);
    }

    fn node(&mut self, slot: usize, kind: Kind, path: &Path) -> usize {
        let number = self.log.nodes.len();
        let chain = self.chain(path.up.as_ref());
        self.log.nodes.push(Node {
            slot,
            line: self.line,
            kind,
            state: path.state.clone(),
            up: path.up.clone(),
            callback: path.callback,
            chain,
            next: Vec::new(),
            before: path.last.clone(),
        });
        self.log.at.entry(slot).or_default().push(number);
        for &before in &path.last {
            if let Some(node) = self.log.nodes.get_mut(before) {
                node.next.push(number);
            }
        }
        if path.last.is_empty() {
            self.log.starts.push(number);
        }
        number
    }

    fn chain(&mut self, up: Option<&Rc<Up>>) -> usize {
        let mut calls = Vec::new();
        let mut up = up;
        while let Some(frame) = up {
            calls.push(frame.callsite);
            up = frame.up.as_ref();
        }
        let new = self.log.chains.len();
        *self.log.chains.entry((self.section, calls)).or_insert(new)
    }

    fn instruction(&mut self, slot: usize) {
        let Some(mut path) = self.path.take() else { return };
        let number = self.node(slot, Kind::Instruction, &path);
        path.last = vec![number];
        path.returned = false;
        self.backedge = false;
        self.precise.clear();
        match self.insns.get(slot).map(|insn| insn.code) {
            // call, callx, and the loads of a packet clobber.
            Some(0x85 | 0x8d | 0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50) => {
                path.state.drop_caller_saved();
            }
            Some(_) => {}
            None => return self.lose("an instruction that there is not"),
        }
        self.path = Some(path);
    }

    fn pruned(&mut self, slot: usize) {
        let Some(path) = self.path.take() else { return };
        self.stop(slot, &path);
    }

    fn stop(&mut self, slot: usize, path: &Path) {
        let depth = depth(path.up.as_ref());
        let of_frame = |(frame, regs): &(usize, Vec<usize>)| (*frame == depth).then(|| regs.clone());
        let precise = self.precise.iter().find_map(of_frame).unwrap_or_default();
        self.node(slot, Kind::Pruned { exact: self.backedge, precise }, path);
        self.backedge = false;
        self.precise.clear();
    }

    /// `0: propagating r1,r4,fp-8`
    fn propagating(&mut self, rest: &str) {
        let Some((frame, list)) = rest.split_once(": propagating ") else { return };
        let regs = list.trim().split(',');
        let regs = regs.filter_map(|name| name.strip_prefix('r')?.parse().ok()).collect();
        if let Ok(frame) = frame.parse() {
            self.precise.retain(|(other, _)| *other != frame);
            self.precise.push((frame, regs));
        }
    }

    fn caller(&mut self, printed: &Printed) {
        let Some(path) = &mut self.path else { return };
        path.state = FrameState::whole(printed);
    }

    fn callee(&mut self, printed: &Printed) {
        let Some(path) = self.path.take() else { return };
        let callsite = path.last.first().and_then(|&last| self.log.nodes.get(last));
        let Some(callsite) = callsite.map(|node| node.slot) else { return };
        let depth = depth(path.up.as_ref());
        let up = Some(Rc::new(Up { state: path.state, callsite, up: path.up, depth }));
        if printed.frame != depth + 1 {
            return self.lose("a callee in another frame");
        }
        self.path = Some(Path {
            state: FrameState::whole(printed),
            up,
            callback: printed.callback,
            last: path.last,
            returned: false,
        });
    }

    fn returned(&mut self, at: usize, printed: &Printed) {
        let Some(path) = self.path.take() else { return };
        let Some(up) = path.up.filter(|up| up.depth == printed.frame) else {
            return self.lose("a return to another frame");
        };
        let mut state = FrameState::whole(printed);
        if at == up.callsite {
            state.drop_imprecise();
            state.drop_caller_saved();
        }
        self.path = Some(Path {
            state,
            up: up.up.clone(),
            callback: printed.callback,
            last: path.last,
            returned: true,
        });
    }

    /// `X to Y: state`, `X to Y: safe`
    fn from(&mut self, rest: &str) {
        let parts = rest.split_once(':').and_then(|(edge, state)| {
            let (edge, speculative) = match edge.strip_suffix(" (speculative execution)") {
                Some(edge) => (edge, true),
                None => (edge, false),
            };
            let (x, y) = edge.split_once(" to ")?;
            Some((x.parse::<usize>().ok()?, y.parse::<usize>().ok()?, speculative, state))
        });
        let Some((x, y, speculative, state)) = parts else {
            self.log.parsed.lines += 1;
            self.log.parsed.note(rest);
            return;
        };
        let safe = state == " safe";
        let printed = if safe { Printed::default() } else { self.printed(state) };
        if speculative {
            self.path = None;
            return;
        }
        let path = self.path.take();
        if let Some(mut path) = path.filter(|path| path.returned) {
            // The way on from a function that has returned.
            if safe {
                return self.stop(y, &path);
            }
            if printed.frame == depth(path.up.as_ref()) {
                path.state = FrameState::whole(&printed);
                self.path = Some(path);
                return;
            }
            return self.lose("a function returned to another frame");
        }
        let paths = self.came_from(x, y, (!safe).then_some(&printed));
        if paths.is_empty() {
            return self.lose("a state that comes from nowhere");
        }
        for path in paths {
            if safe {
                let (backedge, precise) = (self.backedge, self.precise.clone());
                self.stop(y, &path);
                (self.backedge, self.precise) = (backedge, precise);
            } else {
                self.path = Some(path);
                break;
            }
        }
        if safe {
            self.backedge = false;
            self.precise.clear();
        }
    }

    /// The paths that a state which was put aside may belong to: after the instruction at `x`, with
    /// `y` to come; one for each chain of calls, of which the first is the likeliest.
    fn came_from(&self, x: usize, y: usize, printed: Option<&Printed>) -> Vec<Path> {
        let again = x == y && !self.jumps_to_itself(x);
        let helper = matches!(self.insns.get(x), Some(insn) if insn.code == 0x85 && y != x + 1);
        let mut found: Vec<(usize, Path)> = Vec::new();
        let nodes = self.log.at.get(&x).into_iter().flatten().rev();
        for &number in nodes {
            let Some(node) = self.log.nodes.get(number) else { continue };
            if node.kind != Kind::Instruction {
                continue;
            }
            let enters = helper && printed.is_none_or(|printed| printed.frame == node.depth() + 1);
            if let Some(printed) = printed
                && !enters
                && (printed.frame != node.depth() || !self.fits(node, printed, again))
            {
                continue;
            }
            if let Some((_, path)) = found.iter_mut().find(|(chain, _)| *chain == node.chain) {
                if path.last.len() < PARENTS {
                    path.last.extend(if again { node.before.clone() } else { vec![number] });
                }
                continue;
            }
            let up = if enters {
                let state = node.state.clone();
                Some(Rc::new(Up { state, callsite: x, up: node.up.clone(), depth: node.depth() }))
            } else {
                node.up.clone()
            };
            let mut state = printed.map(FrameState::whole).unwrap_or_default();
            if printed.is_none() && !enters {
                state = FrameState::default();
            }
            found.push((node.chain, Path {
                state,
                up,
                callback: enters || node.callback,
                last: if again { node.before.clone() } else { vec![number] },
                returned: false,
            }));
        }
        found.into_iter().map(|(_, path)| path).collect()
    }

    fn jumps_to_itself(&self, slot: usize) -> bool {
        self.insns.get(slot).is_some_and(|insn| matches!(insn.code & 7, 5 | 6))
    }

    /// Whether a state may come from a node: what its instruction does not touch is the same.
    fn fits(&self, node: &Node, printed: &Printed, again: bool) -> bool {
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
            let touched = touched && (!again || *reg == usize::from(insn.dst));
            if touched || clobbers && *reg < 6 {
                return true;
            }
            let Some(before) = node.state.regs.get(*reg).and_then(Option::as_ref) else {
                return false;
            };
            if claim.id != 0 && ids.contains(&claim.id) || before.id != 0 && ids.contains(&before.id) {
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
            old == new || *new == crate::claim::Range::ANY
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

/// Lines that tell nothing of states.
fn known(line: &str) -> bool {
    const STARTS: [&str; 14] = [
        "SCC ",
        "force_precise: ",
        "callx at ",
        "Func#",
        "verification time",
        "stack depth",
        "insns processed",
        "frame",
        "\tr",
        "subprog#",
        "propagate_",
        "caution: ",
        "gotox ",
        " ",
    ];
    STARTS.iter().any(|start| line.starts_with(start))
}
