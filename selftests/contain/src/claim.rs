//! What the verifier says of a register or a stack slot: `print_reg_state()` and
//! `print_verifier_state()` in `kernel/bpf/log.c`.

/// What is known of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Signed bounds of all bits.
    pub signed: (i64, i64),
    /// Unsigned bounds of all bits.
    pub unsigned: (u64, u64),
    /// Signed bounds of the low half.
    pub signed32: (i32, i32),
    /// Unsigned bounds of the low half.
    pub unsigned32: (u32, u32),
    /// The tnum: known bits, and which are unknown.
    pub bits: (u64, u64),
    /// `stride=S+R`: the number leaves R when divided by S; 0 for none.
    pub stride: (u64, u64),
}

impl Range {
    /// Nothing is known.
    pub const ANY: Self = Self {
        signed: (i64::MIN, i64::MAX),
        unsigned: (0, u64::MAX),
        signed32: (i32::MIN, i32::MAX),
        unsigned32: (0, u32::MAX),
        bits: (0, u64::MAX),
        stride: (0, 0),
    };

    /// One number.
    pub const fn known(value: u64) -> Self {
        Self {
            signed: (value as i64, value as i64),
            unsigned: (value, value),
            signed32: (value as i32, value as i32),
            unsigned32: (value as u32, value as u32),
            bits: (value, 0),
            stride: (0, 0),
        }
    }

    /// What is wrong with a number that is not in here.
    pub fn lacks(&self, value: u64) -> Option<&'static str> {
        let outside = |inside: bool, what| (!inside).then_some(what);
        let (v64, v32) = (value as i64, value as i32);
        outside(self.bits.0 == value & !self.bits.1, "var_off")
            .or(outside(self.unsigned.0 <= value && value <= self.unsigned.1, "umin to umax"))
            .or(outside(self.signed.0 <= v64 && v64 <= self.signed.1, "smin to smax"))
            .or_else(|| self.lacks32(value as u32))
            .or(outside(self.signed32.0 <= v32 && v32 <= self.signed32.1, "smin32 to smax32"))
            .or(outside(
                self.stride.0 == 0 || v64.rem_euclid(self.stride.0 as i64) as u64 == self.stride.1,
                "stride",
            ))
    }

    fn lacks32(&self, low: u32) -> Option<&'static str> {
        let inside = self.unsigned32.0 <= low && low <= self.unsigned32.1;
        (!inside).then_some("umin32 to umax32")
    }

    /// What is wrong with the low bytes of a number, of which the others were not kept.
    pub fn lacks_low(&self, value: u64, bytes: usize) -> Option<&'static str> {
        if bytes >= 8 {
            return self.lacks(value);
        }
        let mask = (1 << (bytes * 8)) - 1;
        if (value ^ self.bits.0) & mask & !self.bits.1 != 0 {
            return Some("var_off");
        }
        if bytes == 4 {
            let low = value as u32;
            let signed = self.signed32.0 <= low as i32 && low as i32 <= self.signed32.1;
            return self.lacks32(low).or((!signed).then_some("smin32 to smax32"));
        }
        None
    }
}

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it is.
    pub what: What,
    /// A number with the same id is the same, but for [`Claim::delta`]; 0 for none.
    pub id: u32,
    /// What was added to the number that the id is of.
    pub delta: i64,
    /// As it was printed.
    pub text: String,
}

/// The kinds of what a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A number.
    Number {
        /// What is known of it.
        range: Range,
        /// Whether it was marked as precise where it was printed.
        precise: bool,
    },
    /// A pointer.
    Pointer(Pointer),
}

/// A pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Its type without `_or_null`, as the kernel prints it.
    pub kind: String,
    /// May also be the number 0.
    pub or_null: bool,
    /// `fp[N]`: the frame, if it is not that of the register.
    pub frame: Option<usize>,
    /// Map name, if any, size of the keys and of the values.
    pub map: Option<(String, u32, u32)>,
    /// Fixed part of the offset.
    pub fixed: i64,
    /// The rest of the offset.
    pub variable: Range,
}

/// What a slot of eight bytes holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotClaim {
    /// A register was spilled into the lowest bytes; what the ones above are, from the top down.
    Spilled {
        /// What was spilled.
        claim: Box<Claim>,
        /// Bytes of it.
        bytes: usize,
        /// Types of the others: `m`, `0`, `?`.
        above: String,
    },
    /// Types of all eight, from the top down.
    Bytes(String),
    /// Something of the kernel's: `dynptr_…`, `iter_…`.
    Special(String),
}

