//! Functions that are called: their classes, the tables that hold them, and the calls.

use crate::body::{COUNTERS, COUNTERS_SIZE, Generator};
use crate::state::{BUFFER, BUFFER_AT, Region, Type};
use crate::tree::Node;

/// Functions of one signature.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// They call functions of higher levels only.
    pub(crate) level: usize,
    pub(crate) args: Vec<Type>,
    /// Largest result.
    pub(crate) max: u64,
    pub(crate) members: Vec<String>,
    /// Whether they are global functions.
    pub(crate) global: bool,
    /// Whether they are callbacks of `bpf_loop`.
    pub(crate) callback: bool,
}

/// What a word of a table's element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Function,
    Number,
    /// Two numbers of half the size.
    Halves,
}

/// Functions in data.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    name: String,
    section: &'static str,
    class: usize,
    /// The words of each element.
    layout: Vec<Word>,
    /// One element after the other: the functions by name, numbers as text.
    items: Vec<String>,
    count: u32,
}

impl Table {
    pub(crate) fn definition(&self) -> String {
        format!(".data {} {}: {}", self.name, self.section, self.items.join(", "))
    }

    /// Bytes of an element.
    fn stride(&self) -> u32 {
        8 * self.layout.len() as u32
    }

    fn offsets(&self, of: impl Fn(Word) -> bool) -> Vec<u32> {
        (0..).zip(&self.layout).filter(|(_, word)| of(**word)).map(|(at, _)| 8 * at).collect()
    }
}

