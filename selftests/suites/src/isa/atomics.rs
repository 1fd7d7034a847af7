//! Atomic read-modify-write of 32 and 64 bits: every operation with every pair of edge values, and
//! with every pairing of address and operand.
//!
//! `emit_atomic_rmw` of the x86-64 JIT emits one instruction for each, except for fetching and, or,
//! xor, which are a loop around CMPXCHG: it needs rax (r0), which it saves in r10 (`BPF_REG_AX`),
//! and with it an address or operand in r0. 32-bit CMPXCHG leaves the upper half of rax unchanged
//! if the comparison succeeds; the verifier clears it (`opt_subreg_zext_lo32_rnd_hi32`).

use super::frame::{Held, Point, REGISTERS, fill, refill};
use super::memory::{Region, address};
use super::operations::Width;
use super::sheet::{Sheet, data};
use super::values::EDGES;
use crate::Case;

/// A read-modify-write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rmw {
    /// The operator of the form without fetching, the function name of the fetching form.
    sign: &'static str,
    pub(super) kind: Kind,
    /// The stored value, from the old value and the operand.
    eval: fn(u64, u64) -> u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Fetch,
    /// Compares with r0, which receives the old value.
    Compare,
}

const OPERATIONS: [Rmw; 10] = [
    Rmw { sign: "+=", kind: Kind::Plain, eval: u64::wrapping_add },
    Rmw { sign: "|=", kind: Kind::Plain, eval: |a, b| a | b },
    Rmw { sign: "&=", kind: Kind::Plain, eval: |a, b| a & b },
    Rmw { sign: "^=", kind: Kind::Plain, eval: |a, b| a ^ b },
    Rmw { sign: "fetch_add", kind: Kind::Fetch, eval: u64::wrapping_add },
    Rmw { sign: "fetch_or", kind: Kind::Fetch, eval: |a, b| a | b },
    Rmw { sign: "fetch_and", kind: Kind::Fetch, eval: |a, b| a & b },
    Rmw { sign: "fetch_xor", kind: Kind::Fetch, eval: |a, b| a ^ b },
    Rmw { sign: "xchg", kind: Kind::Fetch, eval: |_, b| b },
    Rmw { sign: "cmpxchg", kind: Kind::Compare, eval: |_, b| b },
];

impl Rmw {
    pub(super) fn text(&self, width: Width, base: usize, off: i32, src: usize) -> String {
        let (wide, bits) = if width == Width::W64 { ("64", 64) } else { ("", 32) };
        let place = format!("(u{bits} *)(r{base} {off:+})");
        let sign = self.sign;
        match self.kind {
            Kind::Plain => format!("lock *{place} {sign} r{src}"),
            Kind::Fetch => format!("r{src} = atomic{wide}_{sign}({place}, r{src})"),
            Kind::Compare => format!("r0 = atomic{wide}_{sign}({place}, r0, r{src})"),
        }
    }

    /// The word in memory and the register written by the operation, afterwards.
    pub(super) fn eval(&self, width: Width, memory: u64, src: u64, r0: u64) -> (u64, u64) {
        let mask = if width == Width::W64 { u64::MAX } else { u64::from(u32::MAX) };
        let old = memory & mask;
        let stored = match self.kind {
            Kind::Compare if old != r0 & mask => old,
            _ => (self.eval)(old, src) & mask,
        };
        let register = if self.kind == Kind::Plain { src } else { old };
        (memory & !mask | stored, register)
    }
}

/// Every operation with each width.
pub(super) fn forms() -> impl Iterator<Item = (Rmw, Width)> {
    OPERATIONS.into_iter().flat_map(|op| Width::BOTH.map(|width| (op, width)))
}

/// All values, then all registers.
pub(super) fn cases() -> Vec<Case> {
    vec![values().into(), pairing()]
}

