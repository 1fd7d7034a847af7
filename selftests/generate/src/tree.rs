//! A program as a tree of statements, and its rendering as text.

use std::fmt::Write as _;

use fastrand::Rng;

/// A statement.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// One instruction.
    Line(String),
    /// Instructions that nothing may be put between.
    Lines(Vec<String>),
    /// `if test goto then`, with what is done otherwise.
    If { test: String, then: Vec<Node>, other: Vec<Node> },
    /// `counter` goes from 0 up to below `times`. With `may_goto` the loop may also end by that.
    Loop { counter: u8, times: u32, may_goto: bool, body: Vec<Node> },
    /// One of the arms, by a number below `arms.len()` in `index`. `scratch` is overwritten.
    Switch { index: u8, scratch: u8, arms: Vec<Vec<Node>> },
    /// A call by name; `scratch` is free for the address.
    Call { callee: String, scratch: u8, indirect: bool },
}

/// A function after the first.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) global: bool,
    pub(crate) body: Vec<Node>,
}

/// What kind of program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On a context of plain memory.
    Syscall,
    /// On a packet, with access to it.
    Packet,
    /// On a packet, at the driver.
    Xdp,
}

impl Kind {
    /// The ELF section that implies the type.
    pub fn section(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::Packet => "tc",
            Self::Xdp => "xdp",
        }
    }
}

/// A program.
#[derive(Clone, Debug)]
pub struct Tree {
    /// What kind of program it is.
    pub kind: Kind,
    pub(crate) main: Vec<Node>,
    pub(crate) functions: Vec<Function>,
    /// Lines of `.data` and `.map`.
    pub(crate) data: Vec<String>,
    /// Further programs, for tail calls.
    pub(crate) others: Vec<(String, Vec<Node>)>,
}

/// How calls by name are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// As the tree says.
    #[default]
    AsIs,
    /// By name.
    Direct,
    /// Through a register, as far as that is allowed.
    Indirect,
}

/// A way to render a tree. None changes what the program computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// How calls by name are made.
    pub calls: Calls,
    /// Comparisons in place of jump tables.
    pub comparisons: bool,
    /// Functions in reverse order.
    pub reversed: bool,
    /// Nops, and branches that are never taken, by this seed.
    pub padding: Option<u64>,
}

impl Style {
    /// What differs from the default, in words.
    pub fn name(self) -> String {
        let mut words = Vec::new();
        match self.calls {
            Calls::AsIs => {}
            Calls::Direct => words.push("direct calls"),
            Calls::Indirect => words.push("indirect calls"),
        }
        if self.comparisons {
            words.push("comparisons");
        }
        if self.reversed {
            words.push("functions reversed");
        }
        if self.padding.is_some() {
            words.push("nops and dead branches");
        }
        if words.is_empty() { "as generated".to_owned() } else { words.join(", ") }
    }
}

impl Tree {
    /// The program's text.
    pub fn render(&self, style: Style) -> String {
        let mut out = Printer {
            text: String::new(),
            tables: Vec::new(),
            style,
            rng: style.padding.map(Rng::with_seed),
            labels: 0,
            dead: Vec::new(),
        };
        let _ = writeln!(out.text, ".prog main {}", self.kind.section());
        out.function(&self.main);
        let mut functions: Vec<&Function> = self.functions.iter().collect();
        if style.reversed {
            functions.reverse();
        }
        for function in functions {
            let kind = if function.global { "global" } else { "func" };
            let _ = writeln!(out.text, ".{kind} {}", function.name);
            out.function(&function.body);
        }
        for (name, body) in &self.others {
            let _ = writeln!(out.text, ".prog {name} {}", self.kind.section());
            out.function(body);
        }
        for line in &self.data {
            let _ = writeln!(out.text, "{line}");
        }
        out.text
    }

    /// Whether another style makes another program of it.
    pub fn differs_in(&self, style: Style) -> bool {
        self.render(Style::default()) != self.render(style)
    }
}

struct Printer {
    text: String,
    /// Of the current function.
    tables: Vec<String>,
    style: Style,
    rng: Option<Rng>,
    labels: u32,
    /// Labels of dead branches of the current function.
    dead: Vec<String>,
}

