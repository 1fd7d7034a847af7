//! Links an object into a load plan, as libbpf does.
//!
//! Each program is laid out separately: its entry, then the subprograms it needs, in libbpf's
//! order. So each program has its own copies of subprograms and jump tables, as the kernel
//! requires: a jump table belongs to a single program.

mod btf_ext;
mod btf_maps;
mod data;
mod error;
mod functions;
mod layout;
mod maps;
mod sanitise;
mod sections;
mod tables;
mod types;

use bpf_isa::Insn;

use crate::names::{JUMP_TABLES, LICENSE};
use crate::plan::{LoadPlan, ProgramPlan};
use crate::read::{Object, read};
use crate::variables::{Variable, variables};
use data::Data;
pub use error::{LinkError, Location};
use functions::Functions;
use layout::{LaidOut, Layout};
use maps::Maps;
use sections::program_kind;
use tables::Tables;
use types::{Described, Types};

/// Limit for the slots of all programs of an object. The kernel's is 1,000,000 per program
/// (`BPF_COMPLEXITY_LIMIT_INSNS`); the rest is for cases that it must reject.
pub const MAX_SLOTS: usize = 1 << 23;
/// Limit for the functions of all programs of an object, counted once per program.
pub const MAX_FUNCTIONS: usize = 1 << 16;
/// Limit for the entries of all jump tables, counted once per map.
pub const MAX_TABLE_ENTRIES: usize = 1 << 20;

/// Which programs get BTF for their functions. It is the object's own if that describes the
/// program's entry, otherwise synthesised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BtfUse {
    /// Programs that the object describes, and those that the kernel rejects or misinterprets
    /// without BTF: with functions that only data points to, with the address of a function (a
    /// callback), with a global subprogram.
    #[default]
    Auto,
    /// All.
    Always,
    /// None. Functions that only data points to are included, but the kernel does not know about
    /// them.
    Never,
}

/// What becomes of functions that are global, as far as the kernel would be stricter for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Globals {
    /// They are global: verified by themselves, for the arguments that their prototype says, or for
    /// any number where the object does not describe them; and not called through pointers.
    #[default]
    Global,
    /// They are static where the object does not describe them, and where read-only data of a
    /// program with indirect calls points to them.
    Static,
}

/// How an object is linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linking {
    /// Which programs get BTF.
    pub btf: BtfUse,
    /// Which functions are global.
    pub globals: Globals,
    /// Whether weak symbols that the object does not define are 0. Otherwise programs that refer to
    /// one are refused.
    pub weak_zero: bool,
}

