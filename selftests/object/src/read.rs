//! Reads an ELF object of BPF code: sections, symbols, relocations; uninterpreted.
//!
//! The bytes may be hostile. The result borrows from them, so it cannot grow beyond a small
//! multiple of their size, and every offset in it is within bounds.

use std::ops::Range;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{ELFCLASS64, ELFDATA2LSB, EM_BPF, ET_REL, Header};
use goblin::elf::reloc::RelocSection;
use goblin::elf::section_header::{
    SHN_ABS, SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, SHT_NOBITS, SHT_NULL, SHT_REL, SHT_RELA,
    SHT_SYMTAB, SectionHeader,
};
use goblin::elf::sym::{STV_HIDDEN, STV_INTERNAL, Symtab};
use thiserror::Error;

/// Why an object cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("cannot read the object: {place}: {reason}")]
pub struct ReadError {
    /// Which part of the file.
    pub place: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<'d> {
    /// Sections by number; number 0 is empty.
    pub sections: Vec<Section<'d>>,
    /// Symbols by number; number 0 is empty.
    pub symbols: Vec<Symbol<'d>>,
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'d> {
    /// Name.
    pub name: &'d str,
    /// `SHT_*`.
    pub section_type: u32,
    /// `SHF_*`.
    pub flags: u64,
    /// Contents; empty if not in the file (`SHT_NOBITS`).
    pub data: &'d [u8],
    /// Size of the section when loaded: larger than `data` if the contents are not in the file. Not
    /// checked.
    pub size: u64,
    /// Its relocations, sorted by offset.
    pub relocations: Vec<SectionRelocation>,
}

/// A relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionRelocation {
    /// Offset in bytes in the relocated section; within bounds.
    pub offset: u64,
    /// Index into [`Object::symbols`].
    pub symbol: usize,
    /// `R_BPF_*`.
    pub relocation_type: u32,
}

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'d> {
    /// Name; empty for section symbols.
    pub name: &'d str,
    /// Offset in bytes in its section. Not checked.
    pub value: u64,
    /// Size in bytes. Not checked.
    pub size: u64,
    /// `STT_*`.
    pub symbol_type: u8,
    /// `STB_*`.
    pub bind: u8,
    /// Whether other objects cannot see it (`STV_HIDDEN`, `STV_INTERNAL`).
    pub hidden: bool,
    /// Where it is defined.
    pub place: SymbolPlace,
}

/// Where a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolPlace {
    /// Not in this object.
    Undefined,
    /// In the section of this number; an index into [`Object::sections`].
    Section(usize),
    /// Not in a section (`SHN_ABS`, `SHN_COMMON` and other reserved numbers).
    Special,
}

/// Size limit of a file, in bytes.
pub const MAX_FILE: usize = 64 << 20;
/// Size limit of a name, in bytes. Names of many symbols may share their bytes in the file.
pub const MAX_NAME: usize = 4096;
/// Limit for symbols.
pub const MAX_SYMBOLS: usize = 1 << 16;

/// First bytes of files that are given by mistake, and what they are.
const MISTAKEN: [(&[u8], &str); 4] = [
    (b"BC\xc0\xde", "LLVM bitcode; compile without -flto"),
    (b"\xde\xc0\x17\x0b", "LLVM bitcode; compile without -flto"),
    (b"!<arch>\n", "an archive; give the objects that it holds, `ar x` extracts them"),
    (b"!<thin>\n", "a thin archive; give the objects that it names"),
];

/// Bytes of a symbol in the file.
const SYMBOL_SIZE: u64 = 24;
/// Bytes of a relocation without addend in the file.
const REL_SIZE: u64 = 16;

impl<'d> Object<'d> {
    /// The first section with this name.
    pub fn section(&self, name: &str) -> Option<(usize, &Section<'d>)> {
        self.sections.iter().enumerate().find(|(_, section)| section.name == name)
    }
}

