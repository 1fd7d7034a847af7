//! Encoding, decoding and the notation are inverses of each other.

use bpf_isa::{Imm64, Insn, Op, assemble, decode, disassemble, encode};
use proptest::prelude::*;

use crate::strategy::op;

/// A slot that is closer to an instruction than random bytes are.
fn slot() -> impl Strategy<Value = Insn> {
    let small = || prop_oneof![Just(0i16), Just(1), Just(8), Just(16), Just(32), any::<i16>()];
    let imm = prop_oneof![Just(0i32), Just(1), Just(16), Just(0x41), Just(0x100), any::<i32>()];
    (any::<u8>(), 0..16u8, 0..16u8, small(), imm).prop_map(|(code, dst, src, off, imm)| Insn {
        code,
        dst,
        src,
        off,
        imm,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn encoded_operations_decode_to_themselves(op in op()) {
        let slots = encode(&op);
        prop_assert_eq!(decode(&slots, 0), Ok((op, slots.len())));
    }

    #[test]
    fn decoded_slots_encode_to_themselves(slots in [slot(), slot()]) {
        let Ok((op, len)) = decode(&slots, 0) else { return Ok(()) };
        let mut expected = slots;
        match op {
            // Fields that the kernel ignores.
            Op::Exit => expected[0].off = 0,
            Op::LdImm64 { value: Imm64::Func { .. }, .. } => expected[1].imm = 0,
            _ => {}
        }
        prop_assert_eq!(&*encode(&op), &expected[..len]);
    }

    #[test]
    fn printed_operations_assemble_to_themselves(ops in proptest::collection::vec(op(), 1..20)) {
        let source: String = ops.iter().map(|op| format!("  {op}\n")).collect();
        let unit = assemble(&source).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let expected: Vec<Insn> = ops.iter().flat_map(|op| encode(op).to_vec()).collect();
        prop_assert_eq!(&unit.functions[0].insns, &expected);
        prop_assert!(unit.functions[0].relocations.is_empty());
    }

    #[test]
    fn slots_survive_their_bytes(slot in slot()) {
        prop_assert_eq!(Insn::from_bytes(slot.to_bytes()), slot);
    }

    #[test]
    fn any_slots_disassemble(slots in proptest::collection::vec(slot(), 0..20)) {
        disassemble(&slots);
        for at in 0..=slots.len() {
            let _ = decode(&slots, at);
        }
    }

    #[test]
    fn any_source_assembles_or_is_refused(source in "[ -~\n]{0,80}") {
        let _ = assemble(&source);
    }

    #[test]
    fn any_words_of_the_notation_assemble_or_are_refused(
        words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..30)
    ) {
        let _ = assemble(&words.join(" "));
    }
}

const WORDS: [&str; 57] = [
    "r1",
    "w2",
    "r10",
    "r11",
    "=",
    "+=",
    "s>>=",
    "-",
    "+",
    "*",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "u64",
    "s8",
    "u8",
    "skb",
    "if",
    "goto",
    "gotol",
    "gotox",
    "call",
    "callx",
    "exit",
    "lock",
    "map",
    "func",
    "ll",
    "L",
    "pc",
    "0",
    "7",
    "-1",
    "0xffffffffffffffff",
    "s>",
    "&",
    "be16",
    "bswap64",
    "atomic64_cmpxchg",
    "load_acquire",
    "store_release",
    "addr_space_cast",
    ".insn",
    ".prog",
    ".func",
    ".global",
    ".data",
    ".jumptable",
    ".map",
    "syscall",
    "array",
    "key=4",
    ";",
];
