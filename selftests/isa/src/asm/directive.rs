//! Parses directives: `.prog`, `.func`, `.global`, `.jumptable`, `.data`, `.map`.

use super::cursor::register;
use super::data::{self, NamedData};
use super::error::Problem;
use super::lex::{continues_name, starts_name};
use crate::map_type::map_type_by_name;
use crate::unit::MapDef;

/// A directive.
#[derive(Debug)]
pub(super) enum Directive<'s> {
    /// Start of a function.
    Function { name: &'s str, section: &'s str, global: bool },
    /// A jump table, with its targets still as text.
    JumpTable { name: &'s str, targets: &'s str },
    /// A map.
    Map(NamedMap<'s>),
    /// A data object.
    Data(NamedData<'s>),
}

/// A map with its name in the source.
#[derive(Debug)]
pub(super) struct NamedMap<'s> {
    pub(super) name: &'s str,
    pub(super) def: MapDef,
}

/// Parses the line if it starts with a directive.
pub(super) fn parse(code: &str) -> Result<Option<Directive<'_>>, Problem> {
    if !code.starts_with('.') {
        return Ok(None);
    }
    let (word, rest) = code.split_once(char::is_whitespace).unwrap_or((code, ""));
    let rest = rest.trim();
    Ok(Some(match word {
        ".prog" => program(rest)?,
        ".func" => Directive::Function { name: only_name(rest)?, section: TEXT, global: false },
        ".global" => Directive::Function { name: only_name(rest)?, section: TEXT, global: true },
        ".jumptable" => jump_table(rest)?,
        ".map" => Directive::Map(map(rest)?),
        ".data" => Directive::Data(data::parse(rest)?),
        _ => return Ok(None),
    }))
}

const TEXT: &str = ".text";

/// Checks that a word is a valid symbol name.
pub(super) fn name(word: &str) -> Result<&str, Problem> {
    let fits = word.bytes().next().is_some_and(starts_name) && word.bytes().all(continues_name);
    if fits && register(word).is_none() {
        return Ok(word);
    }
    Err(Problem::new(
        format!("`{word}` cannot be a name"),
        "letters, digits, `_`, `.` and `$`, no digit in front, and no register's name",
    ))
}

fn only_name(rest: &str) -> Result<&str, Problem> {
    name(rest)
}

fn program(rest: &str) -> Result<Directive<'_>, Problem> {
    let mut words = rest.split_whitespace();
    let (Some(word), Some(section), None) = (words.next(), words.next(), words.next()) else {
        return Err(Problem::new(
            "a program has a name and a section",
            "`.prog NAME SECTION`, such as `.prog main syscall`",
        ));
    };
    if section == TEXT {
        return Err(Problem::new(
            "`.text` holds subprograms, not programs",
            "a section that gives the type, such as `syscall`; `.func` or `.global` for subprograms",
        ));
    }
    Ok(Directive::Function { name: name(word)?, section, global: true })
}

fn jump_table(rest: &str) -> Result<Directive<'_>, Problem> {
    let (word, targets) = rest.split_once(':').ok_or_else(|| {
        Problem::new("the `:` behind the table's name is missing", "`.jumptable NAME: a, b, 7`")
    })?;
    Ok(Directive::JumpTable { name: name(word.trim())?, targets: targets.trim() })
}

fn map(rest: &str) -> Result<NamedMap<'_>, Problem> {
    const ACCEPTED: &str = "`.map NAME TYPE key=4 value=8 entries=1 flags=0 lock=4`, where `flags` and `lock` may be \
         missing; `: first, -, third` behind it for the programs of a prog array";
    let (rest, programs) = match rest.split_once(':') {
        Some((rest, programs)) => (rest, Some(programs)),
        None => (rest, None),
    };
    let mut words = rest.split_whitespace();
    let (Some(word), Some(map_type)) = (words.next(), words.next()) else {
        return Err(Problem::new("a map has a name and a type", ACCEPTED));
    };
    let name = name(word)?;
    let map_type = match map_type_by_name(map_type) {
        Some(map_type) => map_type,
        None => number(map_type).ok_or_else(|| {
            Problem::new(
                format!("there is no map type `{map_type}`"),
                "the kernel's name in lower case (`array`, `hash`, `insn_array`, …) or a number",
            )
        })?,
    };
    let (mut key_size, mut value_size, mut max_entries) = (None, None, None);
    let (mut flags, mut spin_lock) = (None, None);
    for word in words {
        let (field, value) = word
            .split_once('=')
            .ok_or_else(|| Problem::new(format!("`{word}` is not a field"), ACCEPTED))?;
        let place = match field {
            "key" => &mut key_size,
            "value" => &mut value_size,
            "entries" => &mut max_entries,
            "flags" => &mut flags,
            "lock" => &mut spin_lock,
            _ => return Err(Problem::new(format!("a map has no field `{field}`"), ACCEPTED)),
        };
        let value = number(value).ok_or_else(|| {
            Problem::new(format!("`{value}` is not a number of 32 bits"), ACCEPTED)
        })?;
        if place.replace(value).is_some() {
            return Err(Problem::new(format!("`{field}` is given twice"), ACCEPTED));
        }
    }
    let required = |field: &str, value: Option<u32>| {
        value.ok_or_else(|| Problem::new(format!("the map's `{field}` is missing"), ACCEPTED))
    };
    let def = MapDef {
        name: name.to_owned(),
        map_type,
        key_size: required("key", key_size)?,
        value_size: required("value", value_size)?,
        max_entries: required("entries", max_entries)?,
        flags: flags.unwrap_or(0),
        spin_lock,
        programs: match programs {
            Some(list) => {
                list.split(',').map(|word| entry(word.trim())).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        },
    };
    Ok(NamedMap { name, def })
}

/// An entry of a prog array: the name of a program, or `-` for none.
fn entry(word: &str) -> Result<Option<String>, Problem> {
    match word {
        "-" => Ok(None),
        word => Ok(Some(name(word)?.to_owned())),
    }
}

/// An unsigned 32-bit number.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) if !hex.starts_with('+') => u32::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// A number in a table or in data: 64 bits, in two's complement if negative.
pub(super) fn target(text: &str) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { number.wrapping_neg() } else { number })
}
