//! Generates programs: the plan of a program's functions and tables, and the statements of a body.

use fastrand::Rng;

use crate::calls::{Class, Table};
use crate::state::{BUFFER_AT, Lock, REGS, Region, State, Type};
use crate::tree::{Function, Kind, Node, Tree};

/// Bytes of the context that programs on plain memory use.
pub(crate) const CONTEXT: u32 = 64;

/// Name of the writable data.
pub(crate) const COUNTERS: &str = "counters";
/// Bytes of the writable data.
pub(crate) const COUNTERS_SIZE: u32 = 64;

/// Statements within statements.
const DEPTH: u32 = 3;

/// Attempts to find a statement that is possible.
const ATTEMPTS: u32 = 20;

/// What the kernel has beyond what every kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Indirect calls.
    pub callx: bool,
    /// Indirect jumps.
    pub gotox: bool,
}

impl Features {
    /// All of it.
    pub const ALL: Self = Self { callx: true, gotox: true };
}

/// Makes a program for a kernel that has these features.
pub fn generate(rng: &mut Rng, features: Features) -> Tree {
    let kind = match rng.u8(..10) {
        0 => Kind::Packet,
        1 => Kind::Xdp,
        _ => Kind::Syscall,
    };
    let mut generator = Generator::new(rng, kind, features);
    generator.plan();
    let mut functions = Vec::new();
    for number in (0..generator.classes.len()).rev() {
        for member in 0..generator.classes[number].members.len() {
            let class = generator.classes[number].clone();
            let name = class.members[member].clone();
            let body = generator.function(&class);
            functions.push(Function { name, global: class.global, body });
        }
    }
    functions.reverse();
    let main = generator.main();
    let others = generator.others();
    let data = generator.data();
    Tree { kind, main, functions, data, others }
}

pub(crate) struct Generator<'r> {
    pub(crate) rng: &'r mut Rng,
    pub(crate) kind: Kind,
    pub(crate) features: Features,
    pub(crate) classes: Vec<Class>,
    pub(crate) tables: Vec<Table>,
    /// Level of the function that is being made: it calls those of higher ones.
    pub(crate) level: usize,
    pub(crate) state: State,
    /// Whether the function has its buffer.
    pub(crate) buffer: bool,
    /// Whether the function is called by others, so that it may not make tail calls.
    pub(crate) out: Vec<Node>,
    /// Statements that are left for the function.
    pub(crate) left: u32,
    /// Names of maps that were used, with their definitions.
    pub(crate) maps: Vec<(&'static str, &'static str)>,
    /// Largest result of the function.
    max: u64,
    /// Loops around.
    loops: u32,
    /// Whether tail calls are made.
    tail_calls: bool,
}

impl<'r> Generator<'r> {
    fn new(rng: &'r mut Rng, kind: Kind, features: Features) -> Self {
        Self {
            rng,
            kind,
            features,
            classes: Vec::new(),
            tables: Vec::new(),
            level: 0,
            state: State::entry(&[]),
            buffer: false,
            out: Vec::new(),
            left: 0,
            maps: Vec::new(),
            max: u64::MAX,
            loops: 0,
            tail_calls: false,
        }
    }

