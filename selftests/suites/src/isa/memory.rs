//! Loads and stores: every size, sign and byte of a word, every pairing of address and value, and
//! offsets on either side of what x86 encodes in 8 bits.
//!
//! What the x86-64 JIT encodes differently: a displacement of 8 or 32 bits (`emit_insn_suffix`; r13
//! (r7) and rbp (r10) have no form without one), REX for byte registers (`emit_stx`, sil and dil are
//! r2 and r1), an operand-size prefix for 16 bits, sign extension (`emit_ldsx`), and stores of 1, 2
//! or 4 bytes of an immediate.

use std::sync::Arc;

use super::frame::{FAR, Held, NEAR, Point, REGISTERS, fill, refill};
use super::sheet::{Sheet, data};
use super::values::EDGES;
use crate::Case;
use crate::case::Words;

/// Type of an access.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) text: &'static str,
    bytes: usize,
    signed: bool,
}

const fn access(text: &'static str, bytes: usize, signed: bool) -> Access {
    Access { text, bytes, signed }
}

pub(super) const STORED: [Access; 4] = [
    access("u8", 1, false),
    access("u16", 2, false),
    access("u32", 4, false),
    access("u64", 8, false),
];
pub(super) const LOADED: [Access; 7] = [
    STORED[0],
    STORED[1],
    STORED[2],
    STORED[3],
    access("s8", 1, true),
    access("s16", 2, true),
    access("s32", 4, true),
];

impl Access {
    /// The value read from little-endian memory.
    pub(super) fn load(self, memory: &[u8]) -> u64 {
        let mut word = [0; 8];
        word[..self.bytes].copy_from_slice(&memory[..self.bytes]);
        let value = u64::from_le_bytes(word);
        let above = 64 - 8 * self.bytes as u32;
        if self.signed { ((value << above) as i64 >> above) as u64 } else { value }
    }

    /// Writes a value to the start of the memory.
    pub(super) fn store(self, memory: &mut [u8], value: u64) {
        memory[..self.bytes].copy_from_slice(&value.to_le_bytes()[..self.bytes]);
    }
}

/// Memory for points that write: a stretch for each, and its expected contents afterwards.
#[derive(Debug)]
pub(super) struct Region {
    /// Words per stretch.
    stretch: usize,
    /// Words in it before the address in the point's register.
    before: usize,
    /// Initial contents.
    pub(super) words: Vec<u64>,
    /// Changed words by index; all others must stay.
    pub(super) stored: Vec<(usize, u64)>,
}

impl Region {
    pub(super) fn new(points: usize, stretch: usize, before: usize) -> Self {
        let words = (0..points * stretch).map(|index| pattern(index as u64)).collect();
        Self { stretch, before, words, stored: Vec::new() }
    }

    /// Offset of the address in the point's register, in bytes.
    fn origin(&self, point: usize) -> usize {
        8 * (point * self.stretch + self.before)
    }

    /// Index of the word at this offset from the point's register.
    pub(super) fn word(&self, point: usize, off: i32) -> usize {
        (self.origin(point) as i64 + i64::from(off)) as usize / 8
    }

    /// Sets an initial word.
    pub(super) fn fill(&mut self, word: usize, value: u64) {
        self.words[word] = value;
    }

    /// The result of a load at this offset from the point's register.
    fn load(&self, point: usize, off: i32, access: Access) -> u64 {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        access.load(&bytes[(self.origin(point) as i64 + i64::from(off)) as usize..])
    }

    /// Records a store to the start of a word that nothing else writes.
    fn store(&mut self, point: usize, off: i32, access: Access, value: u64) {
        let word = self.word(point, off);
        let mut bytes = self.words[word].to_le_bytes();
        access.store(&mut bytes, value);
        self.stored.push((word, u64::from_le_bytes(bytes)));
    }

    /// Adds the region and its expected contents to the sheet.
    pub(super) fn finish(self, mut sheet: Sheet) -> Case {
        sheet.behind(data("mem", ".data.mem", self.words.iter().copied()));
        let mut words = self.words;
        self.stored.into_iter().for_each(|(at, value)| words[at] = value);
        let columns = (0..self.stretch)
            .map(|word| format!("{:+}", 8 * (word as i64 - self.before as i64)))
            .collect();
        let rows = (0..words.len() / self.stretch).map(|point| format!("point {point}")).collect();
        let table = Words { columns, rows, words };
        sheet.finish().holds(".data.mem", Arc::new(table)).into()
    }
}

/// The address in a point's register, in the notation before `ll`.
pub(super) fn address(region: &Region, point: usize) -> String {
    format!("mem + {}", region.origin(point))
}

