//! The programs: each does the same in the model and in the peers, in about a million steps.
//!
//! Where the peers lack what the model's program uses, theirs is the closest that they have, and
//! the comment says what it is.

use std::collections::HashMap;
use std::sync::LazyLock;

use bpf_object::{LoadPlan, MapElement};
use bpf_peers::{Helper, Program};
use foldhash::fast::FixedState;

/// One comparison.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the model runs.
    pub(crate) plan: LoadPlan,
    /// What the peers run.
    pub(crate) peers: Program,
    /// The memory behind r1.
    pub(crate) memory: Vec<u8>,
}

/// All comparisons.
pub(crate) fn all() -> Vec<Case> {
    vec![
        same("alu", ALU, Vec::new()),
        same("copy", COPY, numbers(1024)),
        same("copy-bytes", COPY_BYTES, numbers(512)),
        same("calls", CALLS, Vec::new()),
        look_ups("array-look-ups", "array", element_of_array),
        look_ups("hash-look-ups", "hash", element_of_hash),
        same("switch-branches", &switch(BRANCHES), numbers(256)),
        unlike("switch-gotox", &switch(GOTOX), &switch(BRANCHES), numbers(256)),
        same("dispatch-calls", &dispatch(DIRECT_CALLS), numbers(256)),
        unlike("dispatch-callx", &dispatch(CALLX), &dispatch(DIRECT_CALLS), numbers(256)),
    ]
}

/// The same instructions for all.
fn same(name: &'static str, source: &str, memory: Vec<u8>) -> Case {
    unlike(name, source, source, memory)
}

fn unlike(name: &'static str, model: &str, peers: &str, memory: Vec<u8>) -> Case {
    let plan = |source| match bpf_object::compile(source) {
        Ok(plan) => plan,
        Err(err) => panic!("{name}: {err}"),
    };
    let peers = Program::new(&plan(peers).programs[0].insns, memory.len() as u32);
    Case { name, plan: plan(model), peers, memory }
}