/// Reads an object.
///
/// # Errors
///
/// If the bytes are not a little-endian 64-bit relocatable ELF file for BPF, are larger than
/// [`MAX_FILE`], or refer to something that does not exist.
pub fn read(bytes: &[u8]) -> Result<Object<'_>, ReadError> {
    if bytes.len() > MAX_FILE {
        let reason = format!("{} bytes are more than the {MAX_FILE} that are read", bytes.len());
        return Err(fail("the file", reason));
    }
    let header = header(bytes)?;
    let ctx = Ctx::new(Container::Big, Endian::Little);
    let offset = usize::try_from(header.e_shoff).unwrap_or(usize::MAX);
    let headers = SectionHeader::parse(bytes, offset, usize::from(header.e_shnum), ctx)
        .map_err(|error| fail("the section headers", error.to_string()))?;
    if headers.len() >= SHN_LORESERVE as usize {
        return Err(fail("the section headers", format!("{} are too many", headers.len())));
    }
    let names = strings(bytes, &headers, u32::from(header.e_shstrndx), "the section names")?;
    let mut sections = Vec::with_capacity(headers.len());
    for (number, header) in headers.iter().enumerate() {
        let place = || format!("section {number}");
        let empty = matches!(header.sh_type, SHT_NULL | SHT_NOBITS);
        sections.push(Section {
            name: string(names, header.sh_name as u64).map_err(|why| fail(place(), why))?,
            section_type: header.sh_type,
            flags: header.sh_flags,
            size: header.sh_size,
            data: if empty {
                &[]
            } else {
                contents(bytes, header).map_err(|why| fail(place(), why))?
            },
            relocations: Vec::new(),
        });
    }
    let symbols = symbols(bytes, &headers, ctx)?;
    relocations(bytes, &headers, ctx, symbols.len(), &mut sections)?;
    Ok(Object { sections, symbols })
}

fn fail(place: impl Into<String>, reason: impl Into<String>) -> ReadError {
    ReadError { place: place.into(), reason: reason.into() }
}

fn header(bytes: &[u8]) -> Result<Header, ReadError> {
    const EXPECTED: &str = "a 64-bit little-endian relocatable file for BPF is expected";
    let place = "the file header";
    if let Some((_, mistaken)) = MISTAKEN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(fail(place, format!("{mistaken}; {EXPECTED}")));
    }
    let header = bytes
        .get(..64)
        .ok_or_else(|| fail(place, format!("the file has {} bytes of its 64", bytes.len())))
        .and_then(|bytes| {
            goblin::elf::Elf::parse_header(bytes)
                .map_err(|error| fail(place, format!("{error}; {EXPECTED}")))
        })?;
    let class = (header.e_ident[4], header.e_ident[5]);
    if class != (ELFCLASS64, ELFDATA2LSB) {
        return Err(fail(place, format!("class and byte order are {class:?}; {EXPECTED}")));
    }
    if (header.e_type, header.e_machine) != (ET_REL, EM_BPF) {
        let hint = if header.e_machine == EM_BPF { "" } else { "; compile with --target=bpf" };
        let found = format!("type {} for machine {}{hint}", header.e_type, header.e_machine);
        return Err(fail(place, format!("{found}; {EXPECTED}")));
    }
    if header.e_shoff == 0 {
        return Err(fail(place, "there are no section headers"));
    }
    if header.e_shentsize != 64 {
        return Err(fail(
            place,
            format!("section headers of {} bytes; 64 are expected", header.e_shentsize),
        ));
    }
    Ok(header)
}

/// Range of a section's contents in the file.
fn range(bytes: &[u8], header: &SectionHeader) -> Result<Range<usize>, String> {
    let start = usize::try_from(header.sh_offset).ok();
    let size = usize::try_from(header.sh_size).ok();
    let end = start.zip(size).and_then(|(start, size)| start.checked_add(size));
    match (start, end) {
        (Some(start), Some(end)) if end <= bytes.len() => Ok(start..end),
        _ => Err(format!(
            "{} bytes at {:#x} lie outside of the file of {} bytes",
            header.sh_size,
            header.sh_offset,
            bytes.len()
        )),
    }
}

fn contents<'d>(bytes: &'d [u8], header: &SectionHeader) -> Result<&'d [u8], String> {
    Ok(&bytes[range(bytes, header)?])
}

fn strings<'d>(
    bytes: &'d [u8],
    headers: &[SectionHeader],
    number: u32,
    place: &str,
) -> Result<&'d [u8], ReadError> {
    let header = headers
        .get(number as usize)
        .ok_or_else(|| fail(place, format!("there is no section {number}")))?;
    contents(bytes, header).map_err(|why| fail(place, why))
}