/// Words whose neighbouring bytes differ and in which both signs occur (the finaliser of
/// SplitMix64).
fn pattern(index: u64) -> u64 {
    let mut word = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// Values, then registers.
pub(super) fn cases() -> Vec<Case> {
    vec![
        loaded_values().into(),
        stored_values().into(),
        stored_immediates(),
        load_pairing(),
        store_pairing(),
        stack_pairing(),
    ]
}

/// Every byte of a word, with edge values around it.
fn loaded_values() -> Sheet {
    let mut sheet = Sheet::new("load_values", "every size and sign at every byte of edge values");
    sheet.code("r5 = word ll\nr1 = *(u64 *)(r6 +8)\n*(u64 *)(r5 +0) = r1\n*(u64 *)(r5 +8) = r1");
    let forms: Vec<(Access, usize)> =
        LOADED.iter().flat_map(|access| (0..8).map(|off| (*access, off))).collect();
    for (access, off) in &forms {
        let text = format!("r1 = *({} *)(r5 +{off})", access.text);
        sheet.code(&text);
        sheet.store(1);
        sheet.column(text);
    }
    sheet.behind(".data word .data.word: 0, 0");
    for value in EDGES {
        let bytes = [value.to_le_bytes(), value.to_le_bytes()].concat();
        sheet.run(&[value]);
        let loaded = forms.iter().map(|(access, off)| access.load(&bytes[*off..]));
        sheet.row(format!("{value:#x}"), loaded);
    }
    sheet
}

/// Every byte of a word is written with each size, by plain and by releasing stores.
fn stored_values() -> Sheet {
    let mut sheet = Sheet::new("store_values", "every size at every byte, with edge values");
    let around = 0x5a5a_5a5a_5a5a_5a5a_u64;
    sheet.code(format!("r5 = word ll\nr2 = *(u64 *)(r6 +8)\nr3 = {around:#x} ll"));
    let mut forms = Vec::new();
    for access in STORED {
        for off in 0..=8 {
            let plain = format!("*({} *)(r5 +{off}) = r2", access.text);
            let release = format!("store_release(({} *)(r5 +{off}), r2)", access.text);
            let aligned = off % access.bytes == 0;
            for text in [Some(plain), aligned.then_some(release)].into_iter().flatten() {
                sheet.code("*(u64 *)(r5 +0) = r3\n*(u64 *)(r5 +8) = r3");
                sheet.code(&text);
                for half in [0, 8] {
                    sheet.code(format!("r1 = *(u64 *)(r5 +{half})"));
                    sheet.store(1);
                    sheet.column(format!("word {half} after {text}"));
                }
                forms.push((access, off));
            }
        }
    }
    sheet.behind(".data word .data.word: 0, 0");
    for value in EDGES {
        sheet.run(&[value]);
        let words = forms.iter().flat_map(|(access, off)| {
            let mut bytes = [around.to_le_bytes(), around.to_le_bytes()].concat();
            access.store(&mut bytes[*off..], value);
            [STORED[3].load(&bytes), STORED[3].load(&bytes[8..])]
        });
        sheet.row(format!("{value:#x}"), words);
    }
    sheet
}

/// Immediates of every size through every register, each to its own word.
fn stored_immediates() -> Case {
    const STORED_IMMEDIATES: [i32; 6] = [0, 5, -1, 200, 0x1234_5678, i32::MIN];
    let forms: Vec<(Access, i32)> =
        STORED.iter().flat_map(|access| STORED_IMMEDIATES.map(|imm| (*access, imm))).collect();
    let offset = |form: usize| 16 * form as i32 - 192;
    let mut region = Region::new(REGISTERS, 2 * forms.len(), 24);
    let mut points = Vec::new();
    for base in 0..REGISTERS {
        let mut code = Vec::new();
        for (form, (access, imm)) in forms.iter().enumerate() {
            code.push(format!("*({} *)(r{base} {:+}) = {imm}", access.text, offset(form)));
            region.store(base, offset(form), *access, i64::from(*imm) as u64);
        }
        points.push(at(
            base,
            Point::binary(base, base, code.join("\n"), Box::new(|_| {})),
            address(&region, base),
        ));
    }
    let about = "every size, every register as address, immediates and offsets of each form";
    let mut sheet = Sheet::new("pairing_store_immediate", about);
    fill(&mut sheet, &[], points, &[(1, 1)]);
    region.finish(sheet)
}

/// The point with an address in this register.
fn at(base: usize, mut point: Point, address: String) -> Point {
    point.held[base] = Held::Address(address);
    point
}

/// Every register from every address, including the same register.
fn load_pairing() -> Case {
    let mut forms: Vec<(String, Access, i32)> = Vec::new();
    for off in [3, -130] {
        forms.extend(
            LOADED.map(|access| (format!("*({} *)(rB {off:+})", access.text), access, off)),
        );
    }
    for off in [8, -136] {
        let text = |access: Access| format!("load_acquire(({} *)(rB {off:+}))", access.text);
        forms.extend(STORED.map(|access| (text(access), access, off)));
    }
    let columns: Vec<String> = forms.iter().map(|(text, ..)| text.clone()).collect();
    let pairs = (0..REGISTERS).flat_map(|dst| (0..REGISTERS).map(move |base| (dst, base)));
    let region = Region::new(REGISTERS * REGISTERS, 24, 20);
    let mut points = Vec::new();
    for (number, (dst, base)) in pairs.enumerate() {
        let mut code = Vec::new();
        let mut loaded = Vec::new();
        for (column, (text, access, off)) in forms.iter().enumerate() {
            let text = text.replace("rB", &format!("r{base}"));
            code.extend([format!("r{dst} = {text}"), format!("@{column} = r{dst}")]);
            code.push(match dst == base {
                true => format!("r{base} = {} ll", address(&region, number)),
                false => refill(dst, 0),
            });
            loaded.push(region.load(number, *off, *access));
        }
        let effect = move |row: &mut [u64]| row[REGISTERS..].copy_from_slice(&loaded);
        let mut point = Point::binary(dst, dst, code.join("\n"), Box::new(effect));
        point.label = format!("r{dst} from r{base}");
        points.push(at(base, point, address(&region, number)));
    }
    let about = "every size and sign, every pair of register and address, and load_acquire";
    let mut sheet = Sheet::new("pairing_load", about);
    fill(&mut sheet, &columns, points, &[(1, 1)]);
    region.finish(sheet)
}

/// Every register to every other address, each size to three words: with a short offset, with a
/// long one, and a releasing store with a long one.
fn store_pairing() -> Case {
    let value = 0xfedc_ba98_7654_3210;
    let pairs = (0..REGISTERS)
        .flat_map(|base| (0..REGISTERS).map(move |src| (base, src)))
        .filter(|(base, src)| base != src);
    let mut region = Region::new(pairs.clone().count(), 50, 24);
    let mut points = Vec::new();
    for (number, (base, src)) in pairs.enumerate() {
        let mut code = Vec::new();
        for (size, access) in STORED.into_iter().enumerate() {
            let near = 16 * size as i32;
            for off in [near, 136 + near] {
                code.push(format!("*({} *)(r{base} {off:+}) = r{src}", access.text));
                region.store(number, off, access, value);
            }
            let off = -136 - near;
            code.push(format!("store_release(({} *)(r{base} {off:+}), r{src})", access.text));
            region.store(number, off, access, value);
        }
        let mut point = Point::binary(src, src, code.join("\n"), Box::new(|_| {}));
        point.label = format!("r{src} to r{base}");
        points.push(at(base, point, address(&region, number)));
    }
    let about = "every size, every pair of address and register, and store_release";
    let mut sheet = Sheet::new("pairing_store", about);
    fill(&mut sheet, &[], points, &[(value, value)]);
    region.finish(sheet)
}

/// Every register from and to the stack, at r10.
fn stack_pairing() -> Case {
    let value = 0xfedc_ba98_7654_3210_u64;
    let mut columns: Vec<String> =
        LOADED.iter().map(|access| format!("load of {}", access.text)).collect();
    for off in [NEAR, FAR] {
        columns.extend(STORED.map(|access| format!("store of {} at {off:+}", access.text)));
    }
    let mut points = Vec::new();
    for reg in 0..REGISTERS {
        let mut code = Vec::new();
        let mut results = Vec::new();
        for access in LOADED {
            code.push(refill(reg, 0).replace("u64", access.text));
            code.push(format!("@{} = r{reg}", results.len()));
            results.push(access.load(&value.to_le_bytes()));
        }
        for off in [NEAR, FAR] {
            for access in STORED {
                code.extend([refill(reg, 0), format!("*(u64 *)(r10 {off:+}) = 0")]);
                code.push(format!("*({} *)(r10 {off:+}) = r{reg}", access.text));
                code.push(format!("r{reg} = *(u64 *)(r10 {off:+})"));
                code.push(format!("@{} = r{reg}", results.len()));
                results.push(access.load(&value.to_le_bytes()));
            }
        }
        code.push(refill(reg, 0));
        let effect = move |row: &mut [u64]| row[REGISTERS..].copy_from_slice(&results);
        points.push(Point::binary(reg, reg, code.join("\n"), Box::new(effect)));
    }
    let about = "every register from and to the stack, every size";
    let mut sheet = Sheet::new("pairing_stack", about);
    fill(&mut sheet, &columns, points, &[(value, value)]);
    sheet.into()
}
