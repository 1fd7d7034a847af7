//! Goes through the log line by line, and along with the verifier from node to node.

mod origin;

use std::rc::Rc;

use bpf_isa::Insn;

use super::{FrameState, Kind, Log, Node, Up, depth};
use crate::claim::{Printed, What};

const JEQ_NULL: u8 = 0x15;
const JNE_NULL: u8 = 0x55;
const GOTOX: u8 = 0x0d;

/// Other chains of calls that a path may belong to at most.
const CHAINS: usize = 4;

/// Parents of a state at most; the latest are kept.
const PARENTS: usize = 32;

/// Reads the log of a load of these instructions.
pub(super) fn read(text: &str, insns: &[Insn]) -> Log {
    let mut reader = Reader { insns, ..Reader::default() };
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
    /// The first node of it.
    start: usize,
    /// Other chains of calls that it may belong to, and the nodes before it.
    others: Vec<(Option<Rc<Up>>, Vec<usize>)>,
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
    propagated: bool,
}

impl Reader<'_> {
    /// What stands before the first state: of interest is which registers are alive where.
    fn preamble(&mut self, lines: &mut dyn Iterator<Item = (usize, &str)>) {
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
            self.precise_at(rest);
            if let Some((_, state)) =
                rest.split_once(" stack=").filter(|_| rest.contains("parent state"))
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
                start: self.log.nodes.len(),
                others: Vec::new(),
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
            done: false,
            chosen: false,
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
        self.known_outcome(number);
        path.last = vec![number];
        path.returned = false;
        self.propagated = false;
        self.backedge = false;
        self.precise.clear();
        match self.insns.get(slot) {
            Some(insn) => path.state.drop_written(insn, depth(path.up.as_ref())),
            None => return self.lose("an instruction that there is not"),
        }
        self.path = Some(path);
    }

    /// A comparison of what is no null pointer with null puts nothing aside.
    fn known_outcome(&mut self, number: usize) {
        let Some(node) = self.log.nodes.get_mut(number) else { return };
        let Some(insn) = self.insns.get(node.slot) else { return };
        let claim = node.state.regs.get(usize::from(insn.dst)).and_then(Option::as_deref);
        let pointer =
            matches!(claim.map(|claim| &claim.what), Some(What::Pointer(p)) if !p.or_null);
        node.done = matches!(insn.code, JEQ_NULL | JNE_NULL) && insn.imm == 0 && pointer;
    }

    /// `mark_precise: frame0: last_idx N …`: a comparison whose outcome is known needs its operands to
    /// be precise, and puts nothing aside.
    fn precise_at(&mut self, rest: &str) {
        let Some((_, rest)) = rest.split_once(": last_idx ") else { return };
        let slot = rest.split(' ').next().and_then(|slot| slot.parse::<usize>().ok());
        let last = self.path.as_ref().and_then(|path| path.last.first()).copied();
        let Some(node) = last.and_then(|last| self.log.nodes.get_mut(last)) else { return };
        let jumps = self.insns.get(node.slot).is_some_and(|insn| matches!(insn.code & 7, 5 | 6));
        if !self.propagated && slot == Some(node.slot) && jumps {
            node.done = true;
        }
    }

    /// Nodes of one path belong to another chain of calls than was thought.
    fn move_to(
        &mut self,
        nodes: std::ops::Range<usize>,
        old: Option<&Rc<Up>>,
        new: Option<&Rc<Up>>,
        before: Vec<usize>,
    ) {
        let chain = self.chain(new);
        let first = nodes.start;
        for node in self.log.nodes.get_mut(nodes).into_iter().flatten() {
            let same = match (&node.up, old) {
                (Some(up), Some(old)) => Rc::ptr_eq(up, old),
                (up, old) => up.is_none() && old.is_none(),
            };
            if same {
                node.up = new.cloned();
                node.chain = chain;
            }
        }
        let Some(node) = self.log.nodes.get_mut(first) else { return };
        let was = std::mem::replace(&mut node.before, before.clone());
        for number in was {
            if let Some(node) = self.log.nodes.get_mut(number) {
                node.next.retain(|next| *next != first);
            }
        }
        for number in before {
            if let Some(node) = self.log.nodes.get_mut(number) {
                node.next.push(first);
            }
        }
    }

    fn pruned(&mut self, slot: usize) {
        let Some(path) = self.path.take() else { return };
        self.stop(slot, &path);
    }

    fn stop(&mut self, slot: usize, path: &Path) {
        let depth = depth(path.up.as_ref());
        let of_frame =
            |(frame, regs): &(usize, Vec<usize>)| (*frame == depth).then(|| regs.clone());
        let precise = self.precise.iter().find_map(of_frame).unwrap_or_default();
        self.node(slot, Kind::Pruned { exact: self.backedge, precise }, path);
        // Nothing has told which of the chains it was.
        let nodes = path.start..self.log.nodes.len();
        for (up, before) in path.others.iter().take(CHAINS) {
            let shift = self.log.nodes.len() - nodes.start;
            for number in nodes.clone() {
                let Some(mut node) = self.log.nodes.get(number).cloned() else { continue };
                node.next = node.next.iter().map(|next| next + shift).collect();
                node.before = node.before.iter().map(|before| before + shift).collect();
                self.log.at.entry(node.slot).or_default().push(self.log.nodes.len());
                self.log.nodes.push(node);
            }
            if let Some(first) = self.log.nodes.get_mut(nodes.start + shift) {
                first.before.clear();
            }
            let copy = nodes.start + shift..self.log.nodes.len();
            self.move_to(copy, path.up.as_ref(), up.as_ref(), before.clone());
        }
        self.backedge = false;
        self.precise.clear();
    }

    /// `0: propagating r1,r4,fp-8`
    fn propagating(&mut self, rest: &str) {
        let Some((frame, list)) = rest.split_once(": propagating ") else { return };
        self.propagated = true;
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
            start: path.start,
            others: path.others,
        });
    }

    fn returned(&mut self, at: usize, printed: &Printed) {
        let Some(mut path) = self.path.take() else { return };
        let goes_to = |up: &Option<Rc<Up>>| {
            let up = up.as_ref().filter(|up| up.depth == printed.frame);
            up.is_some_and(|up| up.callsite == at || up.callsite + 1 == at)
        };
        if !goes_to(&path.up)
            && let Some(other) = path.others.iter().position(|(up, _)| goes_to(up))
        {
            let (up, before) = path.others.swap_remove(other);
            let end = self.log.nodes.len();
            self.move_to(path.start..end, path.up.as_ref(), up.as_ref(), before);
            path.up = up;
        }
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
            start: self.log.nodes.len(),
            others: Vec::new(),
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
        let mut paths = paths;
        if !safe {
            let others = paths.drain(1..).map(|path| (path.up, path.last)).collect();
            if let Some(first) = paths.first_mut() {
                first.others = others;
            }
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
