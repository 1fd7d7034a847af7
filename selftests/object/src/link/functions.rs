//! The functions of an object by location.

use std::collections::{HashMap, HashSet};
use std::ops::Index;

use bpf_isa::Insn;
use goblin::elf::section_header::{SHF_EXECINSTR, SHT_PROGBITS};
use goblin::elf::sym::{STB_LOCAL, STT_FUNC, STT_NOTYPE};

use super::error::{LinkError, Location};
use super::sections::program_kind;
use crate::names::TEXT;
use crate::read::{Object, Section, Symbol, SymbolPlace};

/// A function of the object.
#[derive(Clone, Debug)]
pub(super) struct Function<'o> {
    /// Symbol name.
    pub(super) name: &'o str,
    /// Number of its section.
    pub(super) section: usize,
    /// Offset in bytes in its section, a multiple of 8.
    pub(super) start: usize,
    /// Its code; at least one slot, and only whole slots.
    pub(super) code: &'o [u8],
    /// Whether the symbol is global or weak, which a program's entry must be.
    pub(super) exported: bool,
    /// Whether the kernel verifies it separately: its symbol is exported and not hidden. Hidden
    /// functions are static for libbpf too (`bpf_object__add_programs`).
    pub(super) global: bool,
}

impl Function<'_> {
    /// Size in slots.
    pub(super) fn len(&self) -> usize {
        self.code.len() / Insn::SIZE
    }

    /// First slot, counted from the section's start.
    pub(super) fn first_slot(&self) -> usize {
        self.start / Insn::SIZE
    }
}

/// A symbol that should be a function, and what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Malformed<'o> {
    pub(super) name: &'o str,
    pub(super) section: usize,
    /// Offset in bytes in its section. Not checked.
    pub(super) start: u64,
    pub(super) error: LinkError,
}

/// All functions of an object, sorted by section and offset. They do not overlap, but a program has
/// as many functions at its place as it has names.
pub(super) struct Functions<'o> {
    functions: Vec<Function<'o>>,
    malformed: Vec<Malformed<'o>>,
    /// The functions of a section, as a range of `functions`.
    by_section: HashMap<usize, std::ops::Range<usize>>,
    /// The sections of subprograms: `.text`, and those of single functions (`.text.NAME`).
    text: HashSet<usize>,
}

impl<'o> Functions<'o> {
    pub(super) fn collect(object: &'o Object<'o>) -> Self {
        let mut functions = Vec::new();
        let mut malformed = Vec::new();
        for symbol in &object.symbols {
            let SymbolPlace::Section(section) = symbol.place else { continue };
            if symbol.symbol_type != STT_FUNC {
                continue;
            }
            match function(object, section, symbol) {
                Ok(function) => functions.push(function),
                Err(error) => {
                    let (name, start) = (symbol.name, symbol.value);
                    malformed.push(Malformed { name, section, start, error });
                }
            }
        }
        let text = object.sections.iter().enumerate().filter(|(_, section)| is_text(section.name));
        let text: HashSet<usize> = text.map(|(number, _)| number).collect();
        let functions = distinct(object, &text, functions, &mut malformed);
        let mut by_section = HashMap::new();
        for (number, function) in functions.iter().enumerate() {
            let range = by_section.entry(function.section).or_insert(number..number);
            range.end = number + 1;
        }
        let mut found = Self { functions, malformed, by_section, text };
        found.labels(object);
        found
    }

    /// Labels that look like programs, except for their type.
    fn labels(&mut self, object: &'o Object<'o>) {
        for symbol in &object.symbols {
            let SymbolPlace::Section(number) = symbol.place else { continue };
            let section = &object.sections[number];
            let looks = symbol.symbol_type == STT_NOTYPE
                && symbol.bind != STB_LOCAL
                && holds_code(section)
                && !self.is_text(number)
                && program_kind(section.name).is_ok()
                && self.at(number, i128::from(symbol.value / Insn::SIZE as u64)).is_none();
            if looks {
                let (name, start) = (symbol.name, symbol.value);
                let error = Location::new(section.name, name, start).error(label(name));
                self.malformed.push(Malformed { name, section: number, start, error });
            }
        }
    }

    /// What cannot be used.
    pub(super) fn malformed(&self) -> &[Malformed<'o>] {
        &self.malformed
    }

    /// What is wrong with the function at a slot of a section, if that is known.
    pub(super) fn malformed_at(&self, section: usize, slot: i128) -> Option<&LinkError> {
        let start = slot * Insn::SIZE as i128;
        let at = |it: &&Malformed<'_>| it.section == section && i128::from(it.start) == start;
        self.malformed.iter().find(at).map(|malformed| &malformed.error)
    }