/// A printed state of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// Number of the frame.
    pub frame: usize,
    /// Registers.
    pub regs: Vec<(usize, Claim)>,
    /// Slots by their offset from the frame pointer.
    pub slots: Vec<(i64, SlotClaim)>,
    /// `cb`: a function that a helper has called.
    pub callback: bool,
    /// What was not understood.
    pub unparsed: Vec<String>,
}

impl Printed {
    /// Reads a state.
    pub fn parse(text: &str) -> Self {
        let mut printed = Self::default();
        for word in words(text) {
            if !printed.take(word) {
                printed.unparsed.push(word.to_owned());
            }
        }
        printed
    }

    /// Registers and slots that were printed, understood or not.
    pub fn count(&self) -> usize {
        self.regs.len() + self.slots.len() + self.unparsed.len()
    }

    fn take(&mut self, word: &str) -> bool {
        if let Some(number) = word.strip_prefix("frame").and_then(|rest| rest.strip_suffix(':')) {
            return number.parse().map(|frame| self.frame = frame).is_ok();
        }
        if word == "cb" || word == "async_cb" {
            self.callback = true;
            return true;
        }
        let Some((name, value)) = word.split_once('=') else { return false };
        if name == "refs" {
            return true;
        }
        if let Some(number) = name.strip_prefix('R') {
            let number = number.split('_').next().unwrap_or_default().parse();
            let (Ok(number), Some(claim)) = (number, claim(value)) else { return false };
            self.regs.push((number, claim));
            return true;
        }
        let (Some(offset), Some(slot)) = (name.strip_prefix("fp"), slot(value)) else {
            return false;
        };
        offset.parse().map(|offset| self.slots.push((offset, slot))).is_ok()
    }
}

/// Words that are separated by blanks outside of parentheses.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0 && c.is_whitespace()
    })
    .filter(|word| !word.is_empty())
}

/// The characters of `slot_type_char[]`.
fn is_type(c: char) -> bool {
    "?rm0difp".contains(c)
}

fn slot(text: &str) -> Option<SlotClaim> {
    if text.len() == 8 && text.chars().all(is_type) {
        return Some(SlotClaim::Bytes(text.to_owned()));
    }
    if text.starts_with("dynptr_") && text.ends_with(')') || text.starts_with("iter_") {
        return Some(SlotClaim::Special(text.to_owned()));
    }
    [0, 4, 6, 7].into_iter().find_map(|above| {
        let (types, rest) = (text.get(..above)?, text.get(above..)?);
        let claim = claim(rest).filter(|_| types.chars().all(is_type))?;
        Some(SlotClaim::Spilled {
            claim: Box::new(claim),
            bytes: 8 - above,
            above: types.to_owned(),
        })
    })
}

/// A number as `verbose_unum()` and `verbose_snum()` print it.
fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    if !plain || digits.len() > 1 && digits.starts_with('0') || text == "-0" {
        return None;
    }
    text.parse::<i64>().map(|value| value as u64).ok()
}

fn claim(text: &str) -> Option<Claim> {
    let (body, precise) = match text.strip_prefix('P') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let of = |what, id, delta| Some(Claim { what, id, delta, text: text.to_owned() });
    if let Some(value) = number(body) {
        return of(What::Number { range: Range::known(value), precise }, 0, 0);
    }
    let (head, attributes) = match body.split_once('(') {
        Some((head, rest)) => (head, Some(rest.strip_suffix(')')?)),
        None => (body, None),
    };
    if head == "scalar" {
        let read = Attributes::read(attributes?)?;
        return of(What::Number { range: read.range, precise }, read.id, read.id_delta);
    }
    let mut pointer = Pointer {
        kind: String::new(),
        or_null: false,
        frame: None,
        map: None,
        fixed: 0,
        variable: Range::known(0),
    };
    if let Some(rest) = head.strip_prefix("fp") {
        let rest = match rest.strip_prefix('[') {
            Some(rest) => {
                let (frame, rest) = rest.split_once(']')?;
                pointer.frame = Some(frame.parse().ok()?);
                rest
            }
            None => rest,
        };
        pointer.kind = "fp".to_owned();
        if attributes.is_none() {
            pointer.fixed = number(rest)? as i64;
            return of(What::Pointer(pointer), 0, 0);
        }
        if !rest.is_empty() {
            return None;
        }
    } else {
        (pointer.kind, pointer.or_null) = kind(head)?;
        if attributes.is_none() && head != "arena" {
            return None;
        }
    }
    let read = Attributes::read(attributes.unwrap_or_default())?;
    pointer.fixed = read.fixed;
    pointer.variable = if read.varies { read.range } else { Range::known(0) };
    pointer.map = read.sizes.map(|(key, value)| (read.map, key, value));
    of(What::Pointer(pointer), read.id, read.id_delta)
}

