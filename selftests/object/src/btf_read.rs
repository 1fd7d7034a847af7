//! Reads BTF (`Documentation/bpf/btf.rst`): as much as definitions of maps need. The bytes may be
//! hostile.

use std::collections::HashMap;

use crate::read::MAX_NAME;

/// Most types that are followed from one to the next: none of a compiler comes near.
const DEPTH: usize = 32;
/// Most members of a struct that is looked at.
const MEMBERS: u32 = 256;
/// Bytes of the header.
const HEADER: usize = 24;
/// Bytes of a type without what its kind adds.
const TYPE: usize = 12;

/// `BTF_KIND_*` of `include/uapi/linux/btf.h`.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// The types of an object.
pub(crate) struct Types<'d> {
    data: &'d [u8],
    strings: &'d [u8],
    /// Where each type starts; the first has the id 1.
    starts: Vec<usize>,
    /// Ids of the variables by name.
    variables: HashMap<&'d str, u32>,
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

impl<'d> Types<'d> {
    /// Reads the types of a section `.BTF`; `None` if it is malformed.
    pub(crate) fn read(section: &'d [u8]) -> Option<Self> {
        let header = word(section, 4)? as usize;
        if header < HEADER || section.get(..2)? != [0x9f, 0xeb] {
            return None;
        }
        let part = |at: usize| {
            let start = header.checked_add(word(section, at)? as usize)?;
            section.get(start..start.checked_add(word(section, at + 4)? as usize)?)
        };
        let (data, strings) = (part(8)?, part(16)?);
        let mut starts = Vec::new();
        let mut at = 0usize;
        while at < data.len() {
            starts.push(at);
            let info = word(data, at + 4)?;
            let count = (info & 0xffff) as usize;
            let more = match info >> 24 & 0x1f {
                kind::INT | kind::VAR | kind::DECL_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
                kind::ENUM | kind::FUNC_PROTO => 8 * count,
                _ => 0,
            };
            at = at.checked_add(TYPE + more).filter(|&end| end <= data.len())?;
        }
        let mut types = Self { data, strings, starts, variables: HashMap::new() };
        for id in 1..=u32::try_from(types.starts.len()).ok()? {
            if types.kind(id) == Some(kind::VAR)
                && let Some(name) = types.name(id)
            {
                types.variables.insert(name, id);
            }
        }
        Some(types)
    }

    /// The id of the type of a variable.
    pub(crate) fn variable(&self, name: &str) -> Option<u32> {
        self.operand(*self.variables.get(name)?)
    }

    /// The members of a struct of [`MEMBERS`] at most, typedefs and qualifiers followed.
    pub(crate) fn members(&self, id: u32) -> Option<Vec<Member<'d>>> {
        let id = self.plain(id)?;
        if self.kind(id)? != kind::STRUCT {
            return None;
        }
        let start = self.start(id)? + TYPE;
        let count = word(self.data, self.start(id)? + 4)? & 0xffff;
        if count > MEMBERS {
            return None;
        }
        let member = |at: usize| {
            let name = self.string(word(self.data, at)?)?;
            let type_id = word(self.data, at + 4)?;
            // With bit fields, the upper eight bits are the width; maps have none.
            Some(Member { name, type_id, bits: word(self.data, at + 8)? & 0xff_ffff })
        };
        (0..count as usize).map(|index| member(start + 12 * index)).collect()
    }

    /// What a pointer points to.
    pub(crate) fn pointee(&self, id: u32) -> Option<u32> {
        let id = self.plain(id)?;
        if self.kind(id)? == kind::PTR { self.operand(id) } else { None }
    }

    /// The number of elements of the array that a pointer points to: how a definition says a number.
    pub(crate) fn number(&self, id: u32) -> Option<u32> {
        let array = self.plain(self.pointee(id)?)?;
        if self.kind(array)? != kind::ARRAY {
            return None;
        }
        word(self.data, self.start(array)? + TYPE + 8)
    }

    /// Bytes of a type.
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

    /// The type behind typedefs and qualifiers.
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

    /// Offset in bytes of the struct of a name among the members of another one.
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

    fn start(&self, id: u32) -> Option<usize> {
        self.starts.get((id as usize).checked_sub(1)?).copied()
    }

    fn kind(&self, id: u32) -> Option<u32> {
        Some(word(self.data, self.start(id)? + 4)? >> 24 & 0x1f)
    }

    /// The size of a type or the id of the type that it refers to.
    fn operand(&self, id: u32) -> Option<u32> {
        word(self.data, self.start(id)? + 8)
    }

    fn name(&self, id: u32) -> Option<&'d str> {
        self.string(word(self.data, self.start(id)?)?)
    }

    fn string(&self, offset: u32) -> Option<&'d str> {
        let rest = self.strings.get(offset as usize..)?;
        let rest = &rest[..rest.len().min(MAX_NAME)];
        let end = rest.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?))
}