/// One run per word in memory; the program iterates over the operands. `cmpxchg` compares first
/// with the operand, so that it succeeds if both are equal, then with the word in memory except for
/// its upper half.
fn values() -> Sheet {
    let about = "every operation, every pair of edge values in memory and register";
    let mut sheet = Sheet::new("atomic_values", about);
    sheet.code("r7 = rights ll\nr9 = 0\nr5 = word ll\nnext:");
    for (op, width) in forms() {
        let text = op.text(width, 5, 0, 2);
        sheet.code("r1 = *(u64 *)(r6 +8)\n*(u64 *)(r5 +0) = r1\nr2 = *(u64 *)(r7 +0)\nr0 = r2");
        sheet.code(&text);
        sheet.code("r3 = *(u64 *)(r5 +0)");
        sheet.store(3);
        sheet.store(if op.kind == Kind::Compare { 0 } else { 2 });
        sheet.column(format!("memory after {text}"));
        sheet.column(format!("register after {text}"));
    }
    let compare = &OPERATIONS[9];
    for width in Width::BOTH {
        let text = compare.text(width, 5, 0, 2);
        sheet.code("r0 = *(u64 *)(r6 +8)\n*(u64 *)(r5 +0) = r0\nr2 = *(u64 *)(r7 +0)");
        sheet.code("r0 ^= r2\nr0 >>= 32\nr0 <<= 32\nr1 = *(u64 *)(r6 +8)\nw1 = w1\nr0 |= r1");
        sheet.code(&text);
        sheet.code("r3 = *(u64 *)(r5 +0)");
        sheet.store(3);
        sheet.store(0);
        sheet.column(format!("memory after {text} with the same lower half"));
        sheet.column(format!("register after {text} with the same lower half"));
    }
    sheet.skip();
    let count = EDGES.len();
    sheet.code(format!("r7 += 8\nr9 += 1\nif r9 != {count} goto next"));
    sheet.behind(data("rights", ".data.in", EDGES));
    sheet.behind(".data word .data.word: 0");
    for memory in EDGES {
        sheet.run(&[memory]);
        for src in EDGES {
            let same_half = (memory ^ src) >> 32 << 32 | u64::from(memory as u32);
            let mut words = Vec::new();
            for (op, width) in forms() {
                let (stored, register) = op.eval(width, memory, src, src);
                words.extend([stored, register]);
            }
            for width in Width::BOTH {
                let (stored, register) = compare.eval(width, memory, src, same_half);
                words.extend([stored, register]);
            }
            sheet.row(format!("{memory:#x}, {src:#x}"), words);
        }
    }
    sheet
}

/// Operand of the pairing, and the value of r0 unless it has another role.
const OPERAND: u64 = 0xfedc_ba98_7654_3210;
const COMPARED: u64 = 0x8123_4567_89ab_cdef;

/// Each operation has its own word, with one next to it that must not change. Offsets start at
/// -160, so that both displacement forms of x86 occur.
fn offset(form: usize) -> i32 {
    16 * form as i32 - 160
}

fn pairing() -> Case {
    let columns: Vec<String> = forms().map(|(op, width)| op.text(width, 1, 0, 2)).collect();
    let pairs = (0..REGISTERS)
        .flat_map(|base| (0..REGISTERS).map(move |src| (base, src)))
        .filter(|(base, src)| base != src);
    let mut region = Region::new(pairs.clone().count(), 2 * columns.len(), 20);
    let mut points = Vec::new();
    for (number, (base, src)) in pairs.enumerate() {
        let mut code = Vec::new();
        let mut registers = Vec::new();
        for (form, (op, width)) in forms().enumerate() {
            if op.kind == Kind::Compare && base == 0 {
                // r0 would be compared as an address, which the kernel chooses.
                registers.push(0);
                continue;
            }
            code.push(op.text(width, base, offset(form), src));
            let word = region.word(number, offset(form));
            // For every other pair the comparison succeeds.
            if op.kind == Kind::Compare && number % 2 == 0 {
                let r0 = if src == 0 { OPERAND } else { COMPARED };
                region.fill(word, r0);
            }
            let r0 = if src == 0 { OPERAND } else { COMPARED };
            let (stored, register) = op.eval(width, region.words[word], OPERAND, r0);
            region.stored.push((word, stored));
            match op.kind {
                Kind::Plain => registers.push(0),
                Kind::Fetch => {
                    code.extend([format!("@{form} = r{src}"), refill(src, 0)]);
                    registers.push(register);
                }
                Kind::Compare => {
                    code.push(format!("@{form} = r0"));
                    code.push(refill(0, usize::from(src != 0)));
                    registers.push(register);
                }
            }
        }
        let mut point = Point::binary(
            src,
            if base == 0 || src == 0 { src } else { 0 },
            code.join("\n"),
            Box::new(move |row| row[REGISTERS..].copy_from_slice(&registers)),
        );
        point.label = format!("r{base}, r{src}");
        point.held[base] = Held::Address(address(&region, number));
        points.push(point);
    }
    let mut sheet = Sheet::new("pairing_atomic", "every pair of address and operand");
    fill(&mut sheet, &columns, points, &[(OPERAND, COMPARED)]);
    region.finish(sheet)
}
