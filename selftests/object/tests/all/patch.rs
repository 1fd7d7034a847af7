//! Modifies single fields of an object, for tests of objects that the writer does not produce.

use bpf_object::read;

/// Overwrites bytes of a section's contents.
pub(crate) fn section(elf: &mut [u8], name: &str, at: usize, bytes: &[u8]) {
    let start = {
        let object = read(elf).unwrap();
        let (_, section) = object.section(name).unwrap();
        section.data.as_ptr() as usize - elf.as_ptr() as usize
    };
    elf[start + at..start + at + bytes.len()].copy_from_slice(bytes);
}

/// Overwrites bytes of the entry of a named symbol in the symbol table.
pub(crate) fn symbol(elf: &mut [u8], name: &str, at: usize, bytes: &[u8]) {
    let number = {
        let object = read(elf).unwrap();
        object.symbols.iter().position(|symbol| symbol.name == name).unwrap()
    };
    section(elf, ".symtab", number * 24 + at, bytes);
}

/// Overwrites bytes of a section's header.
pub(crate) fn header(elf: &mut [u8], name: &str, at: usize, bytes: &[u8]) {
    let number = {
        let object = read(elf).unwrap();
        object.section(name).unwrap().0
    };
    let table = u64::from_le_bytes(*elf[40..].first_chunk().unwrap()) as usize;
    let start = table + number * 64 + at;
    elf[start..start + bytes.len()].copy_from_slice(bytes);
}