/// Bytes without a pattern.
fn numbers(len: u32) -> Vec<u8> {
    (0..len).map(|index| (index.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}

/// A generator of random numbers in shifts, additions and exclusive ors of 64 and 32 bits.
const ALU: &str = "
        r0 = 0x9e3779b97f4a7c15 ll
        r6 = 80000
    again:
        r2 = r0
        r2 <<= 13
        r0 ^= r2
        r2 = r0
        r2 >>= 7
        r0 ^= r2
        r2 = r0
        w2 <<= 5
        w2 ^= w6
        r0 += r2
        r0 *= 5
        r6 -= 1
        if r6 != 0 goto again
        exit";

/// 512 bytes from memory to the stack and on to other memory, 8 at a time.
const COPY: &str = "
        r6 = r1
        r7 = 1240
    again:
        r1 = r6
        r3 = r10
        r3 += -512
        r2 = 64
    in:
        r4 = *(u64 *)(r1 +0)
        *(u64 *)(r3 +0) = r4
        r1 += 8
        r3 += 8
        r2 -= 1
        if r2 != 0 goto in
        r3 = r10
        r3 += -512
        r2 = 64
    out:
        r4 = *(u64 *)(r3 +0)
        *(u64 *)(r1 +0) = r4
        r1 += 8
        r3 += 8
        r2 -= 1
        if r2 != 0 goto out
        r7 -= 1
        if r7 != 0 goto again
        r0 = *(u64 *)(r1 -8)
        exit";

/// 256 bytes from memory to the stack and on to other memory, one at a time.
const COPY_BYTES: &str = "
        r6 = r1
        r7 = 320
    again:
        r1 = r6
        r3 = r10
        r3 += -256
        r2 = 256
    in:
        r4 = *(u8 *)(r1 +0)
        *(u8 *)(r3 +0) = r4
        r1 += 1
        r3 += 1
        r2 -= 1
        if r2 != 0 goto in
        r3 = r10
        r3 += -256
        r2 = 256
    out:
        r4 = *(u8 *)(r3 +0)
        *(u8 *)(r1 +0) = r4
        r1 += 1
        r3 += 1
        r2 -= 1
        if r2 != 0 goto out
        r7 -= 1
        if r7 != 0 goto again
        r0 = *(u8 *)(r1 -1)
        exit";

/// Two functions deep, with arguments, results and a saved register.
const CALLS: &str = "
    .prog main syscall
        r6 = 0
        r7 = 66000
    again:
        r1 = r7
        r2 = r6
        call sum
        r6 = r0
        r7 -= 1
        if r7 != 0 goto again
        r0 = r6
        exit
    .func sum
        r6 = r1
        r1 = r2
        call twice
        r0 += r6
        exit
    .func twice
        r0 = r1
        r0 += r1
        exit";

/// Elements of the maps.
const ELEMENTS: u64 = 64;

/// The model looks up a key that lies on the stack in a map of [`ELEMENTS`] numbers. The peers have
/// no maps: they call a Rust function with the key itself and the address of the memory that holds
/// the numbers, and get the address of one. The programs have the same number of steps.
fn look_ups(name: &'static str, map_type: &str, helper: bpf_peers::Function) -> Case {
    let source = |declaration: &str, arguments: &str| {
        format!(
            "
        {declaration}
        .prog main syscall
            r9 = r1
            r7 = 83000
            r6 = 0
            r8 = 0
        again:
            *(u32 *)(r10 -4) = r6
            {arguments}
            call 1
            if r0 == 0 goto out
            r0 = *(u64 *)(r0 +0)
            r8 ^= r0
            r6 += 7
            r6 &= {mask}
            r7 -= 1
            if r7 != 0 goto again
        out:
            r0 = r8
            exit",
            mask = ELEMENTS - 1
        )
    };
    let model = source(
        &format!(".map numbers {map_type} key=4 value=8 entries={ELEMENTS} flags=0"),
        "r1 = map numbers ll\nr2 = r10\nr2 += -4",
    );
    // `r3 = 0` stands for the addition that the key's address takes.
    let peers = source("", "r1 = r9\nr2 = *(u32 *)(r10 -4)\nr3 = 0");
    let values: Vec<[u8; 8]> =
        (0..ELEMENTS).map(|index| (index * 0x0101_0203_0509_0b0d).to_le_bytes()).collect();
    let mut case = unlike(name, &model, &peers, values.concat());
    let elements = values.iter().enumerate().map(|(index, value)| MapElement {
        key: (index as u32).to_le_bytes().to_vec(),
        value: value.to_vec(),
    });
    case.plan.maps[0].contents = elements.collect();
    case.peers = case.peers.with_helper(Helper { id: 1, function: helper });
    case
}

/// An array's look-up: a comparison and a multiplication.
fn element_of_array(base: u64, key: u64, _: u64, _: u64, _: u64) -> u64 {
    if key < ELEMENTS { base + key * 8 } else { 0 }
}

/// A hash map's look-up, in the standard library's map with the hash that the model's maps use.
fn element_of_hash(base: u64, key: u64, _: u64, _: u64, _: u64) -> u64 {
    static SLOTS: LazyLock<HashMap<u32, u64, FixedState>> =
        LazyLock::new(|| (0..ELEMENTS).map(|slot| (slot as u32, slot)).collect());
    SLOTS.get(&(key as u32)).map_or(0, |slot| base + slot * 8)
}

/// Each byte of the memory in turn selects one of eight small operations on r0.
fn switch(select: &str) -> String {
    format!(
        "
    .prog main syscall
    {select}
        a: r0 += 3
        goto next
        b: r0 ^= 5
        goto next
        c: r0 <<= 1
        goto next
        d: r0 -= 7
        goto next
        e: r0 *= 3
        goto next
        f: r0 >>= 1
        goto next
        g: r0 |= 9
        goto next
        h: r0 ^= r7
        next:
        r3 += 1
        if r3 != 256 goto element
        r7 -= 1
        if r7 != 0 goto again
        exit"
    )
}

/// Start of a loop over 256 bytes; r2 is the byte's low three bits.
macro_rules! over_bytes {
    ($before:literal, $turns:literal, $then:literal) => {
        concat!(
            $before,
            "
        r6 = r1
        r0 = 0
        r7 = ",
            $turns,
            "
    again:
        r3 = 0
    element:
        r2 = r6
        r2 += r3
        r2 = *(u8 *)(r2 +0)
        r2 &= 7
        ",
            $then
        )
    };
}

/// As a compiler lays out a `match` without a table: three comparisons.
const BRANCHES: &str = over_bytes!(
    "",
    "300",
    "
        if r2 > 3 goto upper
        if r2 > 1 goto c_d
        if r2 == 0 goto a
        goto b
    c_d:
        if r2 == 2 goto c
        goto d
    upper:
        if r2 > 5 goto g_h
        if r2 == 4 goto e
        goto f
    g_h:
        if r2 == 6 goto g
        goto h"
);

/// As a compiler lays it out with a table.
const GOTOX: &str = over_bytes!(
    ".jumptable table: a, b, c, d, e, f, g, h",
    "300",
    "
        r2 <<= 3
        r4 = table ll
        r4 += r2
        r4 = *(u64 *)(r4 +0)
        gotox r4"
);

/// Each byte of the memory in turn selects one of four functions.
fn dispatch(body: &str) -> String {
    format!(
        "
    {body}
        next:
        r8 += 1
        if r8 != 256 goto element
        r7 -= 1
        if r7 != 0 goto again
        r0 = r9
        exit
    .func add
        r0 = r1
        r0 += 3
        exit
    .func mix
        r0 = r1
        r0 ^= r2
        exit
    .func twice
        r0 = r1
        r0 <<= 1
        exit
    .func half
        r0 = r1
        r0 >>= 1
        exit"
    )
}

/// Start of a loop over 256 bytes; r2 is the byte's low two bits, r1 the number so far.
macro_rules! over_calls {
    ($before:literal, $then:literal) => {
        concat!(
            $before,
            "
    .prog main syscall
        r6 = r1
        r9 = 1
        r7 = 230
    again:
        r8 = 0
    element:
        r2 = r6
        r2 += r8
        r2 = *(u8 *)(r2 +0)
        r2 &= 3
        r1 = r9
        ",
            $then
        )
    };
}

/// Comparisons that lead to a direct call each.
const DIRECT_CALLS: &str = over_calls!(
    "",
    "
        if r2 > 1 goto c_d
        if r2 == 0 goto a
        call mix
        r9 = r0
        goto next
    a:  call add
        r9 = r0
        goto next
    c_d:
        if r2 == 2 goto c
        call half
        r9 = r0
        goto next
    c:  call twice
        r9 = r0"
);

/// One call through a table of pointers to functions in read-only data.
const CALLX: &str = over_calls!(
    ".data table .data.rel.ro: add, mix, twice, half",
    "
        r3 = r2
        r3 <<= 3
        r4 = table ll
        r4 += r3
        r4 = *(u64 *)(r4 +0)
        callx r4
        r9 = r0"
);