impl BtfUse {
    fn is_wanted(self, needed: bool) -> bool {
        match self {
            Self::Auto => needed,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Links an ELF object.
///
/// - Every function outside of `.text` and `.text.…` is a program; its section implies the type.
/// - A map in the section `maps` becomes a map of the plan. An `ld_imm64` that refers to it gets
///   `BPF_PSEUDO_MAP_FD`, or `BPF_PSEUDO_MAP_VALUE` if the object's instruction says so. The same
///   goes for the section `.maps`, as described by the object's BTF.
/// - A jump table becomes a frozen map of type `BPF_MAP_TYPE_INSN_ARRAY` for each program and
///   function that refers to it. Its entries are relocated to the program's layout but not checked:
///   the kernel has to reject targets outside of the function.
/// - A data section that a program refers to becomes an array map with one entry, read-only and
///   frozen unless its name starts with `.data`. Pointers in it become byte offsets of functions in
///   the program; a section with pointers becomes a separate map for each program that refers to
///   it.
/// - The object's BTF is passed on as libbpf would, types with their ids, functions and lines.
///   Programs that it does not describe get BTF if they need it ([`BtfUse::Auto`]).
/// - Calls and addresses of functions are relocated to the layout.
///
/// # Errors
///
/// If the object cannot be read, or contains something that a load plan cannot express; with
/// section, symbol, offset and reason.
pub fn link(bytes: &[u8]) -> Result<LoadPlan, LinkError> {
    link_with(bytes, BtfUse::Auto)
}

/// Like [`link`], with a choice of which programs get BTF.
///
/// # Errors
///
/// As [`link`].
pub fn link_with(bytes: &[u8], btf: BtfUse) -> Result<LoadPlan, LinkError> {
    let linking = Linking { btf, ..Linking::default() };
    let Linked { plan, refused, errors, .. } = link_each(bytes, linking)?;
    match errors.into_iter().chain(refused.into_iter().map(|(_, error)| error)).next() {
        Some(error) => Err(error),
        None if plan.programs.is_empty() => Err(LinkError::NoProgram),
        None => Ok(plan),
    }
}

/// An object of which what can be linked is linked.
#[derive(Clone, Debug, Default)]
pub struct Linked {
    /// The programs that can be loaded, and what they need.
    pub plan: LoadPlan,
    /// Programs that cannot be linked: name and error.
    pub refused: Vec<(String, LinkError)>,
    /// Parts of the object that are left out for what is wrong with them. Programs that need one
    /// are refused; others may be fewer lines or types the richer.
    pub errors: Vec<LinkError>,
    /// The object's variables, in the order of its symbols.
    pub variables: Vec<Variable>,
    /// What users should know: what is not done that the object asks for, or done otherwise.
    pub notes: Vec<String>,
}

/// Links what can be linked: nothing that is wrong with a part of an object keeps programs that do
/// not need it from being linked.
///
/// # Errors
///
/// If the object cannot be read at all.
pub fn link_each(bytes: &[u8], linking: Linking) -> Result<Linked, LinkError> {
    let object = read(bytes)?;
    let mut found = Linked { variables: variables(&object), ..Linked::default() };
    let license = license(&object).unwrap_or_else(|error| {
        found.errors.push(error);
        "GPL".to_owned()
    });
    let functions = Functions::collect(&object);
    let mut types = Types::of(&object, &functions, &mut found.errors, &mut found.notes);
    let mut maps = Maps::collect(&object, &functions, &mut types);
    found.errors.append(&mut maps.errors);
    found.notes.append(&mut maps.notes);
    let mut linker = Linker {
        tables: Tables::collect(&object),
        data: Data::new(&object, linking.btf),
        types,
        plan: LoadPlan { maps: maps.plans(), ..LoadPlan::default() },
        object: &object,
        functions: &functions,
        maps: &maps,
        budget: Budget { slots: MAX_SLOTS, functions: MAX_FUNCTIONS },
        linking,
        notes: Vec::new(),
    };
    for malformed in functions.malformed() {
        if functions.is_text(malformed.section) {
            found.errors.push(malformed.error.clone());
        } else {
            found.refused.push((malformed.name.to_owned(), malformed.error.clone()));
        }
    }
    // For each program of the object, its index in the plan.
    let mut places: Vec<Option<usize>> = Vec::new();
    for entry in functions.entries() {
        let place = linker.plan.programs.len();
        match linker.program(entry, &license) {
            Ok(()) => places.push(Some(place)),
            Err(error) => {
                places.push(None);
                found.refused.push((functions[entry].name.to_owned(), error));
            }
        }
    }
    let Linker { mut plan, types, notes, .. } = linker;
    for map in &mut plan.maps {
        map.programs.retain_mut(|(_, program)| match places.get(*program).copied().flatten() {
            Some(place) => {
                *program = place;
                true
            }
            None => false,
        });
    }
    plan.btf = types.finish();
    found.plan = plan;
    found.notes.extend(notes);
    found.notes.dedup();
    Ok(found)
}

/// State for laying out programs.
struct Linker<'o> {
    object: &'o Object<'o>,
    functions: &'o Functions<'o>,
    maps: &'o Maps,
    tables: Tables,
    data: Data,
    types: Types<'o>,
    plan: LoadPlan,
    budget: Budget,
    linking: Linking,
    notes: Vec<String>,
}

/// What remains of the limits.
struct Budget {
    slots: usize,
    functions: usize,
}

impl Linker<'_> {
    fn program(&mut self, entry: usize, license: &str) -> Result<(), LinkError> {
        let function = &self.functions[entry];
        let section = self.object.sections[function.section].name;
        let location = Location::new(section, function.name, function.start as u64);
        let kind = program_kind(section).map_err(|reason| location.clone().error(reason))?;
        if !function.exported {
            return Err(location.error(
                "a static function cannot be a program; make it global or move it to `.text`",
            ));
        }
        let mut layout = Layout::new(self, entry)?;
        layout.run()?;
        let LaidOut { insns, order, mut starts, map_refs, needs_btf } = layout.finish();
        let order: Vec<_> = order.into_iter().map(|number| &self.functions[number]).collect();
        let Linking { btf, globals, .. } = self.linking;
        let described = match btf {
            BtfUse::Never => None,
            _ => self.types.described(self.object, &order, &mut starts, &insns)?,
        };
        if described.is_none() && globals == Globals::Static {
            starts.iter_mut().skip(1).for_each(|start| start.global = false);
        }
        let needs_btf = needs_btf
            || globals == Globals::Global && starts.iter().skip(1).any(|start| start.global)
            || types::arguments_beyond(&insns) > 0;
        let described = match described {
            Some(described) => described,
            None if btf.is_wanted(needs_btf) => self.types.synthesised(&starts, &insns),
            None => Described::default(),
        };
        self.plan.programs.push(ProgramPlan {
            name: function.name.to_owned(),
            prog_type: kind.prog_type,
            expected_attach_type: kind.attach_type,
            flags: kind.flags,
            license: license.to_owned(),
            insns,
            functions: starts,
            map_refs,
            func_info: described.functions,
            line_info: described.lines,
        });
        Ok(())
    }
}

/// The license string; `GPL` if the object has none.
fn license(object: &Object<'_>) -> Result<String, LinkError> {
    let Some((_, section)) = object.section(LICENSE) else {
        return Ok("GPL".to_owned());
    };
    let text = section.data.split(|&byte| byte == 0).next().unwrap_or_default();
    let location = Location::new(LICENSE, "", 0);
    match std::str::from_utf8(text) {
        Ok(text) if text.len() < 128 => Ok(text.to_owned()),
        _ => Err(location.error("the license is no string of less than 128 bytes in UTF-8")),
    }
}

/// The slots of a range of a section's data, truncated at its end.
fn slots(data: &[u8]) -> impl Iterator<Item = Insn> + '_ {
    data.as_chunks::<{ Insn::SIZE }>().0.iter().map(|&bytes| Insn::from_bytes(bytes))
}

/// Whether a section contains jump tables.
fn is_jump_tables(name: &str) -> bool {
    name == JUMP_TABLES
}
