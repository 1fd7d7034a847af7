//! Converts the object's BTF to what the kernel accepts: fills in what compilers leave open, like
//! libbpf (`btf_fixup_datasec` of `tools/lib/bpf/btf.c`, `bpf_object__collect_externs` of
//! `libbpf.c`). All types keep their ids, all strings their offsets.

use std::collections::{HashMap, HashSet};

use goblin::elf::sym::{STB_LOCAL, STT_FUNC};

use super::error::{LinkError, Location};
use crate::btf::{Btf, TYPE, identifier, kind};
use crate::btf_read::{MAX_SIZE, Types};
use crate::names::{BTF, EXTERNAL};
use crate::read::{Object, Symbol, SymbolPlace};

/// `BTF_FUNC_GLOBAL` and `BTF_VAR_GLOBAL_ALLOCATED`; one more is extern.
const GLOBAL: u32 = 1;
const EXTERN: u32 = 2;
/// Size of a section's variable in BTF: type, offset, size.
const ENTRY: usize = 12;
/// Bytes of `int`.
const INT: u32 = 4;

/// State of the conversion.
struct Sanitise<'a, 'o> {
    types: &'a Types<'o>,
    btf: Btf,
    /// `int`, for kernel variables, and a variable that replaces kernel functions.
    stand_ins: Option<(u32, u32)>,
    /// `unsigned char`, and arrays of it by their length, for variables that the compiler shrank.
    byte: Option<u32>,
    arrays: HashMap<u32, u32>,
    /// Sections that the kernel would refuse.
    left_out: HashSet<u32>,
    /// Prototypes whose parameters already have names, so that each is processed once.
    named: HashSet<u32>,
    /// Replacements for names that the kernel rejects, by the offset of the original.
    names: HashMap<u32, u32>,
    /// The object's exported variables, by name.
    symbols: HashMap<&'o str, &'a Symbol<'o>>,
}

/// The object's BTF, ready to be extended, and the ids of sections that are left out; `notes` says
/// why.
pub(super) fn sanitise<'o>(
    object: &Object<'o>,
    types: &Types<'o>,
    notes: &mut Vec<String>,
) -> Result<(Btf, HashSet<u32>), LinkError> {
    let visible = object.symbols.iter().filter(|symbol| {
        symbol.bind != STB_LOCAL
            && symbol.symbol_type != STT_FUNC
            && matches!(symbol.place, SymbolPlace::Section(_))
    });
    let (data, strings) = types.parts();
    let mut sanitise = Sanitise {
        types,
        btf: Btf::over(data.to_vec(), strings.to_vec(), *types.ids().end()),
        stand_ins: None,
        byte: None,
        arrays: HashMap::new(),
        left_out: HashSet::new(),
        named: HashSet::new(),
        names: HashMap::new(),
        symbols: visible.map(|symbol| (symbol.name, symbol)).collect(),
    };
    for id in types.ids() {
        sanitise.names(id)?;
        match types.kind(id) {
            Some(kind::DATASEC) => sanitise.section(object, id, notes)?,
            Some(kind::FUNC) => sanitise.function(id),
            Some(kind::VAR) if types.more(id, 0) == Some(EXTERN) => sanitise.variable(id),
            _ => {}
        }
    }
    Ok((sanitise.btf, sanitise.left_out))
}

/// Bytes of the section of this name, in the file or not.
fn size_of(object: &Object<'_>, name: &str) -> Option<u64> {
    let (_, section) = object.section(name)?;
    Some(if section.data.is_empty() { section.size } else { section.data.len() as u64 })
}