impl Generator<'_> {
    /// Decides which functions and tables there are.
    pub(crate) fn plan(&mut self) {
        let levels = self.pick(&[0, 1, 1, 2, 2, 2, 3]).unwrap_or(1);
        let mut numbers = 0;
        for level in 1..=levels {
            for _ in 0..self.rng.u8(1..=2) {
                self.class(level, &mut numbers);
            }
        }
        for class in 0..self.classes.len() {
            let Class { global, callback, .. } = self.classes[class];
            if !global && !callback && self.features.callx {
                for _ in 0..self.pick(&[0, 1, 1, 2]).unwrap_or(1) {
                    self.table(class);
                }
            }
        }
    }

    fn class(&mut self, level: usize, numbers: &mut u32) {
        let global = self.one_in(10);
        let callback = !global && self.one_in(14);
        let max = match () {
            () if callback => 1,
            // A global function's result is any number.
            () if global => u64::MAX,
            () => self.pick(&[u64::MAX, u64::MAX, 1, 3, 7, 15]).unwrap_or(u64::MAX),
        };
        let buffer = Type::Memory { region: Region::Stack, size: BUFFER };
        let args = if callback {
            vec![Type::ANY, buffer]
        } else if global {
            vec![Type::ANY]
        } else {
            let value = Type::Memory { region: Region::Value, size: COUNTERS_SIZE };
            (0..self.rng.u8(..4))
                .map(|_| self.pick(&[Type::ANY, Type::ANY, buffer, value]).unwrap_or(Type::ANY))
                .collect()
        };
        let count = if callback { 1 } else { self.rng.u32(1..5) };
        let letter = if global { 'g' } else { 'f' };
        let members = (0..count)
            .map(|_| {
                *numbers += 1;
                format!("{letter}{numbers}")
            })
            .collect();
        self.classes.push(Class { level, args, max, members, global, callback });
        // A function of a later class may be handed to those of an earlier one.
        if self.features.callx && level > 1 && !global && !callback && self.one_in(2) {
            let given = self.classes.len() - 1;
            let before = self.classes.iter_mut().filter(|class| {
                class.level < level && !class.global && !class.callback && class.args.len() < 4
            });
            if let Some(class) = before.last() {
                class.args.push(Type::Function(given));
            }
        }
    }

    fn table(&mut self, class: usize) {
        let words = self.pick(&[1, 1, 2, 2, 3, 3, 4, 5]).unwrap_or(1);
        let mut layout: Vec<Word> = (0..words)
            .map(|_| {
                self.pick(&[Word::Function, Word::Number, Word::Halves]).unwrap_or(Word::Number)
            })
            .collect();
        let at = self.rng.usize(..words);
        layout[at] = Word::Function;
        let count = self.rng.u32(1..6);
        let members = self.classes[class].members.clone();
        let mut items = Vec::new();
        for _ in 0..count {
            for word in &layout {
                items.push(match word {
                    Word::Function => {
                        let at = self.rng.usize(..members.len());
                        members[at].clone()
                    }
                    Word::Number => self.immediate().to_string(),
                    Word::Halves => {
                        format!("u32 {}, u32 {}", self.rng.u32(..64), self.rng.u32(..))
                    }
                });
            }
        }
        let section =
            self.pick(&[".rodata", ".rodata", ".data.rel.ro", ".rodata.more"]).unwrap_or(".rodata");
        let name = format!("t{}", self.tables.len());
        self.tables.push(Table { name, section, class, layout, items, count });
    }

    fn callable(&mut self, of: impl Fn(&Class) -> bool) -> Option<usize> {
        let level = self.level;
        let all: Vec<usize> = (0..self.classes.len())
            .filter(|class| self.classes[*class].level > level && of(&self.classes[*class]))
            .collect();
        self.pick(&all)
    }

    /// A call by name, direct or through a register.
    pub(crate) fn call_by_name(&mut self) -> Option<()> {
        let class = self.callable(|class| !class.callback)?;
        let Class { args, max, members, global, .. } = self.classes[class].clone();
        let at = self.rng.usize(..members.len());
        let callee = members[at].clone();
        self.arguments(&args, &[])?;
        let scratch = self.rng.u8(args.len() as u8 + 1..6);
        let indirect = !global && self.features.callx && self.rng.bool();
        self.out.push(Node::Call { callee, scratch, indirect });
        self.returned(max);
        Some(())
    }

    fn returned(&mut self, max: u64) {
        self.state.clobber();
        self.is_number(0, max);
    }

    /// Puts what a function takes into r1 to r5.
    fn arguments(&mut self, args: &[Type], keep: &[u8]) -> Option<()> {
        for (reg, arg) in (1u8..).zip(args) {
            self.argument(reg, *arg, keep)?;
        }
        Some(())
    }

    fn argument(&mut self, reg: u8, arg: Type, keep: &[u8]) -> Option<()> {
        if keep.contains(&reg) {
            return None;
        }
        match arg {
            Type::Number { .. } => match self.number() {
                Some((from, _)) if !self.one_in(4) => self.line(format!("r{reg} = r{from}")),
                _ => {
                    let value = self.immediate();
                    self.line(format!("r{reg} = {value}"));
                }
            },
            Type::Memory { region: Region::Stack, .. } if self.buffer => {
                self.line(format!("r{reg} = r10"));
                self.line(format!("r{reg} += {BUFFER_AT}"));
            }
            Type::Function(class) => {
                let members = self.classes[class].members.clone();
                match self.find(|held| held == arg) {
                    Some(from) if !self.one_in(3) => self.line(format!("r{reg} = r{from}")),
                    _ => {
                        let at = self.rng.usize(..members.len());
                        self.line(format!("r{reg} = {} ll", members[at]));
                    }
                }
            }
            Type::Memory { region: Region::Value, .. } => {
                self.line(format!("r{reg} = {COUNTERS} ll"));
            }
            // One that was handed on.
            _ => {
                let from = self.find(|held| held == arg)?;
                self.line(format!("r{reg} = r{from}"));
            }
        }
        self.state.regs[usize::from(reg)] = arg;
        Some(())
    }

    /// A call through an element of a table, or only the function's address.
    pub(crate) fn call_by_table(&mut self) -> Option<()> {
        let level = self.level;
        let tables: Vec<usize> = (0..self.tables.len())
            .filter(|table| self.classes[self.tables[*table].class].level > level)
            .collect();
        let number = self.pick(&tables)?;
        let table = self.tables[number].clone();
        let Class { args, max, .. } = self.classes[table.class].clone();
        let used: Vec<u8> = (1..=args.len() as u8).collect();
        let pointer = self.target(&used)?;
        self.table_address(&table, number, pointer)?;
        if self.one_in(3) {
            self.read_beside(&table, pointer, &used);
        }
        let function = if self.rng.bool() { pointer } else { self.target(&used)? };
        let functions = table.offsets(|word| word == Word::Function);
        let at = self.pick(&functions)?;
        self.line(format!("r{function} = *(u64 *)(r{pointer} +{at})"));
        self.state.regs[usize::from(pointer)] = Type::Uninit;
        self.state.regs[usize::from(function)] = Type::Function(table.class);
        if self.one_in(5) {
            // Called later, or handed on.
            return Some(());
        }
        let slot = self.one_in(6) && self.spill_function(function);
        self.arguments(&args, &[function])?;
        if slot {
            self.line(format!("r{function} = *(u64 *)(r10 -8)"));
        }
        self.line(format!("callx r{function}"));
        self.returned(max);
        Some(())
    }

    fn spill_function(&mut self, function: u8) -> bool {
        if self.state.slot_locks[0] != crate::state::Lock::Free {
            return false;
        }
        self.line(format!("*(u64 *)(r10 -8) = r{function}"));
        self.state.slots[0] = self.state.regs[usize::from(function)];
        true
    }

    /// The address of an element that is chosen at run time.
    fn table_address(&mut self, table: &Table, number: usize, pointer: u8) -> Option<()> {
        let twin = self.tables.iter().position(|other| {
            other.class == table.class
                && other.layout == table.layout
                && other.count >= table.count
                && other.name != table.name
        });
        let index = self.bounded(table.count.into(), &[pointer])?;
        self.scale(index, table.stride(), &[pointer]);
        let load = |name: &str| Node::Line(format!("r{pointer} = {name} ll"));
        match (twin, self.number()) {
            // Which table is chosen at run time as well.
            (Some(twin), Some((reg, _))) if reg != pointer => {
                let limit = self.immediate();
                let test = format!("r{reg} s> {limit}");
                let (then, other) = (vec![load(&self.tables[twin].name)], vec![load(&table.name)]);
                self.out.push(Node::If { test, then, other });
            }
            _ => self.out.push(load(&table.name)),
        }
        self.line(format!("r{pointer} += r{index}"));
        self.is_number(index, u64::MAX);
        let size = table.stride();
        self.state.regs[usize::from(pointer)] =
            Type::Memory { region: Region::Table(number), size };
        Some(())
    }

    /// Reads a number beside a function.
    fn read_beside(&mut self, table: &Table, pointer: u8, used: &[u8]) {
        let numbers = table.offsets(|word| word != Word::Function);
        let Some(at) = self.pick(&numbers) else { return };
        let Some(to) = self.number_target(&[used, &[pointer]].concat()) else { return };
        if self.rng.bool() {
            self.line(format!("r{to} = *(u64 *)(r{pointer} +{at})"));
            self.is_number(to, u64::MAX);
        } else {
            self.line(format!("r{to} = *(u32 *)(r{pointer} +{})", at + 4));
            self.is_number(to, u64::from(u32::MAX));
        }
    }

    /// A call of a function that is in a register.
    pub(crate) fn call_given(&mut self) -> Option<()> {
        let reg = self.find(|held| matches!(held, Type::Function(_)))?;
        let Type::Function(class) = self.state.regs[usize::from(reg)] else { return None };
        let Class { args, max, .. } = self.classes[class].clone();
        let mut function = reg;
        if usize::from(reg) <= args.len() && reg != 0 {
            function = self.target(&(1..=args.len() as u8).collect::<Vec<_>>())?;
            self.line(format!("r{function} = r{reg}"));
            self.state.regs[usize::from(function)] = Type::Function(class);
        }
        self.arguments(&args, &[function])?;
        self.line(format!("callx r{function}"));
        self.returned(max);
        Some(())
    }

    /// One of two functions, chosen at run time and called at once or later.
    pub(crate) fn choose_function(&mut self, depth: u32) -> Option<()> {
        if !self.features.callx {
            return None;
        }
        let class = self.callable(|class| !class.global && !class.callback)?;
        let members = self.classes[class].members.clone();
        let (reg, max) = self.number()?;
        let used: Vec<u8> = (1..=self.classes[class].args.len() as u8).chain([reg]).collect();
        // Callers' registers are compared only if they are alive, those of arguments always.
        let args = if self.one_in(3) { used } else { vec![1, 2, 3, 4, 5, reg] };
        let function = self.target(&args)?;
        let limit = self.limit(max);
        let before = self.state.clone();
        let then = self.function_arm(function, class, &members, depth);
        let after = std::mem::replace(&mut self.state, before);
        let other = self.function_arm(function, class, &members, depth);
        self.state.join(&after);
        self.out.push(Node::If { test: format!("r{reg} > {limit}"), then, other });
        if !self.one_in(3) {
            self.call_given();
        }
        Some(())
    }

    fn function_arm(
        &mut self,
        function: u8,
        class: usize,
        members: &[String],
        depth: u32,
    ) -> Vec<Node> {
        let outer = std::mem::take(&mut self.out);
        let at = self.rng.usize(..members.len());
        self.line(format!("r{function} = {} ll", members[at]));
        self.state.regs[usize::from(function)] = Type::Function(class);
        if self.one_in(3) {
            let more = self.nested(1, depth);
            self.out.extend(more);
        }
        std::mem::replace(&mut self.out, outer)
    }

    /// `bpf_loop` over a callback.
    pub(crate) fn callback(&mut self) -> Option<()> {
        if !self.buffer {
            return None;
        }
        let class = self.callable(|class| class.callback)?;
        let callee = self.classes[class].members[0].clone();
        match self.number() {
            Some((reg, max)) if max < 16 => self.line(format!("r1 = r{reg}")),
            _ => {
                let count = self.rng.u32(..5);
                self.line(format!("r1 = {count}"));
            }
        }
        self.line(format!("r2 = {callee} ll"));
        self.line("r3 = r10".to_owned());
        self.line(format!("r3 += {BUFFER_AT}"));
        self.line("r4 = 0".to_owned());
        self.line("call bpf_loop".to_owned());
        self.returned(u64::MAX);
        Some(())
    }
}
