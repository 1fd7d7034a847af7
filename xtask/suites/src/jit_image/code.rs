//! One function of an image: its instructions, and those of them that branch indirectly.

use std::fmt::Write;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, Mnemonic, NasmFormatter,
};

use super::emission::Symbols;

/// Instructions shown before and after the one that is wrong.
const AROUND: usize = 3;

/// How an indirect branch gets to its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// By itself.
    Bare,
    /// By itself, right after LFENCE.
    Lfence,
    /// Through a thunk of the kernel with this name.
    Thunk(String),
}

/// An indirect branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// Index of the instruction.
    pub(super) at: usize,
    /// A call rather than a jump.
    pub(super) call: bool,
    /// How.
    pub(super) via: Via,
}

/// A function, decoded from its start to its end.
#[derive(Debug)]
pub(super) struct Function {
    number: usize,
    address: u64,
    instructions: Vec<Instruction>,
    /// Its indirect branches.
    pub(super) sites: Vec<Site>,
    /// Indices of returns that go through no thunk.
    pub(super) returns: Vec<usize>,
}

impl Function {
    /// Decodes a function. `number` is its place in the program.
    pub(super) fn decode(number: usize, address: u64, bytes: &[u8], symbols: &Symbols) -> Self {
        let decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        let mut function =
            Self { number, address, instructions, sites: Vec::new(), returns: Vec::new() };
        for (at, instruction) in function.instructions.iter().enumerate() {
            let site = |call, via| Site { at, call, via };
            let fenced = || {
                let before = at.checked_sub(1).and_then(|index| function.instructions.get(index));
                match before.map(Instruction::mnemonic) {
                    Some(Mnemonic::Lfence) => Via::Lfence,
                    _ => Via::Bare,
                }
            };
            let thunk = || symbols.indirect_thunk(instruction.near_branch_target());
            match instruction.flow_control() {
                FlowControl::IndirectBranch => function.sites.push(site(false, fenced())),
                FlowControl::IndirectCall => function.sites.push(site(true, fenced())),
                FlowControl::UnconditionalBranch => {
                    function.sites.extend(thunk().map(|name| site(false, Via::Thunk(name.into()))));
                }
                FlowControl::Call => {
                    function.sites.extend(thunk().map(|name| site(true, Via::Thunk(name.into()))));
                }
                FlowControl::Return => function.returns.push(at),
                _ => {}
            }
        }
        function
    }

    /// Index of the instruction that starts at an offset.
    pub(super) fn at_offset(&self, offset: u32) -> Option<usize> {
        let address = self.address + u64::from(offset);
        self.instructions.binary_search_by_key(&address, Instruction::ip).ok()
    }

    /// Whether the instruction of this index is INT3.
    pub(super) fn is_int3(&self, at: usize) -> bool {
        self.is(at, Mnemonic::Int3)
    }

    /// Whether the instruction of this index is ENDBR64.
    pub(super) fn is_endbr(&self, at: usize) -> bool {
        self.is(at, Mnemonic::Endbr64)
    }

    fn is(&self, at: usize, mnemonic: Mnemonic) -> bool {
        self.instructions.get(at).is_some_and(|instruction| instruction.mnemonic() == mnemonic)
    }

    /// `bare indirect jump at +0x2b of function 1: …`, and the instructions around it.
    pub(super) fn problem(&self, at: usize, what: &str, why: &str) -> String {
        let offset = |instruction: &Instruction| instruction.ip() - self.address;
        let place = self.instructions.get(at).map(offset).unwrap_or_default();
        let mut text = format!("{what} at +{place:#x} of function {}: {why}", self.number);
        let mut formatter = NasmFormatter::new();
        let from = at.saturating_sub(AROUND);
        for (index, instruction) in
            self.instructions.iter().enumerate().skip(from).take(2 * AROUND + 1)
        {
            let mut line = String::new();
            formatter.format(instruction, &mut line);
            let mark = if index == at { '>' } else { ' ' };
            let _ = write!(text, "\n{mark} +{:#06x}  {line}", offset(instruction));
        }
        text
    }
}
