//! The source of a case as its author wrote it, and which line each instruction comes from.

use anyhow::{Context, Result};
use bpf_case::{Case, Source as Written};
use bpf_isa::{FunctionLines, assemble_with_lines};
use bpf_object::ProgramPlan;
use serde::Serialize;

use harness_host::paths;

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceLine {
    /// Number, from 1.
    pub number: usize,
    /// The line without the blanks that all lines start with.
    pub text: String,
}

/// A source and its functions.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    lines: Vec<SourceLine>,
    /// The functions in their order, by name; none where the source is not assembly.
    functions: Vec<(String, FunctionLines)>,
}

/// A function of a program: its lines, each with the slots that come from it.
pub(super) type Placed<'s> = Vec<(&'s SourceLine, Vec<usize>)>;

impl Source {
    /// The source of a case.
    ///
    /// # Errors
    ///
    /// When a program in Rust cannot be read.
    pub(super) fn of(case: &Case) -> Result<Self> {
        match &case.source {
            Written::Assembly(text) => Ok(Self::assembly(text)),
            Written::Rust(program) => {
                let file = format!("selftests/programs/bpf/{}.rs", program.name);
                let path = paths::repository().join(&file);
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("failed to read {}", path.display()))?;
                Ok(Self { lines: lines(&text), functions: Vec::new() })
            }
        }
    }

    /// A source in the assembler's notation. One that does not assemble has no functions.
    fn assembly(text: &str) -> Self {
        let functions = match assemble_with_lines(text) {
            Ok((unit, lines)) => {
                unit.functions.into_iter().map(|function| function.name).zip(lines).collect()
            }
            Err(_) => Vec::new(),
        };
        Self { lines: lines(text), functions }
    }

    /// All lines from the first to the last that is not empty.
    pub(super) fn whole(&self) -> &[SourceLine] {
        trimmed(&self.lines)
    }

    /// What stands before the first function.
    pub(super) fn head(&self) -> &[SourceLine] {
        let end = self.functions.first().map_or(0, |(_, lines)| lines.start);
        trimmed(&self.lines[..end])
    }

    /// The functions of a program, in their order there; `None` where they are not those that the
    /// source has, each with as many slots.
    pub(super) fn place(&self, program: &ProgramPlan) -> Option<Vec<Placed<'_>>> {
        let ends = program.functions.iter().skip(1).map(|function| function.slot);
        let ends = ends.chain([program.insns.len()]);
        let place = |(function, end): (&bpf_object::FunctionStart, usize)| {
            let at = self.functions.iter().position(|(name, _)| *name == function.name)?;
            let (_, lines) = &self.functions[at];
            let fits = function.slot + lines.slots.len() == end;
            fits.then(|| self.placed(at, function.slot))
        };
        program.functions.iter().zip(ends).map(place).collect()
    }

    /// The lines of functions that are in none of the programs.
    pub(super) fn unused(&self, programs: &[ProgramPlan]) -> Vec<&SourceLine> {
        let used = |name: &str| {
            programs.iter().any(|program| program.functions.iter().any(|it| it.name == name))
        };
        let unused = self.functions.iter().enumerate().filter(|(_, (name, _))| !used(name));
        unused.flat_map(|(at, _)| self.placed(at, 0)).map(|(line, _)| line).collect()
    }

    fn placed(&self, at: usize, first: usize) -> Placed<'_> {
        let lines = &self.functions[at].1;
        let end = self.functions.get(at + 1).map_or(self.lines.len(), |(_, next)| next.start);
        // A slot never comes from a line above that of the slot before it.
        let before = |number: usize| lines.slots.partition_point(|line| *line < number);
        let of = |line: &SourceLine| {
            let slots = before(line.number - 1)..before(line.number);
            slots.map(|slot| first + slot).collect()
        };
        trimmed(&self.lines[lines.start..end]).iter().map(|line| (line, of(line))).collect()
    }
}

fn trimmed(lines: &[SourceLine]) -> &[SourceLine] {
    let full = |line: &SourceLine| !line.text.is_empty();
    let first = lines.iter().position(full).unwrap_or(lines.len());
    let end = lines.iter().rposition(full).map_or(first, |last| last + 1);
    &lines[first..end]
}

fn lines(text: &str) -> Vec<SourceLine> {
    let blanks = |line: &str| line.len() - line.trim_start().len();
    let full = text.lines().filter(|line| !line.trim().is_empty());
    let common = full.map(blanks).min().unwrap_or(0);
    let line = |(index, line): (usize, &str)| SourceLine {
        number: index + 1,
        text: line.get(common..).unwrap_or_default().trim_end().to_owned(),
    };
    text.lines().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        .map m array key=4 value=8 entries=1

        r1 = 7 ll
            call there ; comment
        exit

    .func there
        exit
    .func nobody
        exit
    ";

    fn text(lines: &[SourceLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_lose_what_all_start_with() {
        let source = Source::assembly(SOURCE);
        assert_eq!(text(source.head()), ["    .map m array key=4 value=8 entries=1"]);
        assert_eq!(source.whole().first().unwrap().number, 2);
        assert_eq!(source.whole().last().unwrap().text, "    exit");
    }

    #[test]
    fn each_slot_has_its_line() {
        let source = Source::assembly(SOURCE);
        let plan = bpf_object::compile(SOURCE).unwrap();
        let functions = source.place(&plan.programs[0]).unwrap();
        let shape: Vec<Vec<(usize, &[usize])>> = functions
            .iter()
            .map(|lines| lines.iter().map(|(line, slots)| (line.number, &**slots)).collect())
            .collect();
        assert_eq!(
            shape,
            [vec![(4, &[0, 1][..]), (5, &[2]), (6, &[3])], vec![(8, &[][..]), (9, &[4])],]
        );
        let unused = source.unused(&plan.programs);
        assert_eq!(unused.iter().map(|line| line.number).collect::<Vec<_>>(), [10, 11]);
    }

    #[test]
    fn a_program_that_was_changed_is_not_placed() {
        let source = Source::assembly(SOURCE);
        let mut plan = bpf_object::compile(SOURCE).unwrap();
        let insn = plan.programs[0].insns[3];
        plan.programs[0].insns.push(insn);
        assert!(source.place(&plan.programs[0]).is_none());
    }
}
