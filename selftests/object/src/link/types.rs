//! BTF of functions and maps: the object's own as far as possible, otherwise one type per function,
//! one record per function in a program, one type per value with a lock.

use std::collections::{HashMap, HashSet};

use bpf_isa::opcode::LD_IMM64;
use bpf_isa::{Insn, Op, decode};

use super::btf_ext::{Extension, Record};
use super::data::Pointer;
use super::error::{LinkError, Location};
use super::functions::{Function, Functions};
use super::sanitise::sanitise;
use crate::btf::{Btf, Linkage, kind};
use crate::btf_read;
use crate::names::{BTF, BTF_EXT, KCONFIG, POINTER};
use crate::plan::{FuncInfo, FunctionStart, LineInfo, MapTypes};
use crate::read::Object;

/// The types described so far.
pub(super) struct Types<'o> {
    btf: Btf,
    /// Whether anything refers to the types.
    used: bool,
    common: Option<Common>,
    /// Type ids by name, whether global, and number of arguments after the fifth.
    functions: HashMap<(String, bool, usize), u32>,
    /// Prototypes of static functions with more than five parameters, by the number after the
    /// fifth.
    wide_protos: HashMap<usize, u32>,
    /// Static functions that are like global ones of the object, by the ids of these.
    twins: HashMap<u32, u32>,
    /// The object's own BTF.
    own: Option<Own<'o>>,
}

/// The object's own BTF.
struct Own<'o> {
    types: btf_read::Types<'o>,
    ext: Extension<'o>,
    /// Ids of sections that the kernel would refuse.
    left_out: HashSet<u32>,
}

/// BTF records of a program's functions.
#[derive(Default)]
pub(super) struct Described {
    pub(super) functions: Vec<FuncInfo>,
    pub(super) lines: Vec<LineInfo>,
}

/// Bytes of `int`.
const INT_SIZE: u32 = 4;
/// Most members of a struct generated here; the kernel's limit is 65,535.
const MEMBERS: usize = 60_000;

/// Arguments passed in registers (`MAX_BPF_FUNC_REG_ARGS`, `include/linux/bpf.h`).
const IN_REGISTERS: usize = 5;

/// Types shared by all functions.
#[derive(Clone, Copy)]
struct Common {
    int: u32,
    long: u32,
    /// `int (void)`: the kernel only checks that a static function returns a number
    /// (`check_btf_func()` in `kernel/bpf/check_btf.c`).
    static_proto: u32,
    /// `int (unsigned long)`: a global function is verified against its prototype.
    global_proto: u32,
}

impl<'o> Types<'o> {
    /// The types of an object, completed for the kernel; none if it has no section `.BTF` or a
    /// malformed one. What is wrong goes to `errors`, and what users should know to `notes`.
    pub(super) fn of(
        object: &Object<'o>,
        functions: &Functions<'o>,
        errors: &mut Vec<LinkError>,
        notes: &mut Vec<String>,
    ) -> Self {
        let mut found = Self {
            btf: Btf::default(),
            used: false,
            common: None,
            functions: HashMap::new(),
            wide_protos: HashMap::new(),
            twins: HashMap::new(),
            own: None,
        };
        if let Err(error) = found.read(object, functions, errors, notes) {
            errors.push(error);
        }
        found
    }

