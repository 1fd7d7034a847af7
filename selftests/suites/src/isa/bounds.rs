//! Knowledge about operands: code that bounds a number, and the numbers that pass it.

use std::fmt;

/// Code that bounds a register, with its equivalent in Rust.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// Type of the load: `u64`, `s8` etc.
    pub(super) load: &'static str,
    /// Instructions on `rR`, `wR`, separated by `;`. A jump to `OUT` leaves the point.
    code: &'static str,
    /// The result for 64 bits in memory; `None` if the code jumps.
    pub(super) eval: fn(u64) -> Option<u64>,
}

impl Bound {
    /// The code for a register, with `OUT` replaced by a label.
    pub(super) fn code(&self, reg: usize, out: &str) -> String {
        let lines: Vec<&str> = self.code.split(';').map(str::trim).collect();
        let named = lines.join("\n").replace('R', &reg.to_string());
        named.replace("OUT", out)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.load, self.code) {
            ("u64", "") => f.write_str("any number"),
            (size, "") => write!(f, "a load of {size}"),
            (_, code) => write!(f, "`{}`", code.replace("R", "").replace(" goto OUT", "")),
        }
    }
}

const fn bound(code: &'static str, eval: fn(u64) -> Option<u64>) -> Bound {
    Bound { load: "u64", code, eval }
}

const fn load(load: &'static str, eval: fn(u64) -> Option<u64>) -> Bound {
    Bound { load, code: "", eval }
}

/// Bounds: bits, ranges of either signedness and width, both, everything.
pub(super) const BOUNDS: [Bound; 24] = [
    bound("", Some),
    bound("rR &= 7", |a| Some(a & 7)),
    bound("rR &= 31", |a| Some(a & 31)),
    bound("rR &= -256", |a| Some(a & 0xffff_ffff_ffff_ff00)),
    bound("wR &= 0x7f0ff0f0", |a| Some(a & 0x7f0f_f0f0)),
    bound("rR |= 0x81", |a| Some(a | 0x81)),
    bound("rR >>= 33", |a| Some(a >> 33)),
    bound("rR s>>= 59", |a| Some((a as i64 >> 59) as u64)),
    bound("wR = wR", |a| Some(u64::from(a as u32))),
    load("s8", |a| Some(a as i8 as u64)),
    load("s16", |a| Some(a as i16 as u64)),
    load("s32", |a| Some(a as i32 as u64)),
    load("u16", |a| Some(u64::from(a as u16))),
    bound("if rR > 100 goto OUT", |a| (a <= 100).then_some(a)),
    bound("if rR s< -5 goto OUT; if rR s> 9 goto OUT", |a| {
        (-5..=9).contains(&(a as i64)).then_some(a)
    }),
    bound("if rR s>= 0 goto OUT", |a| ((a as i64) < 0).then_some(a)),
    bound("if rR <= -16 goto OUT", |a| (a > -16_i64 as u64).then_some(a)),
    bound("if wR > 100 goto OUT", |a| (a as u32 <= 100).then_some(a)),
    bound("if wR s< -5 goto OUT; if wR s> 9 goto OUT", |a| {
        (-5..=9).contains(&(a as i32)).then_some(a)
    }),
    bound("if wR < 0x7ffffffe goto OUT; if wR > 0x80000001 goto OUT", |a| {
        (0x7fff_fffe..=0x8000_0001).contains(&(a as u32)).then_some(a)
    }),
    bound("if rR & 0x7ffffff0 goto OUT", |a| (a & 0x7fff_fff0 == 0).then_some(a)),
    bound("if wR != 33 goto OUT", |a| (a as u32 == 33).then_some(a)),
    bound("rR = 7", |_| Some(7)),
    bound("rR = -8", |_| Some(-8_i64 as u64)),
];

/// Operands such that some pass each bound, mostly including both of its ends.
pub(super) const OPERANDS: [u64; 20] = [
    0,
    1,
    7,
    9,
    33,
    100,
    0x80,
    0x7ff7,
    0x7fff_fffe,
    0x8000_0001,
    0xffff_fffb,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_7fff_ffff,
    0xffff_ffff_0000_0021,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_fff1,
    0xffff_ffff_ffff_fffb,
    0xffff_ffff_ffff_ffff,
    0x0123_4567_89ab_cdef,
];

/// Pairs of bounds: each with itself, and with a few others so that each occurs on either side.
pub(super) fn pairs() -> impl Iterator<Item = (&'static Bound, &'static Bound)> {
    let count = BOUNDS.len();
    (0..count).flat_map(move |left| {
        let rights = [left, (left * 5 + 1) % count, (left * 7 + 2) % count];
        rights.map(|right| (&BOUNDS[left], &BOUNDS[right]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_lets_something_through_and_most_let_much() {
        for bound in &BOUNDS {
            let through = OPERANDS.into_iter().filter_map(bound.eval).count();
            let few = if bound.code.contains("33 goto") { 2 } else { 3 };
            assert!(through >= few, "{}: {through}", bound.code);
        }
    }

    #[test]
    fn every_bound_is_on_either_side_with_several_others() {
        for bound in &BOUNDS {
            let same = |other: &Bound| std::ptr::eq(other, bound) || other.code == bound.code;
            assert!(pairs().filter(|(left, _)| same(left)).count() >= 3);
            assert!(pairs().filter(|(_, right)| same(right)).count() >= 3, "{}", bound.code);
        }
    }
}
