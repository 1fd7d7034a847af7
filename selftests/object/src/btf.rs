//! Writes BTF: the part of `Documentation/bpf/btf.rst` that functions and maps need.

/// `BTF_KIND_*` of `include/uapi/linux/btf.h`.
pub(crate) mod kind {
    pub(crate) const INT: u32 = 1;
    pub(crate) const PTR: u32 = 2;
    pub(crate) const ARRAY: u32 = 3;
    pub(crate) const STRUCT: u32 = 4;
    pub(crate) const UNION: u32 = 5;
    pub(crate) const ENUM: u32 = 6;
    pub(crate) const TYPEDEF: u32 = 8;
    pub(crate) const VOLATILE: u32 = 9;
    pub(crate) const CONST: u32 = 10;
    pub(crate) const RESTRICT: u32 = 11;
    pub(crate) const FUNC: u32 = 12;
    pub(crate) const FUNC_PROTO: u32 = 13;
    pub(crate) const VAR: u32 = 14;
    pub(crate) const DATASEC: u32 = 15;
    pub(crate) const FLOAT: u32 = 16;
    pub(crate) const DECL_TAG: u32 = 17;
    pub(crate) const TYPE_TAG: u32 = 18;
    pub(crate) const ENUM64: u32 = 19;
}

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
/// Size of the original header, which all kernels accept.
pub(crate) const HEADER: u32 = 24;
/// Size of a type without its kind-specific data.
pub(crate) const TYPE: usize = 12;
/// Longest name that the kernel accepts (`KSYM_NAME_LEN`, minus the final zero).
const MAX_NAME: usize = 511;

/// Linkage of a function (`enum btf_func_linkage`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Verified at each call.
    Static = 0,
    /// Verified separately, against its prototype only.
    Global = 1,
}

/// BTF under construction. Types get ids from 1 in the order in which they are added.
#[derive(Clone, Debug)]
pub struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    last: u32,
}

impl Default for Btf {
    fn default() -> Self {
        // The first string is empty.
        Self { types: Vec::new(), strings: vec![0], last: 0 }
    }
}

impl Btf {
    /// Continues existing BTF: `last` types, and strings, as in `.BTF`.
    pub(crate) fn over(types: Vec<u8>, strings: Vec<u8>, last: u32) -> Self {
        Self { types, strings, last }
    }

    /// Overwrites 32 bits of the types.
    pub(crate) fn patch(&mut self, at: usize, word: u32) {
        if let Some(place) = self.types.get_mut(at..at + 4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// Size of all strings, in bytes.
    pub(crate) fn strings_len(&self) -> usize {
        self.strings.len()
    }

    /// Adds a variable of linkage `BTF_VAR_GLOBAL_ALLOCATED`.
    pub(crate) fn variable(&mut self, name: &str, of: u32) -> u32 {
        let id = self.add(name, kind::VAR, 0, of);
        self.word(1);
        id
    }

    /// Adds an integer; returns its id.
    pub fn int(&mut self, name: &str, bytes: u32, signed: bool) -> u32 {
        let id = self.add(name, kind::INT, 0, bytes);
        self.word((u32::from(signed) << 24) | (bytes * 8));
        id
    }

    /// Adds a struct of `size` bytes; members are name, type and offset in bytes.
    pub fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        self.composite(kind::STRUCT, name, size, members)
    }

    /// Adds a union; see [`Btf::structure`].
    pub fn union(&mut self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        self.composite(kind::UNION, name, size, members)
    }

    fn composite(&mut self, kind: u32, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        let id = self.add(name, kind, members.len() as u32, size);
        for &(name, member, offset) in members {
            let name = self.string(name);
            self.word(name);
            self.word(member);
            self.word(offset.wrapping_mul(8));
        }
        id
    }

    /// Adds a pointer to a type.
    pub fn pointer(&mut self, to: u32) -> u32 {
        self.add("", kind::PTR, 0, to)
    }

    /// Adds an array of `elements` elements of a type, with an index type.
    pub fn array(&mut self, of: u32, index: u32, elements: u32) -> u32 {
        let id = self.add("", kind::ARRAY, 0, 0);
        for word in [of, index, elements] {
            self.word(word);
        }
        id
    }

    /// Adds a function prototype: result type, and names and types of the parameters.
    pub fn func_proto(&mut self, returns: u32, params: &[(&str, u32)]) -> u32 {
        let id = self.add("", kind::FUNC_PROTO, params.len() as u32, returns);
        for &(name, param) in params {
            let name = self.string(name);
            self.word(name);
            self.word(param);
        }
        id
    }

    /// Adds a function with a prototype.
    pub fn func(&mut self, name: &str, proto: u32, linkage: Linkage) -> u32 {
        self.add(name, kind::FUNC, linkage as u32, proto)
    }

    /// The BTF, for `BPF_BTF_LOAD`.
    pub fn finish(self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut out = Vec::with_capacity((HEADER + types + strings) as usize);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[VERSION, 0]);
        for word in [HEADER, 0, types, types, strings] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }

    /// `struct btf_type`; `last` is its size or the type it refers to.
    fn add(&mut self, name: &str, kind: u32, vlen: u32, last: u32) -> u32 {
        let name = self.string(name);
        self.word(name);
        self.word((kind << 24) | vlen);
        self.word(last);
        self.last += 1;
        self.last
    }

    fn word(&mut self, word: u32) {
        self.types.extend_from_slice(&word.to_le_bytes());
    }

    /// Adds a string, converted to a valid name; returns its offset.
    pub(crate) fn string(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend_from_slice(identifier(name).as_bytes());
        self.strings.push(0);
        offset
    }
}

/// A name that the kernel accepts (`btf_name_valid_identifier()` in `kernel/bpf/btf.c`): other
/// characters become `_`, longer names are truncated.
pub(crate) fn identifier(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for char in name.chars().take(MAX_NAME) {
        let fits = char.is_ascii_alphabetic() || matches!(char, '_' | '.');
        if char.is_ascii_digit() && out.is_empty() {
            out.push('_');
        }
        out.push(if fits || char.is_ascii_digit() { char } else { '_' });
    }
    out.truncate(MAX_NAME);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_format() {
        let mut btf = Btf::default();
        let int = btf.int("int", 4, true);
        let proto = btf.func_proto(int, &[("a", int)]);
        let func = btf.func("f", proto, Linkage::Global);
        assert_eq!((int, proto, func), (1, 2, 3));
        let words: [u32; 18] = [
            // Header; offsets are relative to its end.
            0x0001_eb9f,
            24,
            0,
            48,
            48,
            9,
            // INT, signed, 32 bits.
            1,
            1 << 24,
            4,
            (1 << 24) | 32,
            // FUNC_PROTO of a parameter, returns type 1.
            0,
            (13 << 24) | 1,
            1,
            5,
            1,
            // FUNC, global.
            7,
            (12 << 24) | 1,
            2,
        ];
        let mut expected: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        expected.extend_from_slice(b"\0int\0a\0f\0");
        assert_eq!(btf.finish(), expected);
    }

    #[test]
    fn names_become_what_the_kernel_takes() {
        assert_eq!(identifier("_R.ok7"), "_R.ok7");
        assert_eq!(identifier("a::b<$u8>\u{e9}"), "a__b__u8__");
        assert_eq!(identifier("7up"), "_7up");
        assert_eq!(identifier(&"x".repeat(9000)).len(), MAX_NAME);
    }
}