fn is_printable(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// An error about a type of the object.
fn error(types: &Types<'_>, id: u32, reason: impl Into<String>) -> LinkError {
    let at = types.start(id).unwrap_or_default() as u64;
    Location::new(BTF, types.name(id).unwrap_or_default(), at).error(reason)
}

impl Sanitise<'_, '_> {
    /// Fills in the size of a section, and offset and visibility of its variables, which Clang
    /// leaves to the linker.
    fn section(
        &mut self,
        object: &Object<'_>,
        id: u32,
        notes: &mut Vec<String>,
    ) -> Result<(), LinkError> {
        let types = self.types;
        let (Some(start), Some(count), Some(name)) =
            (types.start(id), types.count(id), types.name(id))
        else {
            return Err(error(types, id, "a section without name"));
        };
        if EXTERNAL.contains(&name) {
            return self.external(id, start, count);
        }
        let open = types.operand(id) == Some(0);
        if open {
            let size = size_of(object, name)
                .ok_or_else(|| error(types, id, "the object has no section of this name"))?;
            let size = u32::try_from(size).ok().filter(|&size| size > 0);
            let size = size.ok_or_else(|| {
                error(types, id, "a section of no bytes, or more than BTF counts")
            })?;
            self.btf.patch(start + 8, size);
        }
        let mut entries = Vec::new();
        for index in 0..count as usize {
            let field = |at| types.more(id, 3 * index + at).unwrap_or_default();
            let (variable, mut offset, size) = (field(0), field(1), field(2));
            if types.kind(variable) != Some(kind::VAR) {
                return Err(error(types, id, format!("type {variable} in it is no variable")));
            }
            if types.more(variable, 0) == Some(GLOBAL) {
                let name = types.name(variable).unwrap_or_default();
                let symbol = self.symbols.get(name).ok_or_else(|| {
                    error(types, variable, "the object has no symbol of this variable")
                })?;
                if open {
                    offset = u32::try_from(symbol.value).unwrap_or(u32::MAX);
                }
                if symbol.hidden {
                    self.btf.patch(types.start(variable).unwrap_or_default() + TYPE, 0);
                }
            }
            entries.push((offset, variable, size));
        }
        entries.sort_unstable();
        let whole = if open { size_of(object, name) } else { types.operand(id).map(u64::from) };
        let mut end = 0;
        let fits = entries.iter().all(|&(offset, _, size)| {
            let after = u64::from(offset) >= end;
            end = u64::from(offset) + u64::from(size);
            after && size > 0 && whole.is_some_and(|whole| end <= whole)
        });
        if !fits {
            notes.push(format!(
                "{name}: its variables overlap or reach out of it according to BTF; left out"
            ));
            self.leave_out(id, start, entries.len());
            return Ok(());
        }
        let mut changed = Vec::new();
        for (index, &(offset, variable, size)) in entries.iter().enumerate() {
            let of = types.operand(variable).and_then(|id| types.size(id));
            if of.is_none_or(|of| size < of) {
                self.shrink(variable, size);
                changed.push(types.name(variable).unwrap_or_default());
            }
            self.entry(start, index, [variable, offset, size]);
        }
        if !changed.is_empty() {
            notes.push(format!(
                "{name}: less is left of {} than its type has; the kernel is given bytes as the \
                 type",
                changed.join(", ")
            ));
        }
        Ok(())
    }

    /// Makes a section one that the kernel takes and nothing refers to: a struct.
    fn leave_out(&mut self, id: u32, start: usize, count: usize) {
        let (byte, _) = self.bytes();
        self.btf.patch(start, 0);
        // The number of members is that of the variables, and so is their size.
        let variables = self.types.count(id).unwrap_or_default();
        self.btf.patch(start + 4, kind::STRUCT << 24 | variables);
        for index in 0..count {
            self.entry(start, index, [0, byte, 0]);
        }
        self.left_out.insert(id);
    }

    /// Makes a variable one of so many bytes, as which the compiler left it.
    fn shrink(&mut self, variable: u32, size: u32) {
        let (byte, index) = self.bytes();
        let btf = &mut self.btf;
        let array = *self.arrays.entry(size).or_insert_with(|| btf.array(byte, index, size));
        self.btf.patch(self.types.start(variable).unwrap_or_default() + 8, array);
    }

    /// Types of a byte and of an index.
    fn bytes(&mut self) -> (u32, u32) {
        let (int, _) = self.stand_ins();
        let btf = &mut self.btf;
        (*self.byte.get_or_insert_with(|| btf.int("unsigned char", 1, false)), int)
    }

    fn entry(&mut self, section: usize, index: usize, words: [u32; 3]) {
        for (field, word) in words.into_iter().enumerate() {
            self.btf.patch(section + TYPE + ENTRY * index + 4 * field, word);
        }
    }

    /// A section defined by the kernel: becomes consecutive variables of type `int`.
    fn external(&mut self, id: u32, start: usize, count: u32) -> Result<(), LinkError> {
        for index in 0..count {
            let found = self.types.more(id, 3 * index as usize).unwrap_or_default();
            let variable = match self.types.kind(found) {
                Some(kind::VAR) => found,
                Some(kind::FUNC) => self.stand_ins().1,
                _ => {
                    let reason = format!("type {found} in it is no variable and no function");
                    return Err(error(self.types, id, reason));
                }
            };
            self.entry(start, index as usize, [variable, index * INT, INT]);
        }
        self.btf.patch(start + 8, count * INT);
        Ok(())
    }

    /// A function. The kernel accepts neither extern functions nor unnamed parameters.
    fn function(&mut self, id: u32) {
        let types = self.types;
        if types.count(id) == Some(EXTERN) {
            self.btf.patch(types.start(id).unwrap_or_default() + 4, kind::FUNC << 24 | GLOBAL);
        }
        let Some(proto) = types.operand(id).filter(|&id| types.kind(id) == Some(kind::FUNC_PROTO))
        else {
            return;
        };
        let (Some(start), Some(count)) = (types.start(proto), types.count(proto)) else { return };
        if !self.named.insert(proto) {
            return;
        }
        for index in 0..count as usize {
            let nameless = types.more(proto, 2 * index) == Some(0);
            if nameless && types.more(proto, 2 * index + 1) != Some(0) {
                let name = self.name_of_stand_in();
                self.btf.patch(start + TYPE + 8 * index, name);
            }
        }
    }

    /// A variable defined by the kernel.
    fn variable(&mut self, id: u32) {
        let (int, _) = self.stand_ins();
        let start = self.types.start(id).unwrap_or_default();
        self.btf.patch(start + 8, int);
        self.btf.patch(start + TYPE, GLOBAL);
    }

    fn stand_ins(&mut self) -> (u32, u32) {
        let btf = &mut self.btf;
        *self.stand_ins.get_or_insert_with(|| {
            let int = btf.int("int", INT, true);
            (int, btf.variable("stand_in", int))
        })
    }

    fn name_of_stand_in(&mut self) -> u32 {
        let btf = &mut self.btf;
        // The object has no string at this offset, so it is free as a key.
        *self.names.entry(u32::MAX).or_insert_with(|| btf.string("stand_in"))
    }

    /// The names of a type, its members and parameters. Replaces those that only the kernel
    /// rejects, which languages other than C produce.
    fn names(&mut self, id: u32) -> Result<(), LinkError> {
        let types = self.types;
        let (Some(start), Some(kind), Some(count)) =
            (types.start(id), types.kind(id), types.count(id))
        else {
            return Ok(());
        };
        let named = types.word(start).unwrap_or_default();
        let stride = match kind {
            kind::STRUCT | kind::UNION | kind::ENUM64 => 12,
            kind::ENUM | kind::FUNC_PROTO => 8,
            _ => 0,
        };
        match kind {
            kind::PTR
            | kind::ARRAY
            | kind::VOLATILE
            | kind::CONST
            | kind::RESTRICT
            | kind::FUNC_PROTO => {
                if named != 0 {
                    self.btf.patch(start, 0);
                }
            }
            // Sections may be called anything printable (`btf_name_valid_section()`), tags anything.
            kind::DATASEC if !types.name(id).is_some_and(is_printable) => {
                self.name(start, named, id)?;
            }
            kind::DATASEC | kind::DECL_TAG | kind::TYPE_TAG => {}
            _ => self.name(start, named, id)?,
        }
        if stride != 0 {
            for index in 0..count as usize {
                let at = start + TYPE + stride * index;
                self.name(at, types.word(at).unwrap_or_default(), id)?;
            }
        }
        Ok(())
    }

    /// A name at an offset of the types.
    fn name(&mut self, at: usize, offset: u32, id: u32) -> Result<(), LinkError> {
        let Some(name) = self.types.string(offset) else {
            return Err(error(self.types, id, format!("it has no name at {offset:#x}")));
        };
        // Integers and floats may be called `long unsigned int`.
        let plain = matches!(self.types.kind(id), Some(kind::INT | kind::FLOAT));
        if name.is_empty() || plain {
            return Ok(());
        }
        let valid = identifier(name);
        if valid == name {
            return Ok(());
        }
        let btf = &mut self.btf;
        let replaced = *self.names.entry(offset).or_insert_with(|| btf.string(&valid));
        self.btf.patch(at, replaced);
        if self.btf.strings_len() > MAX_SIZE {
            return Err(error(self.types, id, "the names have more than 16 MiB"));
        }
        Ok(())
    }
}
