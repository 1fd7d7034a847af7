//! Relocations of CO-RE (`struct bpf_core_relo` of `include/uapi/linux/bpf.h`): where there are some, so
//! that a program with one is refused rather than loaded as the compiler left it.
//!
//! They depend on the types of the kernel that the program is loaded into. A load plan is made without
//! one.

use std::collections::HashMap;

use super::error::{LinkError, Location};
use crate::names::{BTF, BTF_EXT};
use crate::read::Object;

/// Bytes of the header of `.BTF.ext` before its fields for CO-RE, and with them
/// (`struct btf_ext_header`).
const HEADER: usize = 24;
const LONG_HEADER: usize = 32;
/// Bytes of the header of `.BTF` (`struct btf_header`).
const BTF_HEADER: usize = 24;
/// Bytes of a record, of which the first four are the offset of the instruction.
const RECORD: usize = 16;

/// The instructions with a relocation of CO-RE.
#[derive(Debug, Default)]
pub(super) struct CoreRelocations<'o> {
    /// Offsets in bytes by the name of the section, ascending.
    by_section: HashMap<&'o str, Vec<u32>>,
}

impl<'o> CoreRelocations<'o> {
    pub(super) fn collect(object: &Object<'o>) -> Result<Self, LinkError> {
        let mut found = Self::default();
        let Some((_, ext)) = object.section(BTF_EXT) else { return Ok(found) };
        let fail = |at: usize, reason: &str| Location::new(BTF_EXT, "", at as u64).error(reason);
        let word = |at: usize| word(ext.data, at);
        let header = word(4).ok_or_else(|| fail(0, "the header is cut short"))? as usize;
        if header < HEADER {
            return Err(fail(4, "a header of less than 24 bytes"));
        }
        let (Some(offset), Some(length)) = (word(HEADER), word(HEADER + 4)) else {
            return Ok(found);
        };
        if header < LONG_HEADER || length == 0 {
            return Ok(found);
        }
        let cut = |at| fail(at, "the relocations of CO-RE reach out of the section");
        let start = header.checked_add(offset as usize).ok_or_else(|| cut(HEADER))?;
        let end = start.checked_add(length as usize).filter(|&end| end <= ext.data.len());
        let end = end.ok_or_else(|| cut(HEADER))?;
        if word(start) != Some(RECORD as u32) {
            return Err(fail(start, "records of CO-RE of another size than 16 bytes"));
        }
        let mut at = start + 4;
        while at < end {
            let (Some(name), Some(count)) = (word(at), word(at + 4)) else { return Err(cut(at)) };
            let section = string(object, name)
                .ok_or_else(|| fail(at, "the name of a section is no string of `.BTF`"))?;
            let records = at + 8;
            let size = (count as usize).checked_mul(RECORD);
            let next = size.and_then(|size| records.checked_add(size));
            let next = next.filter(|&next| next <= end).ok_or_else(|| cut(at))?;
            let offsets = (records..next).step_by(RECORD).filter_map(word);
            found.by_section.entry(section).or_default().extend(offsets);
            at = next;
        }
        found.by_section.values_mut().for_each(|offsets| offsets.sort_unstable());
        Ok(found)
    }

    /// The first relocation in a range of bytes of a section.
    pub(super) fn first_in(&self, section: &str, start: usize, len: usize) -> Option<u32> {
        let offsets = self.by_section.get(section)?;
        let first = offsets.partition_point(|&offset| (offset as usize) < start);
        offsets.get(first).copied().filter(|&offset| (offset as usize) < start + len)
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// A string of `.BTF`.
fn string<'o>(object: &Object<'o>, offset: u32) -> Option<&'o str> {
    let (_, btf) = object.section(BTF)?;
    let data: &'o [u8] = btf.data;
    let header = word(data, 4)? as usize;
    if header < BTF_HEADER {
        return None;
    }
    let (start, length) = (word(data, 16)? as usize, word(data, 20)? as usize);
    let start = header.checked_add(start)?;
    let strings = data.get(start..start.checked_add(length)?)?;
    let rest = strings.get(offset as usize..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}
