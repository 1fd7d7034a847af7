//! Reads BTF (`Documentation/bpf/btf.rst`): the part that definitions of maps and functions need.
//! The bytes may be hostile.

use std::collections::{BTreeSet, HashMap};

use crate::btf::{HEADER, TYPE, kind};
use crate::read::MAX_NAME;

/// Size limit of BTF in the kernel (`BTF_MAX_SIZE`).
pub(crate) const MAX_SIZE: usize = 16 << 20;
/// The largest id of a type (`BTF_MAX_TYPE`).
const MAX_TYPE: usize = 0xf_ffff;

/// Limit for following references between types; compilers do not come near it.
const DEPTH: usize = 32;
/// Limit for members of a struct.
const MEMBERS: u32 = 256;
/// Limits of nesting and of visited types in the search for pointers to functions
/// (`find_typed_words()` in `kernel/bpf/func_table.c`).
const POINTER_DEPTH: u32 = 16;
const POINTER_STEPS: u32 = 16_000_000;
/// The types of an object.
pub(crate) struct Types<'d> {
    data: &'d [u8],
    strings: &'d [u8],
    /// Offset of each type; the first has id 1.
    starts: Vec<usize>,
    /// Ids of variables by name.
    variables: HashMap<&'d str, u32>,
    /// Ids of sections by name.
    sections: HashMap<&'d str, u32>,
}

/// A member of a struct.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'d> {
    pub(crate) name: &'d str,
    /// Id of its type.
    pub(crate) type_id: u32,
    /// Offset in bits.
    pub(crate) bits: u32,
}

/// What is wrong with a BTF section, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Malformed {
    /// Offset in bytes in the section.
    pub(crate) offset: usize,
    pub(crate) reason: &'static str,
}

impl<'d> Types<'d> {
    /// Reads the types of a section `.BTF`.
    ///
    /// References between types are not checked: the kernel does that.
    ///
    /// # Errors
    ///
    /// If types or strings are outside of their part of the section.
    pub(crate) fn read(section: &'d [u8]) -> Result<Self, Malformed> {
        let fail = |offset, reason| Malformed { offset, reason };
        if section.get(..3) != Some(&[0x9f, 0xeb, 1]) {
            return Err(fail(0, "it does not start as BTF of version 1 in little endian"));
        }
        if section.len() > MAX_SIZE {
            return Err(fail(0, "more bytes than the 16 MiB that the kernel takes"));
        }
        let header = word(section, 4).unwrap_or(0) as usize;
        if header < HEADER as usize {
            return Err(fail(4, "a header of less than 24 bytes"));
        }
        let part = |at: usize| {
            let start = header.checked_add(word(section, at)? as usize)?;
            let end = start.checked_add(word(section, at + 4)? as usize)?;
            Some((start, section.get(start..end)?))
        };
        let (first, data) = part(8).ok_or(fail(8, "the types reach out of the section"))?;
        let (_, strings) = part(16).ok_or(fail(16, "the strings reach out of the section"))?;
        if strings.first() != Some(&0) || strings.last() != Some(&0) {
            return Err(fail(16, "the strings do not start with an empty one and end with a zero"));
        }
        let mut starts = Vec::new();
        let mut at = 0usize;
        while at < data.len() {
            let cut = fail(first + at, "the type is cut short");
            starts.push(at);
            if starts.len() > MAX_TYPE {
                return Err(fail(first + at, "more types than the kernel takes"));
            }
            let info = word(data, at + 4).ok_or(cut)?;
            let count = (info & 0xffff) as usize;
            let more = match info >> 24 & 0x1f {
                kind::INT | kind::VAR | kind::DECL_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
                kind::ENUM | kind::FUNC_PROTO => 8 * count,
                0 | 20.. => return Err(fail(first + at, "a type of no known kind")),
                _ => 0,
            };
            at = at.checked_add(TYPE + more).filter(|&end| end <= data.len()).ok_or(cut)?;
        }
        let (variables, sections) = (HashMap::new(), HashMap::new());
        let mut types = Self { data, strings, starts, variables, sections };
        for id in types.ids() {
            let Some(name) = types.name(id) else { continue };
            match types.kind(id) {
                Some(kind::VAR) => types.variables.insert(name, id),
                Some(kind::DATASEC) => types.sections.insert(name, id),
                _ => None,
            };
        }
        Ok(types)
    }

    /// The types and strings as in the section.
    pub(crate) fn parts(&self) -> (&'d [u8], &'d [u8]) {
        (self.data, self.strings)
    }