    /// The functions that are programs: those outside of `.text`.
    pub(super) fn entries(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.functions.len()).filter(|&at| !self.is_text(self.functions[at].section))
    }

    /// Number, among the programs, of the one at an offset of a section.
    pub(super) fn program(&self, section: usize, offset: u64) -> Option<usize> {
        self.entries().position(|at| {
            let function = &self.functions[at];
            (function.section, function.start as u64) == (section, offset)
        })
    }

    /// The function at an offset in bytes of a section.
    pub(super) fn starting_at(&self, section: usize, offset: usize) -> Option<&Function<'o>> {
        let functions = &self.functions[self.by_section.get(&section)?.clone()];
        let at = functions.binary_search_by_key(&offset, |function| function.start).ok()?;
        functions.get(at)
    }

    /// Whether a function is a program.
    pub(super) fn is_entry(&self, function: &Function<'_>) -> bool {
        !self.is_text(function.section)
    }

    /// Whether the section contains subprograms.
    pub(super) fn is_text(&self, section: usize) -> bool {
        self.text.contains(&section)
    }

    /// The function that contains a slot of a section.
    pub(super) fn at(&self, section: usize, slot: i128) -> Option<usize> {
        let range = self.by_section.get(&section)?.clone();
        let functions = &self.functions[range.clone()];
        let behind = functions.partition_point(|function| function.first_slot() as i128 <= slot);
        let at = behind.checked_sub(1)?;
        let function = &functions[at];
        let end = function.first_slot() + function.len();
        (slot < end as i128).then_some(range.start + at)
    }
}

impl<'o> Index<usize> for Functions<'o> {
    type Output = Function<'o>;

    fn index(&self, at: usize) -> &Function<'o> {
        &self.functions[at]
    }
}

/// What to do about a function that is a mere label.
pub(super) fn label(name: &str) -> String {
    format!(
        "the symbol `{name}` is a label without a type; a function needs `.type {name},@function` \
         and `.size {name}, .-{name}`"
    )
}

/// The function of a symbol.
fn function<'o>(
    object: &'o Object<'o>,
    section: usize,
    symbol: &Symbol<'o>,
) -> Result<Function<'o>, LinkError> {
    let Section { name, data, .. } = object.sections[section];
    let location = || Location::new(name, symbol.name, symbol.value);
    if !holds_code(&object.sections[section]) {
        return Err(location().error("a function in a section that holds no code"));
    }
    let start = usize::try_from(symbol.value).unwrap_or(usize::MAX);
    let size = usize::try_from(symbol.size).unwrap_or(usize::MAX);
    let code = start.checked_add(size).and_then(|end| data.get(start..end));
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        let hint = match size {
            0 => format!("; in assembly, `.size {0}, .-{0}` says how many", symbol.name),
            _ => String::new(),
        };
        return Err(location().error(format!(
            "a function of {size} bytes; it has to have some, inside of the {} of its section{hint}",
            data.len()
        )));
    };
    if !start.is_multiple_of(Insn::SIZE) || !size.is_multiple_of(Insn::SIZE) {
        return Err(location().error(format!(
            "a function of {size} bytes that does not consist of slots of 8 bytes"
        )));
    }
    let exported = symbol.bind != STB_LOCAL;
    let global = exported && !symbol.hidden;
    Ok(Function { name: symbol.name, section, start, code, exported, global })
}

/// Sorts functions and takes out those that overlap with others. Aliases of a subprogram become one
/// function, as exported as any of them; aliases of a program remain, unless they are static.
fn distinct<'o>(
    object: &Object<'o>,
    text: &HashSet<usize>,
    mut functions: Vec<Function<'o>>,
    malformed: &mut Vec<Malformed<'o>>,
) -> Vec<Function<'o>> {
    functions.sort_by_key(|function| (function.section, function.start, !function.exported));
    let mut kept: Vec<Function<'o>> = Vec::with_capacity(functions.len());
    for function in functions {
        let Some(last) = kept.last_mut().filter(|last| last.section == function.section) else {
            kept.push(function);
            continue;
        };
        if (last.start, last.code.len()) == (function.start, function.code.len()) {
            if text.contains(&function.section) {
                last.global |= function.global;
            } else if function.exported {
                kept.push(function);
            }
        } else if last.start + last.code.len() > function.start {
            let Function { name, section, start, .. } = function;
            let start = start as u64;
            let error = Location::new(object.sections[section].name, name, start)
                .error(format!("the function overlaps with `{}`", last.name));
            malformed.push(Malformed { name, section, start, error });
        } else {
            kept.push(function);
        }
    }
    kept
}

fn holds_code(section: &Section<'_>) -> bool {
    section.section_type == SHT_PROGBITS && section.flags & u64::from(SHF_EXECINSTR) != 0
}

/// Whether a section of this name contains subprograms. Compilers that put each function into its
/// own section name it `.text.` plus the function's name.
fn is_text(name: &str) -> bool {
    name.strip_prefix(TEXT).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