    pub(crate) fn line(&mut self, line: String) {
        self.out.push(Node::Line(line));
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u32) -> bool {
        self.rng.u32(..times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { from.get(self.rng.usize(..from.len())).copied() }
    }

    fn main(&mut self) -> Vec<Node> {
        let first = match self.kind {
            Kind::Syscall => Type::Memory { region: Region::Context, size: CONTEXT },
            Kind::Packet | Kind::Xdp => Type::PacketContext,
        };
        self.begin(0, &[first], u64::MAX);
        let keep = self.rng.u8(6..=9);
        self.line(format!("r{keep} = r1"));
        self.state.regs[usize::from(keep)] = first;
        self.state.reg_locks[usize::from(keep)] = Lock::Frozen;
        if self.kind == Kind::Syscall {
            for _ in 0..self.rng.u8(1..4) {
                self.load_number();
            }
        }
        let statements = self.rng.u32(4..16);
        self.body(statements)
    }

    fn function(&mut self, class: &Class) -> Vec<Node> {
        self.begin(class.level, &class.args, class.max);
        let statements = self.rng.u32(1..6);
        self.body(statements)
    }

    fn others(&mut self) -> Vec<(String, Vec<Node>)> {
        if !self.tail_calls {
            return Vec::new();
        }
        let first = match self.kind {
            Kind::Syscall => Type::Memory { region: Region::Context, size: CONTEXT },
            Kind::Packet | Kind::Xdp => Type::PacketContext,
        };
        // Functions belong to the first program.
        self.begin(usize::MAX, &[first], u64::MAX);
        vec![("second".to_owned(), self.body(4))]
    }

    fn begin(&mut self, level: usize, args: &[Type], max: u64) {
        self.level = level;
        self.state = State::entry(args);
        self.out = Vec::new();
        self.max = max;
        self.loops = 0;
        self.buffer = self.rng.u8(..4) != 0;
        if self.buffer {
            for word in 0..3 {
                let value = self.immediate();
                self.line(format!("*(u64 *)(r10 {}) = {value}", BUFFER_AT + 8 * word));
            }
        }
    }

    fn body(&mut self, statements: u32) -> Vec<Node> {
        self.left = statements * 3;
        self.block(statements, 0);
        self.finish();
        std::mem::take(&mut self.out)
    }

    fn block(&mut self, statements: u32, depth: u32) {
        for _ in 0..statements {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            for _ in 0..ATTEMPTS {
                if self.statement(depth).is_some() {
                    break;
                }
            }
        }
    }

    /// Statements by themselves; the state goes on behind them.
    pub(crate) fn nested(&mut self, statements: u32, depth: u32) -> Vec<Node> {
        let outer = std::mem::take(&mut self.out);
        self.block(statements, depth + 1);
        std::mem::replace(&mut self.out, outer)
    }

    /// One statement, if the one that was chosen is possible here.
    fn statement(&mut self, depth: u32) -> Option<()> {
        // Where a function is at hand, it is often called.
        if self.one_in(6) && self.call_given().is_some() {
            return Some(());
        }
        match self.rng.u8(..64) {
            0..3 => self.set(),
            3..11 => self.arithmetic(),
            11..16 => self.load_number(),
            16..18 => self.call_by_name(),
            18..20 => self.call_by_table(),
            20 if depth < DEPTH => self.choose_function(depth),
            21..24 => self.store(),
            24..27 => self.access_variable(),
            27..30 => self.spill(),
            30..33 => self.fill(),
            33..35 => self.copy(),
            35..41 if depth < DEPTH => self.branch(depth),
            41..43 if depth < DEPTH && self.loops < 2 => self.repeat(depth),
            43..46 if depth < DEPTH && self.features.gotox => self.switch(depth),
            46..50 => self.call_by_name(),
            50..54 => self.call_by_table(),
            54 | 55 if depth < DEPTH => self.choose_function(depth),
            56 => self.call_given(),
            57 => {
                self.line("goto +0".to_owned());
                Some(())
            }
            58 => self.atomic(),
            59 if depth < DEPTH => self.look_up(depth),
            60 if self.rng.bool() => self.lock(),
            60 => self.update(),
            61 => self.callback(),
            62 if depth < DEPTH => self.packet(depth),
            63 => self.tail_call(),
            _ => None,
        }
    }

    /// Ends the function with a result that depends on what it has.
    pub(crate) fn finish(&mut self) {
        let numbers: Vec<usize> =
            (1..REGS).filter(|reg| matches!(self.state.regs[*reg], Type::Number { .. })).collect();
        if !matches!(self.state.regs[0], Type::Number { .. }) {
            self.line("r0 = 0".to_owned());
        }
        for reg in numbers {
            let op = self.pick(&["+=", "^=", "-="]).unwrap_or("+=");
            self.line(format!("r0 {op} r{reg}"));
        }
        if self.max != u64::MAX {
            self.line(format!("r0 &= {}", self.max));
        }
        self.line("exit".to_owned());
        self.state.regs[0] = Type::Number { max: self.max };
    }

    fn branch(&mut self, depth: u32) -> Option<()> {
        let (reg, max) = self.number()?;
        let narrow = self.rng.u8(..8) < 7;
        let (test, taken, fallen) = match self.pick(&["number", "wide", "narrow", "signed"])? {
            "number" => {
                let limit = self.limit(max);
                let below = limit.saturating_sub(1);
                match self.rng.u8(..5) {
                    0 => (format!("r{reg} < {limit}"), max.min(below), max),
                    1 => (format!("r{reg} <= {limit}"), max.min(limit), max),
                    2 => (format!("r{reg} > {limit}"), max, max.min(limit)),
                    3 => (format!("r{reg} >= {limit}"), max, max.min(below)),
                    _ => (format!("r{reg} == {limit}"), max.min(limit), max),
                }
            }
            "wide" => {
                let (other, limit) = self.number()?;
                let op = self.pick(&["==", "!=", "<", ">=", "s<", "&"])?;
                let taken = if matches!(op, "==" | "<") { max.min(limit) } else { max };
                (format!("r{reg} {op} r{other}"), taken, max)
            }
            "narrow" => {
                let op = self.pick(&["==", "!=", "<", ">", "s<", "s>=", "&"])?;
                (format!("w{reg} {op} {}", self.immediate()), max, max)
            }
            _ => {
                let op = self.pick(&["s<", "s>", "s<=", "s>=", "!=", "&"])?;
                (format!("r{reg} {op} {}", self.immediate()), max, max)
            }
        };
        // A range of nothing: the branch is dead, whatever it does.
        let before = self.state.clone();
        let set = |state: &mut State, max| {
            if narrow {
                state.regs[usize::from(reg)] = Type::Number { max };
            }
        };
        set(&mut self.state, taken);
        let statements = self.rng.u32(..4);
        let mut then = self.nested(statements, depth);
        let exits = self.one_in(8) && self.loops == 0;
        if exits {
            let outer = std::mem::replace(&mut self.out, then);
            self.finish();
            then = std::mem::replace(&mut self.out, outer);
        }
        let after = std::mem::replace(&mut self.state, before);
        set(&mut self.state, fallen);
        let statements = self.rng.u32(..3);
        let other = self.nested(statements, depth);
        if !exits {
            self.state.join(&after);
        }
        self.out.push(Node::If { test, then, other });
        Some(())
    }

    fn repeat(&mut self, depth: u32) -> Option<()> {
        let free = |reg: &u8| {
            self.state.reg_locks[usize::from(*reg)] == Lock::Free
                && matches!(self.state.regs[usize::from(*reg)], Type::Uninit | Type::Number { .. })
        };
        let free: Vec<u8> = (6..10).filter(free).collect();
        let counter = self.pick(&free)?;
        let times = self.rng.u32(2..6);
        let may_goto = self.one_in(4);
        let before = self.state.clone();
        self.state.regs[usize::from(counter)] = Type::Uninit;
        self.state.enter_loop();
        let at = usize::from(counter);
        let max = if may_goto { u64::MAX } else { u64::from(times) - 1 };
        self.state.regs[at] = Type::Number { max };
        self.state.reg_locks[at] = Lock::Frozen;
        let head = self.state.clone();
        self.loops += 1;
        let statements = self.rng.u32(1..4);
        let body = self.nested(statements, depth);
        self.loops -= 1;
        if may_goto {
            self.state.join(&head);
        }
        self.state.regs[at] = Type::ANY;
        self.state.leave_loop(&before);
        self.out.push(Node::Loop { counter, times, may_goto, body });
        Some(())
    }

    fn switch(&mut self, depth: u32) -> Option<()> {
        let arms = self.rng.u64(2..6);
        let index = self.bounded(arms, &[])?;
        let scratch = self.target(&[index])?;
        self.state.regs[usize::from(index)] = Type::Uninit;
        self.state.regs[usize::from(scratch)] = Type::Uninit;
        let before = self.state.clone();
        let mut joined: Option<State> = None;
        let mut bodies = Vec::new();
        for _ in 0..arms {
            self.state = before.clone();
            let statements = self.rng.u32(..3);
            bodies.push(self.nested(statements, depth));
            match &mut joined {
                Some(state) => state.join(&self.state),
                None => joined = Some(self.state.clone()),
            }
        }
        self.state = joined?;
        self.out.push(Node::Switch { index, scratch, arms: bodies });
        Some(())
    }

    /// Where the packet is, and statements on it.
    fn packet(&mut self, depth: u32) -> Option<()> {
        let context = self.find(|held| held == Type::PacketContext)?;
        let data = self.target(&[context])?;
        let end = self.target(&[context, data])?;
        let limit = self.target(&[context, data, end])?;
        let (at, to) = if self.kind == Kind::Xdp { (0, 4) } else { (76, 80) };
        let size = self.pick(&[8u32, 14, 20, 34])?;
        self.line(format!("r{data} = *(u32 *)(r{context} +{at})"));
        self.line(format!("r{end} = *(u32 *)(r{context} +{to})"));
        self.line(format!("r{limit} = r{data}"));
        self.line(format!("r{limit} += {size}"));
        for reg in [data, end, limit] {
            self.state.regs[usize::from(reg)] = Type::Uninit;
        }
        let before = self.state.clone();
        self.state.regs[usize::from(data)] = Type::Memory { region: Region::Packet, size };
        let statements = self.rng.u32(1..5);
        let other = self.nested(statements, depth);
        self.state.join(&before);
        self.out.push(Node::If { test: format!("r{limit} > r{end}"), then: Vec::new(), other });
        Some(())
    }

    fn tail_call(&mut self) -> Option<()> {
        if self.level != 0 || self.loops > 0 {
            return None;
        }
        let context = match self.kind {
            Kind::Syscall => {
                self.find(|held| matches!(held, Type::Memory { region: Region::Context, .. }))?
            }
            _ => self.find(|held| held == Type::PacketContext)?,
        };
        // Only the whole context will do.
        if self.state.reg_locks[usize::from(context)] != Lock::Frozen {
            return None;
        }
        self.tail_calls = true;
        self.use_map("progs", ".map progs prog_array key=4 value=4 entries=3: -, second, -");
        match self.number() {
            Some((reg, _)) if !self.one_in(3) => self.line(format!("r3 = r{reg}")),
            _ => {
                let index = self.rng.u32(..4);
                self.line(format!("r3 = {index}"));
            }
        }
        self.line(format!("r1 = r{context}"));
        self.line("r2 = map progs ll".to_owned());
        self.line("call bpf_tail_call".to_owned());
        self.state.clobber();
        Some(())
    }

    /// Notes that a map is used.
    pub(crate) fn use_map(&mut self, name: &'static str, definition: &'static str) {
        if !self.maps.iter().any(|(known, _)| *known == name) {
            self.maps.push((name, definition));
        }
    }

    fn data(&mut self) -> Vec<String> {
        let words: Vec<String> =
            (0..COUNTERS_SIZE / 8).map(|_| self.rng.u64(..16).to_string()).collect();
        let mut data = vec![format!(".data {COUNTERS} .data: {}", words.join(", "))];
        data.extend(self.tables.iter().map(Table::definition));
        data.extend(self.maps.iter().map(|(_, definition)| (*definition).to_owned()));
        data
    }
}

#[cfg(test)]
mod tests {
    use bpf_model::{Input, Machine};
    use bpf_object::compile;