/// The type of a pointer, and whether it may be null: `reg_type_str()`.
fn kind(head: &str) -> Option<(String, bool)> {
    const PREFIXES: [&str; 7] =
        ["rdonly_", "ringbuf_", "user_", "percpu_", "rcu_", "untrusted_", "trusted_"];
    const KINDS: [&str; 21] = [
        "ctx",
        "map_ptr",
        "map_value",
        "pkt",
        "pkt_meta",
        "pkt_end",
        "flow_keys",
        "sock",
        "sock_common",
        "tcp_sock",
        "tp_buffer",
        "xdp_sock",
        "mem",
        "arena",
        "buf",
        "func",
        "insn",
        "map_key",
        "dynptr_ptr",
        "fp",
        "?",
    ];
    let mut rest = head;
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    if rest.starts_with("ptr_") {
        return Some(("ptr_".to_owned(), rest.starts_with("ptr_or_null_")));
    }
    let (name, or_null) = match rest.strip_suffix("_or_null") {
        Some(name) => (name, true),
        None => (rest, false),
    };
    KINDS.contains(&name).then(|| (name.to_owned(), or_null))
}

/// What stands between the parentheses.
struct Attributes {
    id: u32,
    id_delta: i64,
    map: String,
    sizes: Option<(u32, u32)>,
    fixed: i64,
    range: Range,
    varies: bool,
    /// `<<3`: the id is of what an instruction array was indexed by.
    shifted: bool,
}

impl Attributes {
    fn read(text: &str) -> Option<Self> {
        let mut read = Self {
            id: 0,
            id_delta: 0,
            map: String::new(),
            sizes: None,
            fixed: 0,
            range: Range::ANY,
            varies: true,
            shifted: false,
        };
        let (mut imm, mut bounds, mut off) = (false, false, 0_i64);
        for attribute in text.split(',').filter(|attribute| !attribute.is_empty()) {
            if attribute == "non_own_ref" {
                continue;
            }
            let (names, value) = attribute.rsplit_once('=')?;
            for name in names.split('=') {
                match name {
                    "id" => read.take_id(value)?,
                    "parent_id" | "r" | "sz" | "type" => {}
                    "map" => read.map = value.to_owned(),
                    "ks" => read.sizes = Some((value.parse().ok()?, 0)),
                    "vs" => read.sizes = Some((read.sizes?.0, value.parse().ok()?)),
                    "off" => {
                        off = number(value)? as i64;
                        read.fixed = read.fixed.wrapping_add(off);
                    }
                    "imm" => {
                        imm = true;
                        read.fixed = read.fixed.wrapping_add(number(value)? as i64);
                    }
                    _ => {
                        bounds = true;
                        read.bound(name, value)?;
                    }
                }
            }
        }
        if read.shifted {
            // It is the index that differs by this from what the id is of.
            read.fixed = read.fixed.wrapping_sub(off);
        }
        // A pointer with nothing of these has a fixed offset.
        read.varies = !imm && bounds;
        Some(read)
    }

    fn take_id(&mut self, value: &str) -> Option<()> {
        self.shifted = value.ends_with("<<3");
        let value = value.strip_suffix("<<3").unwrap_or(value);
        let end = value.find(['+', '-']).unwrap_or(value.len());
        self.id = value.get(..end)?.parse().ok()?;
        let delta = value.get(end..)?;
        if !delta.is_empty() {
            self.id_delta = delta.parse().ok()?;
        }
        Some(())
    }