impl Printer {
    fn function(&mut self, body: &[Node]) {
        self.nodes(body);
        for label in std::mem::take(&mut self.dead) {
            self.label(&label);
            self.line("r0 = 0");
            self.line("exit");
        }
        for table in std::mem::take(&mut self.tables) {
            self.line(&table);
        }
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.padding();
            self.node(node);
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Line(line) => self.line(line),
            Node::Lines(lines) => lines.iter().for_each(|line| self.line(line)),
            Node::If { test, then, other } => {
                let (taken, end) = (self.fresh("T"), self.fresh("E"));
                self.line(&format!("if {test} goto {taken}"));
                self.nodes(other);
                if !ends(other) && !then.is_empty() {
                    self.line(&format!("goto {end}"));
                }
                self.label(&taken);
                self.nodes(then);
                self.label(&end);
            }
            Node::Loop { counter, times, may_goto, body } => {
                let (head, end) = (self.fresh("L"), self.fresh("X"));
                self.line(&format!("r{counter} = 0"));
                self.label(&head);
                if *may_goto {
                    self.line(&format!("may_goto {end}"));
                }
                self.nodes(body);
                self.line(&format!("r{counter} += 1"));
                self.line(&format!("if r{counter} < {times} goto {head}"));
                self.label(&end);
            }
            Node::Switch { index, scratch, arms } => self.switch(*index, *scratch, arms),
            Node::Call { callee, scratch, indirect } => {
                let indirect = match self.style.calls {
                    Calls::AsIs => *indirect,
                    Calls::Direct => false,
                    // Global functions cannot be called so.
                    Calls::Indirect => !callee.starts_with('g'),
                };
                if indirect {
                    self.line(&format!("r{scratch} = {callee} ll"));
                    self.line(&format!("callx r{scratch}"));
                } else {
                    self.line(&format!("call {callee}"));
                }
            }
        }
    }

    fn switch(&mut self, index: u8, scratch: u8, arms: &[Vec<Node>]) {
        let end = self.fresh("E");
        let labels: Vec<String> = arms.iter().map(|_| self.fresh("A")).collect();
        if self.style.comparisons {
            for (number, label) in labels.iter().enumerate().skip(1) {
                self.line(&format!("if r{index} == {number} goto {label}"));
            }
            if let Some(first) = labels.first() {
                self.line(&format!("goto {first}"));
            }
        } else {
            let table = self.fresh("J");
            self.line(&format!("r{index} <<= 3"));
            self.line(&format!("r{scratch} = {table} ll"));
            self.line(&format!("r{scratch} += r{index}"));
            self.line(&format!("r{scratch} = *(u64 *)(r{scratch} +0)"));
            self.line(&format!("gotox r{scratch}"));
            self.tables.push(format!(".jumptable {table}: {}", labels.join(", ")));
        }
        // Behind the last arm that does something the end comes by itself.
        let last = arms.iter().rposition(|arm| !arm.is_empty()).unwrap_or_default();
        for (number, (arm, label)) in arms.iter().zip(&labels).enumerate() {
            self.label(label);
            self.nodes(arm);
            if number < last && !ends(arm) {
                self.line(&format!("goto {end}"));
            }
        }
        self.label(&end);
    }

    fn padding(&mut self) {
        let Some(rng) = &mut self.rng else { return };
        match rng.u8(..12) {
            0 => self.line("goto +0"),
            1 => {
                let label = self.fresh("D");
                self.line(&format!("if r10 == 0 goto {label}"));
                self.dead.push(label);
            }
            _ => {}
        }
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.labels += 1;
        format!("{kind}{}", self.labels)
    }

    fn label(&mut self, name: &str) {
        let _ = writeln!(self.text, "{name}:");
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "    {line}");
    }
}

/// Whether execution does not go on after these statements.
pub(crate) fn ends(nodes: &[Node]) -> bool {
    match nodes.last() {
        Some(Node::Line(line)) => line == "exit",
        Some(Node::If { then, other, .. }) => ends(then) && ends(other),
        Some(Node::Switch { arms, .. }) => arms.iter().all(|arm| ends(arm)),
        _ => false,
    }
}