    use super::*;
    use crate::sample::inputs;
    use crate::{Calls, Style};

    const STYLES: [Style; 5] = [
        Style { calls: Calls::AsIs, comparisons: false, reversed: false, padding: None },
        Style { calls: Calls::Direct, comparisons: false, reversed: false, padding: None },
        Style { calls: Calls::Indirect, comparisons: false, reversed: false, padding: None },
        Style { calls: Calls::AsIs, comparisons: true, reversed: true, padding: None },
        Style { calls: Calls::AsIs, comparisons: false, reversed: false, padding: Some(7) },
    ];

    /// Whatever is generated assembles and links, does in the model only what a verifier allows, and
    /// does the same in every style.
    #[test]
    fn programs_are_sound_and_mean_the_same_in_each_style() {
        for seed in 0..300 {
            let mut rng = Rng::with_seed(seed);
            let tree = generate(&mut rng, Features::ALL);
            let inputs = inputs(tree.kind, 4, &mut rng);
            let mut first = None;
            for style in STYLES {
                let source = tree.render(style);
                let plan = match compile(&source) {
                    Ok(plan) => plan,
                    Err(error) => panic!("seed {seed}: {error}\n{source}"),
                };
                let mut machine = Machine::new(&plan).unwrap();
                let mut results = Vec::new();
                for input in &inputs {
                    let input = Input { ctx: input.context.clone(), packet: input.packet.clone() };
                    match machine.run(0, &input, 1 << 20) {
                        Ok(outcome) => {
                            assert!(!outcome.address_leaked, "seed {seed}\n{source}");
                            results.push((outcome.r0, outcome.ctx, outcome.packet));
                        }
                        Err(trap) => panic!("seed {seed}: {trap}\n{source}"),
                    }
                }
                let first = first.get_or_insert_with(|| results.clone());
                assert_eq!(*first, results, "seed {seed}, {}\n{source}", style.name());
            }
        }
    }