    fn bound(&mut self, name: &str, value: &str) -> Option<()> {
        if name == "var_off" {
            let Some(pair) = value.strip_prefix('(') else {
                self.range.bits = (number(value)?, 0);
                return Some(());
            };
            let (known, mask) = pair.strip_suffix(')')?.split_once("; ")?;
            self.range.bits = (number(known)?, number(mask)?);
            return Some(());
        }
        if name == "stride" {
            let (stride, rest) = value.split_once('+').unwrap_or((value, "0"));
            self.range.stride = (stride.parse().ok()?, rest.parse().ok()?);
            return Some(());
        }
        let value = number(value)?;
        let range = &mut self.range;
        match name {
            "smin" => range.signed.0 = value as i64,
            "smax" => range.signed.1 = value as i64,
            "umin" => range.unsigned.0 = value,
            "umax" => range.unsigned.1 = value,
            "smin32" => range.signed32.0 = value as i32,
            "smax32" => range.signed32.1 = value as i32,
            "umin32" => range.unsigned32.0 = value as u32,
            "umax32" => range.unsigned32.1 = value as u32,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        match claim(text).map(|claim| claim.what) {
            Some(What::Number { range, .. }) => range,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn pointer(text: &str) -> Pointer {
        match claim(text).map(|claim| claim.what) {
            Some(What::Pointer(pointer)) => pointer,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(range("-1"), Range::known(u64::MAX));
        assert_eq!(range("P0xffffffff"), Range::known(0xffff_ffff));
        assert_eq!(range("scalar()"), Range::ANY);
        let read =
            range("scalar(id=3+2,smin=smin32=0,smax=umax=smax32=umax32=8,var_off=(0x0; 0x8))");
        assert_eq!((read.signed, read.unsigned, read.bits), ((0, 8), (0, 8), (0, 8)));
        assert_eq!((read.signed32, read.unsigned32), ((0, 8), (0, 8)));
        assert_eq!(read.lacks(8), None);
        assert_eq!(read.lacks(4), Some("var_off"));
        assert_eq!(range("scalar(smin32=0x80000001)").signed32.0, i32::MIN + 1);
        assert_eq!(range("scalar(umax=64,stride=16+8)").stride, (16, 8));
        assert_eq!(range("scalar(stride=16+8)").lacks(9), Some("stride"));
        let linked = claim("scalar(id=7-4)").unwrap();
        assert_eq!((linked.id, linked.delta), (7, -4));
    }

    #[test]
    fn bounds_are_looked_at_one_by_one() {
        let lacks = |text: &str, value| range(text).lacks(value);
        assert_eq!(lacks("scalar(smax=5)", 6), Some("smin to smax"));
        assert_eq!(lacks("scalar(umax=5)", 6), Some("umin to umax"));
        assert_eq!(lacks("scalar(smax32=5)", 6), Some("smin32 to smax32"));
        assert_eq!(lacks("scalar(umax32=5)", 6), Some("umin32 to umax32"));
        assert_eq!(lacks("scalar(umax32=5)", 1 << 40), None);
        assert_eq!(range("scalar(umax32=5)").lacks_low(6, 4), Some("umin32 to umax32"));
    }

    #[test]
    fn pointers() {
        assert_eq!(pointer("fp-8").fixed, -8);
        assert_eq!(pointer("fp[1]-16").frame, Some(1));
        assert_eq!(pointer("fp0").fixed, 0);
        let value = pointer("map_value_or_null(id=2,map=m,ks=4,vs=8)");
        assert!(value.or_null && value.kind == "map_value");
        assert_eq!(value.map, Some(("m".to_owned(), 4, 8)));
        assert_eq!(pointer("map_value(ks=4,vs=8,off=4,imm=8)").fixed, 12);
        let varies = pointer("fp(off=-32,smin=0,smax=umax=15,var_off=(0x0; 0xf))");
        assert_eq!((varies.fixed, varies.variable.bits), (-32, (0, 15)));
        assert_eq!(pointer("trusted_ptr_task_struct()").kind, "ptr_");
        assert_eq!(pointer("rdonly_mem(sz=4)").kind, "mem");
        assert_eq!(pointer("pkt(id=1,off=14,r=20)").fixed, 14);
        assert!(claim("nonsense(1)").is_none() && claim("scalar(x=1)").is_none());
    }

    #[test]
    fn slots() {
        let spilled = |text: &str| match slot(text) {
            Some(SlotClaim::Spilled { claim, bytes, above }) => (claim.text, bytes, above),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(slot("mmmm0000"), Some(SlotClaim::Bytes("mmmm0000".to_owned())));
        assert_eq!(spilled("0"), ("0".to_owned(), 8, String::new()));
        assert_eq!(spilled("????P5"), ("P5".to_owned(), 4, "????".to_owned()));
        assert_eq!(spilled("00000"), ("0".to_owned(), 4, "0000".to_owned()));
        assert_eq!(spilled("mmmmscalar()"), ("scalar()".to_owned(), 4, "mmmm".to_owned()));
        assert_eq!(spilled("map_value(ks=4,vs=8)").1, 8);
        assert_eq!(spilled("mmmmmmm0xff").1, 1);
    }

    #[test]
    fn states() {
        let text =
            " frame1: R0=scalar(var_off=(0x0; 0xff)) R1=fp[0]-8 R10=fp0 fp-8=????0 refs=1,2 cb";
        let printed = Printed::parse(text);
        assert_eq!((printed.frame, printed.callback), (1, true));
        let regs: Vec<usize> = printed.regs.iter().map(|(reg, _)| *reg).collect();
        assert_eq!(regs, [0, 1, 10]);
        assert_eq!((printed.slots.len(), printed.count()), (1, 4));
        assert_eq!(Printed::parse(" R1=what R2=5").unparsed, ["R1=what"]);
    }
}
