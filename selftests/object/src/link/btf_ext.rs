//! The information about code in `.BTF.ext` (`Documentation/bpf/btf.rst`, `struct btf_ext_header`
//! of `tools/lib/bpf/libbpf_internal.h`): functions, lines, CO-RE relocations. The bytes may be
//! hostile.
//!
//! CO-RE relocations depend on the types of the kernel that loads the program. A load plan is made
//! without a kernel, so a function with one is rejected rather than loaded unrelocated.

use std::collections::HashMap;

use super::error::{LinkError, Location};
use crate::btf_read::{Types, word};
use crate::names::BTF_EXT;

/// Size of the header without the CO-RE fields, and with them.
const HEADER: usize = 24;
const LONG_HEADER: usize = 32;
/// Size of the original records, which all kernels accept.
const FUNCTION: u32 = 8;
const LINE: u32 = 16;
const CORE: u32 = 16;

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Offset in bytes of its instruction in the section.
    pub(super) offset: usize,
    /// Its contents: the type id of a function; or file, text, and number of a line.
    pub(super) words: [u32; 3],
    /// Its offset in `.BTF.ext`.
    at: usize,
}

impl Record {
    /// An error at this record.
    pub(super) fn error(&self, section: &str, reason: &str) -> LinkError {
        let reason = format!("{reason}; it is about offset {:#x} of `{section}`", self.offset);
        Location::new(BTF_EXT, "", self.at as u64).error(reason)
    }
}

/// Records of one kind.
#[derive(Debug, Default)]
pub(super) struct Records<'o> {
    /// By section name; sorted by offset, at most one per offset.
    by_section: HashMap<&'o str, Vec<Record>>,
}

impl<'o> Records<'o> {
    /// The records for a range of bytes of a section.
    pub(super) fn of(&self, section: &str, start: usize, len: usize) -> &[Record] {
        let Some(records) = self.by_section.get(section) else { return &[] };
        let first = records.partition_point(|record| record.offset < start);
        let behind = records.partition_point(|record| record.offset < start + len);
        &records[first..behind]
    }

    /// All records with their sections.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'o str, &Record)> {
        self.by_section.iter().flat_map(|(name, all)| all.iter().map(|record| (*name, record)))
    }
}

/// The contents of the section.
#[derive(Debug, Default)]
pub(super) struct Extension<'o> {
    pub(super) functions: Records<'o>,
    pub(super) lines: Records<'o>,
    pub(super) core: Records<'o>,
}

impl<'o> Extension<'o> {
    /// Reads a section; its strings are among those of `types`.
    pub(super) fn read(data: &[u8], types: &Types<'o>) -> Result<Self, LinkError> {
        let fail = |at: usize, reason: &str| Location::new(BTF_EXT, "", at as u64).error(reason);
        if data.get(..3) != Some(&[0x9f, 0xeb, 1]) {
            return Err(fail(0, "it does not start as BTF of version 1 in little endian"));
        }
        let header = word(data, 4).unwrap_or(0) as usize;
        if header < HEADER {
            return Err(fail(4, "a header of less than 24 bytes"));
        }
        let part = |at, size| records(data, header, at, size, types);
        Ok(Self {
            functions: part(8, FUNCTION)?,
            lines: part(16, LINE)?,
            core: if header < LONG_HEADER { Records::default() } else { part(24, CORE)? },
        })
    }
}

/// The records of the part whose offset and length are at `at` in the header.
fn records<'o>(
    data: &[u8],
    header: usize,
    at: usize,
    least: u32,
    types: &Types<'o>,
) -> Result<Records<'o>, LinkError> {
    let fail = |at: usize, reason: &str| Location::new(BTF_EXT, "", at as u64).error(reason);
    let cut = |at| fail(at, "what it describes reaches out of the section");
    let mut found = Records::default();
    let (Some(offset), Some(length)) = (word(data, at), word(data, at + 4)) else {
        return Err(cut(at));
    };
    if length == 0 {
        return Ok(found);
    }
    let start = header.checked_add(offset as usize).ok_or_else(|| cut(at))?;
    let end = start.checked_add(length as usize).filter(|&end| end <= data.len());
    let data = &data[..end.ok_or_else(|| cut(at))?];
    let size = word(data, start).ok_or_else(|| cut(start))?;
    if size < least || !size.is_multiple_of(4) {
        return Err(fail(start, "records too short for what they describe, or no whole numbers"));
    }
    let size = size as usize;
    let mut at = start + 4;
    while at < data.len() {
        let (Some(name), Some(count)) = (word(data, at), word(data, at + 4)) else {
            return Err(cut(at));
        };
        let name = types
            .string(name)
            .ok_or_else(|| fail(at, "the name of a section is no string of `.BTF`"))?;
        let first = at + 8;
        let next = (count as usize).checked_mul(size).and_then(|size| first.checked_add(size));
        let next = next.filter(|&next| next <= data.len()).ok_or_else(|| cut(at))?;
        let records = found.by_section.entry(name).or_default();
        for at in (first..next).step_by(size) {
            let field = |index: usize| match index < size / 4 {
                true => word(data, at + 4 * index).unwrap_or_default(),
                false => 0,
            };
            let words = [field(1), field(2), field(3)];
            records.push(Record { offset: field(0) as usize, words, at });
        }
        at = next;
    }
    for (section, records) in &mut found.by_section {
        records.sort_by_key(|record| record.offset);
        if let Some([_, second]) =
            records.array_windows().find(|[first, second]| first.offset == second.offset)
        {
            return Err(second.error(section, "the second record about one instruction"));
        }
    }
    Ok(found)
}
