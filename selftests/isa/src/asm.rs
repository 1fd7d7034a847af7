//! The text assembler: from the notation of `NOTATION.md` to a [`Unit`].
//!
//! Lines are encoded as they are read, labels are resolved at the end of their function, symbols
//! (functions, tables, maps) at the end of the source, so each may be used before its definition.

mod cursor;
mod data;
mod directive;
mod error;
mod function;
mod instruction;
mod lex;
mod memory;
mod operators;
mod symbols;

use crate::Unit;
use directive::Directive;
pub use error::AsmError;
use error::Problem;
use function::OpenFunction;
use instruction::parse;
use lex::Token;
use symbols::Symbols;

/// A line of the source: its number, from 0, and its text.
#[derive(Clone, Copy, Debug)]
struct Line<'s> {
    number: usize,
    text: &'s str,
}

impl Line<'_> {
    fn fail(self, problem: Problem) -> AsmError {
        problem.at(self.number, self.text)
    }
}

/// Assembles a source in the notation of `NOTATION.md`.
///
/// Takes time linear in the source's length. A source without instructions gives an empty unit.
///
/// # Errors
///
/// The first line that cannot be parsed, uses an undefined name, or redefines a name; with the
/// reason and what would be accepted.
pub fn assemble(source: &str) -> Result<Unit, AsmError> {
    assemble_with_lines(source).map(|(unit, _)| unit)
}

/// Position of a function in its source. Lines are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionLines {
    /// First line of the function: its directive, or its first label or instruction.
    pub start: usize,
    /// The line of each slot; both slots of an `ld_imm64` have the same.
    pub slots: Vec<usize>,
}

/// Like [`assemble`], and also returns the position of each function of the unit, in order.
///
/// # Errors
///
/// As [`assemble`].
pub fn assemble_with_lines(source: &str) -> Result<(Unit, Vec<FunctionLines>), AsmError> {
    let mut assembler = Assembler::default();
    let mut tokens = Vec::new();
    for (number, text) in source.lines().enumerate() {
        let line = Line { number, text };
        // Tokens borrow from the source, so the buffer can be reused.
        tokens.clear();
        assembler.line(line, &mut tokens)?;
    }
    assembler.finish()
}

#[derive(Default)]
struct Assembler<'s> {
    unit: Unit,
    symbols: Symbols<'s>,
    open: Option<OpenFunction<'s>>,
    lines: Vec<FunctionLines>,
}

impl<'s> Assembler<'s> {
    fn line(&mut self, line: Line<'s>, tokens: &mut Vec<Token<'s>>) -> Result<(), AsmError> {
        let code = lex::strip_comment(line.text);
        if code.is_empty() {
            return Ok(());
        }
        if let Some(directive) = directive::parse(code).map_err(|problem| line.fail(problem))? {
            return self.directive(line, directive);
        }
        lex::tokens(code, tokens).map_err(|problem| line.fail(problem))?;
        let mut rest = tokens.as_slice();
        if let [Token::Word(label), Token::Symbol(":"), behind @ ..] = rest {
            self.function(line)?.label(label, line)?;
            rest = behind;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let parsed = parse(&mut cursor::Cursor::new(rest)).map_err(|problem| line.fail(problem))?;
        self.function(line)?.push(parsed, line);
        Ok(())
    }

    fn directive(&mut self, line: Line<'s>, directive: Directive<'s>) -> Result<(), AsmError> {
        match directive {
            Directive::Function { name, section, global } => {
                self.close()?;
                self.symbols.define_function(name, line)?;
                self.open = Some(OpenFunction::new(name, section, global, line));
                Ok(())
            }
            Directive::JumpTable { name, targets } => {
                self.symbols.define_table(name, line)?;
                self.function(line)?.table(name, targets, line);
                Ok(())
            }
            Directive::Map(map) => {
                let directive::NamedMap { name, def } = map;
                self.symbols.define_map(name, line)?;
                self.symbols.hold_programs(self.unit.maps.len(), line);
                self.unit.maps.push(def);
                Ok(())
            }
            Directive::Data(data::NamedData { name, object }) => {
                self.symbols.define_data(name, line)?;
                self.symbols.point(self.unit.data.len(), line);
                self.unit.data.push(object);
                Ok(())
            }
        }
    }

    /// The function that the line belongs to; `main` before any directive.
    fn function(&mut self, line: Line<'s>) -> Result<&mut OpenFunction<'s>, AsmError> {
        if self.open.is_none() {
            self.symbols.define_function("main", line)?;
        }
        Ok(self.open.get_or_insert_with(|| OpenFunction::new("main", "syscall", true, line)))
    }

    fn close(&mut self) -> Result<(), AsmError> {
        if let Some(open) = self.open.take() {
            self.lines.push(open.close(&mut self.unit, &mut self.symbols)?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Unit, Vec<FunctionLines>), AsmError> {
        self.close()?;
        self.symbols.resolve(&mut self.unit)?;
        Ok((self.unit, self.lines))
    }
}