    #[test]
    fn what_a_kernel_lacks_is_not_generated() {
        let features = Features { callx: false, gotox: false };
        for seed in 0..200 {
            let text = generate(&mut Rng::with_seed(seed), features).render(Style::default());
            assert!(!text.contains("callx") && !text.contains("gotox"), "{text}");
        }
    }

    #[test]
    fn a_seed_is_a_program() {
        let text =
            |seed| generate(&mut Rng::with_seed(seed), Features::ALL).render(Style::default());
        assert_eq!(text(5), text(5));
        assert_ne!(text(5), text(6));
    }

    #[test]
    fn everything_the_grammar_knows_is_generated() {
        let all: String = (0..400)
            .map(|seed| generate(&mut Rng::with_seed(seed), Features::ALL).render(Style::default()))
            .collect();
        for piece in [
            "callx",
            "gotox",
            "goto +0",
            "may_goto",
            "bpf_loop",
            ".global",
            "bpf_tail_call",
            "lock ",
            "fetch_",
            "bpf_map_lookup_elem",
            "bpf_map_update_elem",
            "bpf_spin_unlock",
            "load_acquire",
            "(s8)",
            "be16",
            "xdp",
            "tc",
        ] {
            assert!(all.contains(piece), "{piece}");
        }
    }
}
