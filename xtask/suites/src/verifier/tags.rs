//! Reads the declaration tags of functions out of an object's BTF
//! (`Documentation/bpf/btf.rst`).
//!
//! The bytes may be hostile: every offset is checked, and nothing is followed twice.

use std::collections::BTreeMap;

use bpf_object::Object;

/// Name of the section.
const SECTION: &str = ".BTF";
const MAGIC: u16 = 0xeb9f;
/// Bytes of `struct btf_header` up to the last field that is read.
const HEADER: usize = 24;
/// Bytes of `struct btf_type`.
const TYPE: usize = 12;
/// `component_idx` of a tag that applies to the whole declaration.
const WHOLE: u32 = u32::MAX;

const KIND_FUNC: u32 = 12;
const KIND_DECL_TAG: u32 = 17;

/// The tags of each function, in the order in which the source has them.
pub type Tags = BTreeMap<String, Vec<String>>;

/// The tags of all functions that have a type; none where the object has no BTF.
///
/// A tag of the tests is `comment:NUMBER:TEXT`, where the number counts up through the source, since
/// compilers keep no order. What is given is the text, ordered by the number; other tags are left out.
///
/// # Errors
///
/// What is wrong with the BTF.
pub fn tags(object: &Object<'_>) -> Result<Tags, String> {
    match object.section(SECTION) {
        Some((_, section)) => {
            read(section.data).map_err(|error| format!("cannot read the object's BTF: {error}"))
        }
        None => Ok(Tags::new()),
    }
}

fn read(btf: &[u8]) -> Result<Tags, String> {
    let header = btf.get(..HEADER).ok_or("it is shorter than its header")?;
    if u16::from_le_bytes([header[0], header[1]]) != MAGIC {
        return Err("it does not begin with 0xeb9f in little endian".to_owned());
    }
    let field = |at: usize| word(header, at).unwrap_or_default() as usize;
    let start = field(4);
    let part = |offset: usize, len: usize, what: &str| {
        let from = start.checked_add(offset);
        let to = from.and_then(|from| from.checked_add(len));
        from.zip(to)
            .and_then(|(from, to)| btf.get(from..to))
            .ok_or_else(|| format!("its {what} reach out of the section"))
    };
    let types = part(field(8), field(12), "types")?;
    let strings = part(field(16), field(20), "strings")?;

    let mut functions: BTreeMap<u32, String> = BTreeMap::new();
    let mut found: Vec<(u32, u64, String)> = Vec::new();
    let mut at = 0;
    let mut id = 0u32;
    while at < types.len() {
        id += 1;
        let cut = || format!("type {id} is cut off");
        let entry = types.get(at..at + TYPE).ok_or_else(cut)?;
        let info = word(entry, 4).unwrap_or_default();
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        let rest = at + TYPE;
        at = rest + trailing(kind, count).ok_or_else(|| format!("type {id} has kind {kind}"))?;
        let name = || string(strings, word(entry, 0).unwrap_or_default());
        match kind {
            KIND_FUNC => {
                functions.insert(id, name()?);
            }
            KIND_DECL_TAG if word(types, rest).ok_or_else(cut)? == WHOLE => {
                if let Some((number, text)) = numbered(&name()?) {
                    found.push((word(entry, 8).unwrap_or_default(), number, text.to_owned()));
                }
            }
            _ => {}
        }
    }
    let mut tags: Tags = functions.values().map(|name| (name.clone(), Vec::new())).collect();
    found.sort_by_key(|(function, number, _)| (*function, *number));
    for (function, _, text) in found {
        if let Some(of) = functions.get(&function).and_then(|name| tags.get_mut(name)) {
            of.push(text);
        }
    }
    Ok(tags)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn string(strings: &[u8], offset: u32) -> Result<String, String> {
    let bytes = strings.get(offset as usize..).ok_or("a name lies outside of its strings")?;
    let end = bytes.iter().position(|&byte| byte == 0).ok_or("its strings have no end")?;
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// Bytes that follow a `struct btf_type` of a kind (`btf_type_size()` of `tools/lib/bpf/btf.c`).
fn trailing(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        // Pointers, forward declarations, typedefs, modifiers, functions, floats, type tags.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, declaration tags.
        1 | 14 | KIND_DECL_TAG => 4,
        // An array.
        3 => 12,
        // Enumerations and parameters.
        6 | 13 => 8 * count,
        // Members, variables of sections, 64-bit enumerations.
        4 | 5 | 15 | 19 => 12 * count,
        _ => return None,
    })
}

/// Number and text of `comment:NUMBER:TEXT`.
fn numbered(tag: &str) -> Option<(u64, &str)> {
    let (number, text) = tag.strip_prefix("comment:")?.split_once(':')?;
    Some((number.parse().ok()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BTF of a function `f` and its tags, each with its `component_idx`.
    fn btf(tags: &[(&str, u32)]) -> Vec<u8> {
        let mut strings = b"\0f\0".to_vec();
        let mut types = Vec::new();
        // `FUNC_PROTO` without parameters, and the function.
        for words in [[0, 13 << 24, 0], [1, 12 << 24, 1]] {
            types.extend(words.iter().flat_map(|word: &u32| word.to_le_bytes()));
        }
        for (tag, component) in tags {
            let name = strings.len() as u32;
            strings.extend(tag.bytes().chain([0]));
            let words = [name, 17 << 24, 2, *component];
            types.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        let mut btf = vec![0x9f, 0xeb, 1, 0];
        let (types_len, strings_len) = (types.len() as u32, strings.len() as u32);
        for word in [24, 0, types_len, types_len, strings_len] {
            btf.extend(word.to_le_bytes());
        }
        [btf, types, strings].concat()
    }

    #[test]
    fn tags_are_ordered_by_their_number_and_others_left_out() {
        let tags = read(&btf(&[
            ("comment:10:test_expect_msg=b", WHOLE),
            ("comment:9:test_expect_msg=a", WHOLE),
            ("comment:1:of an argument", 0),
            ("bpf_fastcall", WHOLE),
            ("comment:x:y", WHOLE),
        ]));
        let tags = tags.unwrap();
        assert_eq!(tags["f"], ["test_expect_msg=a", "test_expect_msg=b"]);
        assert_eq!(tags.len(), 1);
    }

    #[test]
    fn bad_btf_is_an_error_wherever_it_is_cut() {
        let whole = btf(&[("comment:1:test_expect_success", WHOLE)]);
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_err(), "{len}");
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0xff] {
                let mut bad = whole.clone();
                bad[at] = byte;
                let _ = read(&bad);
            }
        }
    }
}