    /// The ids of all types.
    pub(crate) fn ids(&self) -> std::ops::RangeInclusive<u32> {
        // There are at most `MAX_TYPE`.
        1..=u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// The `index`th 32-bit number after the common part of a type.
    pub(crate) fn more(&self, id: u32, index: usize) -> Option<u32> {
        word(self.data, self.start(id)? + TYPE + 4 * index)
    }

    /// 32 bits at an offset in the types.
    pub(crate) fn word(&self, at: usize) -> Option<u32> {
        word(self.data, at)
    }

    /// The BTF type of the section with this name.
    pub(crate) fn section(&self, name: &str) -> Option<u32> {
        self.sections.get(name).copied()
    }

    /// Whether a type is a function with a prototype.
    pub(crate) fn is_function(&self, id: u32) -> bool {
        self.kind(id) == Some(kind::FUNC)
            && self.operand(id).and_then(|proto| self.kind(proto)) == Some(kind::FUNC_PROTO)
    }

    /// The id of the type of a variable.
    pub(crate) fn variable(&self, name: &str) -> Option<u32> {
        self.operand(*self.variables.get(name)?)
    }

    /// The names of the variables of a section's type.
    pub(crate) fn variables_in(&self, id: u32) -> impl Iterator<Item = &'d str> + '_ {
        let count = self.count(id).unwrap_or_default() as usize;
        (0..count).filter_map(move |index| self.name(self.more(id, 3 * index)?))
    }

    /// The members of a struct, if there are at most [`MEMBERS`]; follows typedefs and qualifiers.
    pub(crate) fn members(&self, id: u32) -> Option<Vec<Member<'d>>> {
        let id = self.plain(id)?;
        if self.kind(id)? != kind::STRUCT {
            return None;
        }
        let start = self.start(id)? + TYPE;
        let count = self.count(id)?;
        if count > MEMBERS {
            return None;
        }
        let member = |at: usize| {
            let name = self.string(word(self.data, at)?)?;
            let type_id = word(self.data, at + 4)?;
            // With bit fields, the upper eight bits are the width; maps have no bit fields.
            Some(Member { name, type_id, bits: word(self.data, at + 8)? & 0xff_ffff })
        };
        (0..count as usize).map(|index| member(start + 12 * index)).collect()
    }

    /// What a pointer points to.
    pub(crate) fn pointee(&self, id: u32) -> Option<u32> {
        let id = self.plain(id)?;
        if self.kind(id)? == kind::PTR { self.operand(id) } else { None }
    }

    /// The number of elements of the array that a pointer points to: how map definitions encode a
    /// number.
    pub(crate) fn number(&self, id: u32) -> Option<u32> {
        let array = self.plain(self.pointee(id)?)?;
        if self.kind(array)? != kind::ARRAY {
            return None;
        }
        word(self.data, self.start(array)? + TYPE + 8)
    }

    /// Size of a type, in bytes.
    pub(crate) fn size(&self, id: u32) -> Option<u32> {
        self.size_within(id, DEPTH)
    }

    fn size_within(&self, id: u32, depth: usize) -> Option<u32> {
        let depth = depth.checked_sub(1)?;
        let id = self.plain(id)?;
        match self.kind(id)? {
            kind::INT | kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::FLOAT => {
                self.operand(id)
            }
            kind::PTR => Some(8),
            kind::ARRAY => {
                let at = self.start(id)? + TYPE;
                let element = self.size_within(word(self.data, at)?, depth)?;
                element.checked_mul(word(self.data, at + 8)?)
            }
            _ => None,
        }
    }

    /// Where the kernel looks for pointers to functions in a value of this type: the offsets, in
    /// bytes, of aligned pointers to prototypes and to void. `None` if the type is malformed or
    /// exceeds the kernel's limits.
    pub(crate) fn function_pointers(&self, id: u32) -> Option<BTreeSet<u64>> {
        let mut search = Search { types: self, steps: 0, found: BTreeSet::new() };
        search.visit(id, 0, 0)?;
        Some(search.found)
    }

    /// Whether a pointee type is a prototype or void, ignoring qualifiers.
    fn is_callable(&self, mut id: u32) -> bool {
        for _ in 0..DEPTH {
            match self.kind(id) {
                None => return id == 0,
                Some(kind::FUNC_PROTO) => return true,
                Some(
                    kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG,
                ) => id = self.operand(id).unwrap_or(u32::MAX),
                Some(_) => return false,
            }
        }
        false
    }