    fn read(
        &mut self,
        object: &Object<'o>,
        functions: &Functions<'o>,
        errors: &mut Vec<LinkError>,
        notes: &mut Vec<String>,
    ) -> Result<(), LinkError> {
        let ext = object.section(BTF_EXT);
        let Some((_, btf)) = object.section(BTF) else {
            return match ext {
                None => Ok(()),
                Some(_) => Err(Location::new(BTF_EXT, "", 0)
                    .error("it names types and strings of a section `.BTF`, which is not there")),
            };
        };
        let types = btf_read::Types::read(btf.data).map_err(|malformed| {
            Location::new(BTF, "", malformed.offset as u64)
                .error(format!("the BTF is malformed: {}", malformed.reason))
        })?;
        let left_out;
        (self.btf, left_out) = sanitise(object, &types, notes)?;
        let ext = match ext.map(|(_, ext)| Extension::read(ext.data, &types)).transpose() {
            Ok(ext) => ext.unwrap_or_default(),
            Err(error) => {
                errors.push(error);
                Extension::default()
            }
        };
        for (section, record) in ext.functions.all() {
            let Some((number, _)) = object.section(section) else { continue };
            let id = record.words[0];
            let function = functions.starting_at(number, record.offset);
            let error = match function {
                None => Some("no function starts there".to_owned()),
                Some(_) if !types.is_function(id) => Some(format!("type {id} is no function")),
                Some(function) => {
                    if !function.global && !functions.is_entry(function) {
                        let start = types.start(id).unwrap_or_default();
                        self.btf.patch(start + 4, kind::FUNC << 24 | Linkage::Static as u32);
                    }
                    None
                }
            };
            errors.extend(error.map(|reason| record.error(section, &reason)));
        }
        self.own = Some(Own { types, ext, left_out });
        Ok(())
    }