/// The string at an offset of a string table.
fn string(table: &[u8], offset: u64) -> Result<&str, String> {
    let rest = usize::try_from(offset).ok().and_then(|offset| table.get(offset..));
    let rest = rest.ok_or_else(|| format!("its name at {offset:#x} is outside of the names"))?;
    let rest = &rest[..rest.len().min(MAX_NAME + 1)];
    let end = rest
        .iter()
        .position(|&byte| byte == 0)
        .ok_or_else(|| format!("its name at {offset:#x} does not end within {MAX_NAME} bytes"))?;
    std::str::from_utf8(&rest[..end]).map_err(|_| format!("its name at {offset:#x} is not UTF-8"))
}

fn symbols<'d>(
    bytes: &'d [u8],
    headers: &[SectionHeader],
    ctx: Ctx,
) -> Result<Vec<Symbol<'d>>, ReadError> {
    let place = "the symbol table";
    let mut tables = headers.iter().filter(|header| header.sh_type == SHT_SYMTAB);
    let (Some(header), None) = (tables.next(), tables.next()) else {
        return Err(fail(place, "there has to be exactly one"));
    };
    let range = range(bytes, header).map_err(|why| fail(place, why))?;
    let count = range.len() / SYMBOL_SIZE as usize;
    if header.sh_entsize != SYMBOL_SIZE || count > MAX_SYMBOLS {
        return Err(fail(
            place,
            format!(
                "{count} symbols of {} bytes; up to {MAX_SYMBOLS} of {SYMBOL_SIZE} are expected",
                header.sh_entsize
            ),
        ));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let names = strings(bytes, headers, header.sh_link, "the symbol names")?;
    let table = Symtab::parse(bytes, range.start, count, ctx)
        .map_err(|error| fail(place, error.to_string()))?;
    let mut symbols = Vec::with_capacity(count);
    for (number, symbol) in table.iter().enumerate() {
        let place = || format!("symbol {number}");
        let section = u32::try_from(symbol.st_shndx).unwrap_or(u32::MAX);
        symbols.push(Symbol {
            name: string(names, symbol.st_name as u64).map_err(|why| fail(place(), why))?,
            value: symbol.st_value,
            size: symbol.st_size,
            symbol_type: symbol.st_type(),
            bind: symbol.st_bind(),
            hidden: matches!(symbol.st_visibility(), STV_HIDDEN | STV_INTERNAL),
            place: match section {
                SHN_UNDEF => SymbolPlace::Undefined,
                SHN_ABS | SHN_COMMON | SHN_LORESERVE.. => SymbolPlace::Special,
                _ if (section as usize) < headers.len() => SymbolPlace::Section(section as usize),
                _ => return Err(fail(place(), format!("there is no section {section}"))),
            },
        });
    }
    Ok(symbols)
}

fn relocations(
    bytes: &[u8],
    headers: &[SectionHeader],
    ctx: Ctx,
    symbols: usize,
    sections: &mut [Section<'_>],
) -> Result<(), ReadError> {
    // Sections of well-formed files do not overlap, so together they are no longer than the file.
    let mut budget = bytes.len() as u64 / REL_SIZE;
    for (number, header) in headers.iter().enumerate() {
        let place = || format!("section {number}, relocations");
        if header.sh_type == SHT_RELA {
            return Err(fail(place(), "BPF has none with addends (SHT_RELA); SHT_REL is expected"));
        }
        if header.sh_type != SHT_REL {
            continue;
        }
        let range = range(bytes, header).map_err(|why| fail(place(), why))?;
        let target = sections
            .get_mut(header.sh_info as usize)
            .ok_or_else(|| fail(place(), format!("there is no section {}", header.sh_info)))?;
        let count = range.len() as u64 / REL_SIZE;
        budget = budget.checked_sub(count).ok_or_else(|| {
            fail(place(), "the relocations together are longer than the file; sections overlap")
        })?;
        let parsed = RelocSection::parse(bytes, range.start, range.len(), false, ctx)
            .map_err(|error| fail(place(), error.to_string()))?;
        for relocation in parsed.iter() {
            let size = target.data.len() as u64;
            if relocation.r_offset >= size {
                let offset = relocation.r_offset;
                return Err(fail(
                    place(),
                    format!("offset {offset:#x} is outside of `{}` ({size} bytes)", target.name),
                ));
            }
            if relocation.r_sym >= symbols {
                return Err(fail(place(), format!("there is no symbol {}", relocation.r_sym)));
            }
            target.relocations.push(SectionRelocation {
                offset: relocation.r_offset,
                symbol: relocation.r_sym,
                relocation_type: relocation.r_type,
            });
        }
    }
    for section in sections {
        section.relocations.sort_by_key(|relocation| relocation.offset);
    }
    Ok(())
}