    /// The type without typedefs and qualifiers.
    fn plain(&self, mut id: u32) -> Option<u32> {
        for _ in 0..DEPTH {
            match self.kind(id)? {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = self.operand(id)?
                }
                _ => return Some(id),
            }
        }
        None
    }

    /// Offset in bytes of the member of a struct whose type is the struct `name`.
    pub(crate) fn member_of_struct(&self, id: u32, name: &str) -> Option<u32> {
        let members = self.members(id)?;
        let found = members.iter().find(|member| {
            let plain = self.plain(member.type_id);
            plain.is_some_and(|id| {
                self.kind(id) == Some(kind::STRUCT) && self.name(id) == Some(name)
            })
        })?;
        Some(found.bits / 8)
    }

    /// What the pointers in an array point to, with which a definition gives a map's initial
    /// contents: kind and id.
    pub(crate) fn element(&self, id: u32) -> Option<(u32, u32)> {
        let id = self.plain(id)?;
        if self.kind(id)? != kind::ARRAY {
            return None;
        }
        let pointee = self.plain(self.pointee(self.more(id, 0)?)?)?;
        Some((self.kind(pointee)?, pointee))
    }

    /// The value of the only enumerator of the enumeration that a pointer points to: how map
    /// definitions encode a number of 64 bits.
    pub(crate) fn enumerator(&self, id: u32) -> Option<u64> {
        let id = self.plain(self.pointee(id)?)?;
        let low = u64::from(self.more(id, 1)?);
        match self.kind(id)? {
            kind::ENUM => Some(low),
            kind::ENUM64 => Some(u64::from(self.more(id, 2)?) << 32 | low),
            _ => None,
        }
    }

    /// The kind of a type without typedefs and qualifiers.
    pub(crate) fn plain_kind(&self, id: u32) -> Option<u32> {
        self.kind(self.plain(id)?)
    }

    /// Offset of a type.
    pub(crate) fn start(&self, id: u32) -> Option<usize> {
        self.starts.get((id as usize).checked_sub(1)?).copied()
    }

    /// `BTF_KIND_*`.
    pub(crate) fn kind(&self, id: u32) -> Option<u32> {
        Some(word(self.data, self.start(id)? + 4)? >> 24 & 0x1f)
    }

    /// The number of members, parameters or variables; the linkage of a function.
    pub(crate) fn count(&self, id: u32) -> Option<u32> {
        Some(word(self.data, self.start(id)? + 4)? & 0xffff)
    }

    /// The size of a type, or the id of the type that it refers to.
    pub(crate) fn operand(&self, id: u32) -> Option<u32> {
        word(self.data, self.start(id)? + 8)
    }

    pub(crate) fn name(&self, id: u32) -> Option<&'d str> {
        self.string(word(self.data, self.start(id)?)?)
    }

    /// The string at an offset.
    pub(crate) fn string(&self, offset: u32) -> Option<&'d str> {
        let rest = self.strings.get(offset as usize..)?;
        let rest = &rest[..rest.len().min(MAX_NAME)];
        let end = rest.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }
}

/// A search for pointers to functions.
struct Search<'a, 'd> {
    types: &'a Types<'d>,
    steps: u32,
    found: BTreeSet<u64>,
}

impl Search<'_, '_> {
    /// Visits a type at an offset. Returns whether it has such pointers, aligned or not.
    fn visit(&mut self, id: u32, offset: u64, depth: u32) -> Option<bool> {
        let types = self.types;
        self.steps += 1;
        if self.steps > POINTER_STEPS || depth > POINTER_DEPTH {
            return None;
        }
        let id = types.plain(id)?;
        let word = |index: usize| types.more(id, index);
        let mut found = false;
        match types.kind(id)? {
            kind::PTR => {
                found = types.is_callable(types.operand(id)?);
                if found && offset.is_multiple_of(8) {
                    self.found.insert(offset);
                }
            }
            kind::ARRAY => {
                let element = word(0)?;
                let size = u64::from(types.size(element)?);
                for index in 0..u64::from(word(2)?) {
                    found = self.visit(element, offset + index * size, depth + 1)?;
                    if !found {
                        break;
                    }
                }
            }
            kind::STRUCT | kind::UNION => {
                for index in 0..types.count(id)? as usize {
                    // With bit fields, the upper eight bits are the width; pointers are not bit
                    // fields.
                    let bits = u64::from(word(3 * index + 2)? & 0xff_ffff);
                    found |= self.visit(word(3 * index + 1)?, offset + bits / 8, depth + 1)?;
                }
            }
            kind::DATASEC => {
                for index in 0..types.count(id)? as usize {
                    let variable = types.operand(word(3 * index)?)?;
                    let at = offset + u64::from(word(3 * index + 1)?);
                    found |= self.visit(variable, at, depth + 1)?;
                }
            }
            _ => {}
        }
        Some(found)
    }
}

/// 32 bits at an offset.
pub(crate) fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?))
}
