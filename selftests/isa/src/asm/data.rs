//! Parses a data object: `.data NAME SECTION: u32 7, 1000, f`.

use super::directive::{name, target};
use super::error::Problem;
use crate::unit::{DataObject, DataPointer};

const ACCEPTED: &str = "`.data NAME SECTION: 1000, f, u32 7`, or `.data NAME SECTION global: …`; \
     with `u8 N`, `u16 N`, `u32 N`, `u64 N` or `N`, `zero BYTES`, `FUNCTION`, `symbol FUNCTION`";

/// Size limit of an object, in bytes: the largest value of an array map.
const MAX_BYTES: usize = 1 << 24;
/// Bytes of a pointer.
const POINTER: usize = 8;

/// An object with its name in the source.
#[derive(Debug)]
pub(super) struct NamedData<'s> {
    pub(super) name: &'s str,
    pub(super) object: DataObject,
}

/// Parses the text after `.data`.
pub(super) fn parse(rest: &str) -> Result<NamedData<'_>, Problem> {
    let (head, items) = rest
        .split_once(':')
        .ok_or_else(|| Problem::new("the `:` in front of the data is missing", ACCEPTED))?;
    let mut words = head.split_whitespace();
    let (Some(word), Some(section)) = (words.next(), words.next()) else {
        return Err(Problem::new("data has a name and a section", ACCEPTED));
    };
    let global = match (words.next(), words.next()) {
        (None, _) => false,
        (Some("global"), None) => true,
        (Some("global"), Some(word)) | (Some(word), _) => {
            return Err(Problem::new(format!("`{word}` is unexpected"), ACCEPTED));
        }
    };
    if !section.starts_with(".rodata") && !section.starts_with(".data") {
        return Err(Problem::new(
            format!("`{section}` is no section for data"),
            "`.rodata`, `.data.rel.ro`, `.data`, each with or without more behind it",
        ));
    }
    let mut object = DataObject {
        name: name(word)?.to_owned(),
        section: section.to_owned(),
        global,
        bytes: Vec::new(),
        pointers: Vec::new(),
    };
    if !items.trim().is_empty() {
        for text in items.split(',') {
            item(text.trim(), &mut object)?;
        }
    }
    Ok(NamedData { name: word, object })
}

fn item(text: &str, object: &mut DataObject) -> Result<(), Problem> {
    let mut words = text.split_whitespace();
    let (first, second) = match (words.next(), words.next(), words.next()) {
        (Some(first), second, None) => (first, second),
        _ => return Err(Problem::new(format!("`{text}` is no data"), ACCEPTED)),
    };
    let size = match (first, second) {
        ("u8", Some(_)) => 1,
        ("u16", Some(_)) => 2,
        ("u32", Some(_)) => 4,
        ("u64", Some(_)) => 8,
        ("zero", Some(count)) => return zeros(count, object),
        ("symbol", Some(function)) => return pointer(function, true, object),
        (_, Some(_)) => return Err(Problem::new(format!("`{text}` is no data"), ACCEPTED)),
        (word, None) if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            return number(word, 8, object);
        }
        (function, None) => return pointer(function, false, object),
    };
    number(second.unwrap_or_default(), size, object)
}

/// Appends a number of `size` bytes, little endian; signed or unsigned.
fn number(text: &str, size: usize, object: &mut DataObject) -> Result<(), Problem> {
    let value = target(text)
        .ok_or_else(|| Problem::new(format!("`{text}` is not a number of 64 bits"), ACCEPTED))?;
    let bits = 8 * size as u32;
    let fits = match text.strip_prefix('-') {
        None => bits == 64 || value >> bits == 0,
        // Two's complement: all bits from the sign bit up are ones.
        Some(_) => value == 0 || (value as i64) >> (bits - 1) == -1,
    };
    if !fits {
        return Err(Problem::new(
            format!("{text} does not fit {size} bytes"),
            format!("numbers of {bits} bits, with or without sign"),
        ));
    }
    object.bytes.extend_from_slice(&value.to_le_bytes()[..size]);
    Ok(())
}

fn zeros(count: &str, object: &mut DataObject) -> Result<(), Problem> {
    let count = target(count)
        .and_then(|count| usize::try_from(count).ok())
        .and_then(|count| object.bytes.len().checked_add(count))
        .filter(|&end| end <= MAX_BYTES)
        .ok_or_else(|| {
            Problem::new(
                format!("`{count}` is not a number of bytes"),
                format!("so many that the object has no more than {MAX_BYTES}"),
            )
        })?;
    object.bytes.resize(count, 0);
    Ok(())
}

fn pointer(function: &str, own_symbol: bool, object: &mut DataObject) -> Result<(), Problem> {
    let offset = object.bytes.len();
    object.pointers.push(DataPointer { offset, function: name(function)?.to_owned(), own_symbol });
    object.bytes.resize(offset + POINTER, 0);
    Ok(())
}