    /// The object's own types.
    pub(super) fn own(&self) -> Option<&btf_read::Types<'o>> {
        self.own.as_ref().map(|own| &own.types)
    }

    /// Whether a variable is an option of the kernel's configuration (`__kconfig`).
    pub(super) fn is_of_kconfig(&self, name: &str) -> bool {
        let Some(Own { types, .. }) = &self.own else { return false };
        let section = types.section(KCONFIG);
        section.is_some_and(|section| types.variables_in(section).any(|it| it == name))
    }

    /// Offset of the first CO-RE relocation in a range of bytes of a section.
    pub(super) fn first_core(&self, section: &str, start: usize, len: usize) -> Option<usize> {
        let records = self.own.as_ref()?.ext.core.of(section, start, len);
        records.first().map(|record| record.offset)
    }

    /// The functions of a program, entry first, as described by the object; `None` if it does not
    /// describe the entry. `starts` says which of them have to be static.
    pub(super) fn described(
        &mut self,
        object: &Object<'_>,
        functions: &[&Function<'_>],
        starts: &mut [FunctionStart],
        insns: &[Insn],
    ) -> Result<Option<Described>, LinkError> {
        let Some(own) = self.own.take() else { return Ok(None) };
        let found = self.described_by(object, &own, functions, starts, insns);
        self.own = Some(own);
        found
    }

    fn described_by(
        &mut self,
        object: &Object<'_>,
        Own { types, ext, .. }: &Own<'_>,
        functions: &[&Function<'_>],
        starts: &mut [FunctionStart],
        insns: &[Insn],
    ) -> Result<Option<Described>, LinkError> {
        let mut found = Described::default();
        let mut whole = true;
        for (index, function) in functions.iter().enumerate() {
            let Function { section, start: first, code, .. } = **function;
            let section = object.sections[section].name;
            let at = starts[index].slot;
            // A program has far fewer slots than 32 bits can count.
            let slot = |slot: usize| u32::try_from(slot).unwrap_or(u32::MAX);
            let record = ext.functions.of(section, first, code.len()).first();
            let record = record.map(|record| record.words[0]).filter(|id| types.is_function(*id));
            let Some(mut type_id) = record else {
                if at == 0 {
                    return Ok(None);
                }
                // Compiled without -g, or in assembly; the kernel wants all functions or none.
                starts[index].global = false;
                let end = starts.get(index + 1).map_or(insns.len(), |next| next.slot);
                let type_id = self.like(&starts[index], insns.get(at..end).unwrap_or_default());
                found.functions.push(FuncInfo { slot: slot(at), type_id });
                found.lines.push(LineInfo { slot: slot(at), file: 0, text: 0, line_col: 0 });
                continue;
            };
            let is_static = types.count(type_id) == Some(Linkage::Static as u32);
            let may_be_global = starts[index].global;
            if !is_static && at > 0 && function.global && !may_be_global {
                type_id = self.twin(types, type_id);
            }
            // A hidden function is static for the kernel, whatever the compiler says.
            starts[index].global = !is_static && (at == 0 || may_be_global);
            found.functions.push(FuncInfo { slot: slot(at), type_id });
            let lines = ext.lines.of(section, first, code.len());
            whole &= lines.first().is_some_and(|line| line.offset == first);
            for line in lines {
                check_line(types, line, section, function)?;
                let [file, text, line_col] = line.words;
                let slot = slot(at + (line.offset - first) / Insn::SIZE);
                found.lines.push(LineInfo { slot, file, text, line_col });
            }
        }
        if !whole {
            // The kernel requires lines for all functions or none (`check_btf_line()`).
            found.lines.clear();
        }
        self.used = true;
        Ok(Some(found))
    }

    /// A static function with the name and the prototype of a global one.
    fn twin(&mut self, types: &btf_read::Types<'_>, id: u32) -> u32 {
        let (name, proto) = (types.name(id).unwrap_or_default(), types.operand(id));
        let btf = &mut self.btf;
        *self
            .twins
            .entry(id)
            .or_insert_with(|| btf.func(name, proto.unwrap_or_default(), Linkage::Static))
    }

    /// Describes the functions of a program that the object does not describe, entry first.
    pub(super) fn synthesised(&mut self, starts: &[FunctionStart], insns: &[Insn]) -> Described {
        let ends = starts.iter().skip(1).map(|next| next.slot).chain([insns.len()]);
        let info = starts.iter().zip(ends).map(|(start, end)| {
            let type_id = self.like(start, insns.get(start.slot..end).unwrap_or_default());
            // A program has far fewer slots than 32 bits can count.
            FuncInfo { slot: u32::try_from(start.slot).unwrap_or(u32::MAX), type_id }
        });
        Described { functions: info.collect(), lines: Vec::new() }
    }

    /// The id of a function made up to fit a start and its code.
    fn like(&mut self, start: &FunctionStart, code: &[Insn]) -> u32 {
        let common = self.common();
        let global = start.global;
        let btf = &mut self.btf;
        let entry = start.slot == 0;
        let beyond = arguments_beyond(code);
        let key = (start.name.clone(), global, beyond);
        *self.functions.entry(key).or_insert_with(|| {
            let linkage = if global { Linkage::Global } else { Linkage::Static };
            let proto = match beyond {
                _ if global && !entry => common.global_proto,
                0 => common.static_proto,
                _ => *self.wide_protos.entry(beyond).or_insert_with(|| {
                    btf.func_proto(common.int, &vec![("a", common.long); IN_REGISTERS + beyond])
                }),
            };
            btf.func(&start.name, proto, linkage)
        })
    }

    /// Uses the types of a map of the section `.maps`.
    pub(super) fn of_map(&mut self, types: MapTypes) -> MapTypes {
        self.used = true;
        types
    }

    /// Describes a section of read-only data with pointers to functions at exactly these offsets:
    /// with the object's types if they say the same.
    pub(super) fn of_pointers(
        &mut self,
        name: &str,
        data: &[u8],
        pointers: &[Pointer],
    ) -> Option<MapTypes> {
        let size = u32::try_from(data.len()).ok()?;
        if let Some(own) = self.of_data(name, size)
            && self.says(own.value, data, pointers)
        {
            return Some(own);
        }
        let Common { int, static_proto, .. } = self.common();
        let btf = &mut self.btf;
        let pointer = btf.pointer(static_proto);
        let mut arrays: HashMap<u32, u32> = HashMap::new();
        let mut members = Vec::new();
        let mut rest = pointers;
        while let Some(first) = rest.first() {
            let follows =
                |(index, next): &(usize, &Pointer)| next.offset == first.offset + index * POINTER;
            let count = rest.iter().enumerate().take_while(follows).count();
            rest = &rest[count..];
            let offset = u32::try_from(first.offset).ok()?;
            let count = u32::try_from(count).ok()?;
            let of = *arrays.entry(count).or_insert_with(|| btf.array(pointer, int, count));
            members.push(("", of, offset));
        }
        // A struct has at most 65,535 members.
        let mut parts = Vec::new();
        for part in members.chunks(MEMBERS) {
            parts.push(("", btf.structure("", size, part), 0));
        }
        let value = match parts[..] {
            [(_, whole, _)] => whole,
            _ => btf.union("", size, &parts),
        };
        Some(MapTypes { key: int, value })
    }

    /// Whether the kernel, with this type, finds exactly these pointers to functions: all other
    /// words that it would take for one are zero.
    fn says(&self, value: u32, data: &[u8], pointers: &[Pointer]) -> bool {
        let btf = self.btf.clone().finish();
        let Ok(types) = btf_read::Types::read(&btf) else { return false };
        let Some(mut found) = types.function_pointers(value) else { return false };
        pointers.iter().all(|pointer| found.remove(&(pointer.offset as u64)))
            && found.iter().all(|&offset| {
                let word = usize::try_from(offset).ok().and_then(|at| data.get(at..at + POINTER));
                word.is_none_or(|word| word.iter().all(|&byte| byte == 0))
            })
    }

    /// The type of a data section of this size, if the object describes it.
    pub(super) fn of_data(&mut self, name: &str, size: u32) -> Option<MapTypes> {
        let Own { types, left_out, .. } = self.own.as_ref()?;
        let value = types.section(name).filter(|id| !left_out.contains(id))?;
        // An unset size becomes that of the section.
        types.operand(value).filter(|&told| told == 0 || told == size)?;
        self.used = true;
        Some(MapTypes { key: 0, value })
    }

    /// Describes a map with a `struct bpf_spin_lock` in its values.
    pub(super) fn of_locked_map(&mut self, key_size: u32, value_size: u32, lock: u32) -> MapTypes {
        let common = self.common();
        let btf = &mut self.btf;
        // The kernel requires a 32-bit integer as an array's key, and otherwise any type of the
        // right size (`array_map_check_btf()`, `map_check_btf()`).
        let key = match key_size {
            INT_SIZE => common.int,
            size => btf.structure("key", size, &[]),
        };
        let spin_lock = btf.structure("bpf_spin_lock", INT_SIZE, &[("val", common.int, 0)]);
        let value = btf.structure("value", value_size, &[("lock", spin_lock, lock)]);
        MapTypes { key, value }
    }

    /// The BTF, empty if nothing refers to it.
    pub(super) fn finish(self) -> Vec<u8> {
        if self.used { self.btf.finish() } else { Vec::new() }
    }

    fn common(&mut self) -> Common {
        self.used = true;
        let btf = &mut self.btf;
        *self.common.get_or_insert_with(|| {
            let int = btf.int("int", INT_SIZE, true);
            let long = btf.int("unsigned long", 8, false);
            Common {
                int,
                long,
                static_proto: btf.func_proto(int, &[]),
                global_proto: btf.func_proto(int, &[("a", long)]),
            }
        })
    }
}

/// How many arguments after the fifth a function reads; its prototype must have them.
pub(super) fn arguments_beyond(code: &[Insn]) -> usize {
    let reads = (0..code.len()).filter_map(|slot| match decode(code, slot) {
        Ok((Op::LoadStackArg { off, .. }, _)) => usize::try_from(off / 8).ok(),
        _ => None,
    });
    reads.max().unwrap_or_default()
}

/// Checks that a line starts at an instruction of a function, and that its strings exist.
fn check_line(
    types: &btf_read::Types<'_>,
    line: &Record,
    section: &str,
    function: &Function<'_>,
) -> Result<(), LinkError> {
    let at = line.offset - function.start;
    let first_of = |at: usize| function.code.get(at).copied();
    let inside = !at.is_multiple_of(Insn::SIZE)
        || at >= Insn::SIZE
            && first_of(at) == Some(0)
            && first_of(at - Insn::SIZE) == Some(LD_IMM64);
    if inside {
        return Err(line.error(section, "it lies inside of an instruction"));
    }
    if line.words[..2].iter().any(|&offset| types.string(offset).is_none()) {
        return Err(line.error(section, "its file or its text is no string of `.BTF`"));
    }
    Ok(())
}
