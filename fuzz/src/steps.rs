//! The steps of structured programs, in the assembler's notation.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};

/// The functions besides the programs.
pub(crate) const FUNCTIONS: [&str; 3] = ["f0", "f1", "f2"];

const ALU: [&str; 12] = ["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "s>>="];
const CONDITIONS: [&str; 11] = ["==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"];
const SIZES: [&str; 4] = ["u8", "u16", "u32", "u64"];
const SIGNED: [&str; 3] = ["s8", "s16", "s32"];
const MAPS: [&str; 4] = ["array", "guarded", "hash", "cpus"];
const CONVERSIONS: [&str; 13] = [
    "r7 = -r7",
    "w7 = -w7",
    "r7 = be16 r7",
    "r7 = be64 r7",
    "r7 = le32 r7",
    "r7 = bswap32 r7",
    "r7 = (s8)r8",
    "r7 = (s16)r8",
    "r7 = (s32)r8",
    "w7 = (s8)w8",
    "w7 = (s16)w8",
    "r8 s/= r7",
    "r8 s%= r7",
];

/// Writes one step of a function.
pub(crate) fn step(
    u: &mut Unstructured<'_>,
    function: &str,
    number: usize,
    steps: usize,
    source: &mut String,
) -> Result<()> {
    let text = match u.int_in_range(0..=18)? {
        0 | 1 => alu(u)?,
        2 => format!(" {}\n", u.choose(&CONVERSIONS)?),
        3 => load(u)?,
        4 => store(u)?,
        5 => atomic(u)?,
        6 => lookup(u, number)?,
        7 => update(u)?,
        8 => gotox(u, function)?,
        9 => callx(u)?,
        10 => format!(" r1 = {}\n call {}\n", argument(u)?, u.choose(&FUNCTIONS)?),
        11 => format!(
            " r1 = {}\n r2 = {} ll\n r3 = {}\n r4 = 0\n call 181\n",
            u.int_in_range(0..=3)?,
            u.choose(&FUNCTIONS)?,
            argument(u)?,
        ),
        12 => format!(
            " r1 = r6\n r2 = map programs ll\n r3 = {}\n call 12\n r0 = 0\n",
            u.int_in_range(0..=3)?
        ),
        13 => format!(" may_goto {function}_{}\n", u.int_in_range(0..=steps)?),
        14 | 15 => condition(u, function, steps)?,
        16 => lock(u, number)?,
        17 => data(u)?,
        _ => any(u)?,
    };
    source.push_str(&text);
    Ok(())
}

/// A register that holds a number, unless an odd step changed it.
fn number(u: &mut Unstructured<'_>) -> Result<u8> {
    u.choose(&[7, 8, 9, 0]).copied()
}

fn immediate(u: &mut Unstructured<'_>) -> Result<i32> {
    if u.ratio(3, 4)? { u.int_in_range(-16..=64) } else { u.arbitrary() }
}

/// An argument for a function: the caller's own argument, its stack, or a number.
fn argument(u: &mut Unstructured<'_>) -> Result<&'static str> {
    u.choose(&["r6", "r10", "r7"]).copied()
}

/// A pointer and an offset that is usually in its object.
fn place(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(3, 4)? {
        Ok(format!("r10 -{}", 8 * u.int_in_range(1..=8)?))
    } else {
        Ok(format!("r6 {:+}", u.int_in_range(-9i16..=24)?))
    }
}

fn alu(u: &mut Unstructured<'_>) -> Result<String> {
    let (op, dst, width) = (u.choose(&ALU)?, number(u)?, u.choose(&['r', 'w'])?);
    if u.arbitrary()? {
        Ok(format!(" {width}{dst} {op} {width}{}\n", number(u)?))
    } else {
        Ok(format!(" {width}{dst} {op} {}\n", immediate(u)?))
    }
}

fn load(u: &mut Unstructured<'_>) -> Result<String> {
    let size = if u.ratio(3, 4)? { u.choose(&SIZES)? } else { u.choose(&SIGNED)? };
    Ok(format!(" r{} = *({size} *)({})\n", number(u)?, place(u)?))
}

fn store(u: &mut Unstructured<'_>) -> Result<String> {
    let (size, place) = (u.choose(&SIZES)?, place(u)?);
    Ok(match u.int_in_range(0..=3)? {
        0 => format!(" *({size} *)({place}) = {}\n", immediate(u)?),
        // A pointer is spilled and filled.
        1 => " *(u64 *)(r10 -16) = r6\n r6 = *(u64 *)(r10 -16)\n".into(),
        _ => format!(" *({size} *)({place}) = r{}\n", number(u)?),
    })
}

fn atomic(u: &mut Unstructured<'_>) -> Result<String> {
    let (place, src) = (place(u)?, number(u)?);
    let (size, width) = *u.choose(&[("u64", "64"), ("u32", "")])?;
    Ok(match u.int_in_range(0..=6)? {
        0 => format!(" lock *({size} *)({place}) += r{src}\n"),
        1 => format!(" lock *({size} *)({place}) ^= r{src}\n"),
        2 => format!(" r{src} = atomic{width}_fetch_or(({size} *)({place}), r{src})\n"),
        3 => format!(" r{src} = atomic{width}_xchg(({size} *)({place}), r{src})\n"),
        4 => format!(" r0 = atomic{width}_cmpxchg(({size} *)({place}), r0, r{src})\n"),
        5 => format!(" r{src} = load_acquire(({size} *)({place}))\n"),
        _ => format!(" store_release(({size} *)({place}), r{src})\n"),
    })
}

/// Looks up an element and uses it if it exists.
fn lookup(u: &mut Unstructured<'_>, number: usize) -> Result<String> {
    let (map, key) = (u.choose(&MAPS)?, u.int_in_range(0..=4)?);
    let size = u.choose(&SIZES)?;
    let mut text = format!(
        " *(u32 *)(r10 -4) = {key}\n r1 = map {map} ll\n r2 = r10\n r2 += -4\n call 1\n \
         if r0 == 0 goto +2\n"
    );
    let _ = writeln!(text, " r7 = *({size} *)(r0 +{})", u.int_in_range(0..=9)?);
    let _ = writeln!(text, " *(u32 *)(r0 +{}) = {number}\n r0 = 0", u.int_in_range(0..=13)?);
    Ok(text)
}

fn update(u: &mut Unstructured<'_>) -> Result<String> {
    let (map, key) = (u.choose(&MAPS)?, u.int_in_range(0..=4)?);
    let (helper, flags) = (u.int_in_range(2..=3)?, u.int_in_range(0..=4)?);
    Ok(format!(
        " *(u32 *)(r10 -4) = {key}\n r1 = map {map} ll\n r2 = r10\n r2 += -4\n r3 = r10\n \
         r3 += -24\n r4 = {flags}\n call {helper}\n"
    ))
}

fn gotox(u: &mut Unstructured<'_>, function: &str) -> Result<String> {
    if u.arbitrary()? {
        let entry = 8 * u.int_in_range(0..=4)?;
        return Ok(format!(" r3 = {function}_table ll\n r3 = *(u64 *)(r3 +{entry})\n gotox r3\n"));
    }
    Ok(format!(
        " r3 = {function}_table ll\n r4 = r{}\n r4 &= 3\n r4 <<= 3\n r3 += r4\n \
         r3 = *(u64 *)(r3 +0)\n gotox r3\n",
        number(u)?
    ))
}

fn callx(u: &mut Unstructured<'_>) -> Result<String> {
    let argument = argument(u)?;
    if u.arbitrary()? {
        return Ok(format!(" r4 = {} ll\n r1 = {argument}\n callx r4\n", u.choose(&FUNCTIONS)?));
    }
    let entry = 8 * u.int_in_range(0..=5)?;
    Ok(format!(" r4 = FT + {entry} ll\n r4 = *(u64 *)(r4 +0)\n r1 = {argument}\n callx r4\n"))
}

fn condition(u: &mut Unstructured<'_>, function: &str, steps: usize) -> Result<String> {
    let (op, width) = (u.choose(&CONDITIONS)?, u.choose(&['r', 'w'])?);
    let left = number(u)?;
    let right =
        if u.arbitrary()? { format!("{width}{}", number(u)?) } else { immediate(u)?.to_string() };
    let target = u.int_in_range(0..=steps)?;
    Ok(format!(" if {width}{left} {op} {right} goto {function}_{target}\n"))
}

/// Takes the lock, changes the number next to it, and usually releases the lock.
fn lock(u: &mut Unstructured<'_>, number: usize) -> Result<String> {
    let last = if u.ratio(7, 8)? { 94 } else { 93 };
    Ok(format!(
        " r1 = guarded + 8 ll\n call 93\n r1 = guarded ll\n *(u64 *)(r1 +0) = {number}\n \
         r1 = guarded + 8 ll\n call {last}\n r0 = 0\n"
    ))
}

fn data(u: &mut Unstructured<'_>) -> Result<String> {
    let (object, offset) = (u.choose(&["RO", "RW", "FT"])?, u.int_in_range(0..=25)?);
    let size = u.choose(&SIZES)?;
    let write = if u.ratio(1, 4)? { " *(u8 *)(r1 +0) = 1\n" } else { "" };
    Ok(format!(" r1 = {object} + {offset} ll\n r7 = *({size} *)(r1 +0)\n{write}"))
}

/// An arbitrary slot, or an exit that no other step generates.
fn any(u: &mut Unstructured<'_>) -> Result<String> {
    if u.arbitrary()? {
        return Ok(" exit\n".into());
    }
    let code: u8 = u.arbitrary()?;
    let (dst, src) = (u.int_in_range(0..=10)?, u.int_in_range(0..=10)?);
    Ok(format!(" .insn {code} {dst} {src} {} {}\n", immediate(u)? as i16, immediate(u)?))
}
