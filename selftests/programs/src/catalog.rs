//! The programs: names, descriptions, inputs, and how to run them on the host.

use crate::inputs;
use crate::random::Random;

/// An opcode that a program's object must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// `gotox`, generated for a `match`.
    Gotox,
    /// `callx`, generated for a call of a function pointer or of a trait object's method.
    Callx,
}

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name of its file in `bpf/`, without the extension.
    pub name: &'static str,
    /// One line: what it is and what becomes an indirect branch.
    pub about: &'static str,
    /// Opcodes that its object must contain.
    pub opcodes: &'static [Opcode],
    /// Size of its context in bytes; 0 for packet programs.
    context: usize,
    /// Fills the context and returns the packet.
    input: fn(&mut Random, &mut [u8]) -> Vec<u8>,
    native: fn(&mut [u8], &mut [u8]) -> u32,
}

/// Context and packet for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Bytes of the context; empty for packet programs.
    pub context: Vec<u8>,
    /// The packet; empty for others.
    pub packet: Vec<u8>,
}

/// Result of a run on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The return value.
    pub returns: u32,
    /// Bytes of the context afterwards.
    pub context: Vec<u8>,
    /// The packet afterwards.
    pub packet: Vec<u8>,
}

impl Program {
    /// The input with a number, deterministic.
    pub fn input(&self, number: u64) -> Input {
        let mut random = Random::new(self.name, number);
        let mut context = vec![0; self.context];
        let packet = (self.input)(&mut random, &mut context);
        Input { context, packet }
    }

    /// Runs the program on the host.
    pub fn run(&self, input: &Input) -> Ran {
        let Input { mut context, mut packet } = input.clone();
        let returns = (self.native)(&mut context, &mut packet);
        Ran { returns, context, packet }
    }
}

/// Builds the list of programs from the modules of the same names.
macro_rules! programs {
    ($($name:ident($input:ident, $($opcode:ident)*): $about:literal;)*) => {
        const PROGRAMS: &[Program] = &[
            $(Program {
                name: stringify!($name),
                about: $about,
                opcodes: &[$(Opcode::$opcode),*],
                context: crate::$name::CONTEXT,
                input: inputs::$input,
                native: crate::$name::native,
            },)*
        ];
    };
}

programs! {
    bucket(bytes, Callx): "rate limits: strategies behind a trait";
    bytecode(bytecode, Gotox): "an interpreter of bytecode: a match over its opcodes";
    calculator(expression, Callx): "a calculator: a table of operators";
    chain(packet, Callx): "chain calls: packet programs in a table, the next named by the result";
    classifier(packet, Callx): "a packet classifier: tables of functions by type and protocol";
    crc(bytes, Callx): "checksums: numbers and functions side by side in read-only data";
    filters(bytes, Callx): "trait objects behind a chain of filters";
    forth(words, Callx): "threaded code: words that are functions";
    hash(bytes, Callx): "hash methods: structs of numbers and functions in read-only data";
    lexer(source, Gotox): "a lexer: a match over the first byte of a token";
    list(bytes, Callx): "a linked list with a comparator and a visitor";
    protocol(bytes, Gotox): "the states of a TCP connection: a match over state and event";
    reactor(bytes, Callx): "an event loop: handlers that can change places";
    sort(bytes, Callx): "a sort with a comparator that is passed as a function";
    states(numbers, Callx): "the state pattern: functions that return functions";
    tlv(options, Callx): "options of a TCP header: a table of handlers";
}

/// All programs, sorted by name.
pub fn programs() -> &'static [Program] {
    PROGRAMS
}

/// The program with this name.
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}
