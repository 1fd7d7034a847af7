//! What the verifier claims of registers and slots, in programs that are small enough to look at: a
//! claim that is too narrow gives no other result, it shows where each instruction is looked at
//! (`--contain`).

use crate::Case;
use crate::builder::{accepts, ctx_u64s, load_flag};

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = numbers();
    cases.extend(slots());
    cases.extend(states());
    cases
}

/// A program of one function with the first word of its context in r2 and the second in r3.
fn program(body: &str) -> String {
    format!(
        "
            r2 = *(u64 *)(r1 +0)
            r3 = *(u64 *)(r1 +8)
            r0 = 0
            {body}
        out:
            exit
        "
    )
}

fn case(name: &str, about: &str, body: &str, runs: &[(u64, u64, u32)]) -> Case {
    let case = accepts(format!("claims/{name}"), about, program(body));
    runs.iter()
        .fold(case, |case, &(first, second, returns)| case.run(ctx_u64s(&[first, second]), returns))
        .into()
}

fn numbers() -> Vec<Case> {
    vec![
        case(
            "byte_swap_of_a_byte",
            "a byte that is swapped as 16 bits is in the upper of two bytes",
            "r2 &= 255
             r2 = bswap16 r2
             r0 = r2",
            &[(0x12, 0, 0x1200), (0xff, 0, 0xff00)],
        ),
        case(
            "bounds_further_apart_than_half",
            "64-bit bounds whose lower halves are the same tell nothing of the lower half",
            "if r2 < 1 goto out
             r4 = 0x100000001 ll
             if r2 > r4 goto out
             r0 = r2",
            &[(2, 0, 2), (0x1_0000_0001, 0, 1), (0xffff_ffff, 0, 0xffff_ffff)],
        ),
        case(
            "constant_of_32_bits",
            "a negative constant of 32 bits has no upper half",
            "w4 = -1
             r4 >>= 32
             r0 = r4",
            &[(0, 0, 0)],
        ),
        case(
            "linked_with_an_offset",
            "what was made by an addition is limited by its own offset when the other is compared",
            "r4 = r2
             r4 += 8
             if r2 > 100 goto out
             r0 = r4",
            &[(100, 0, 108), (0, 0, 8), (101, 0, 0)],
        ),
        case(
            "both_operands_of_a_comparison",
            "each outcome of a comparison narrows both operands for itself",
            "r2 &= 7
             r3 &= 15
             if r2 < r3 goto less
             r0 = r3
             exit
         less:
             r0 = 16
             r0 += r3",
            &[(0, 15, 31), (7, 8, 24), (7, 7, 7), (3, 0, 0)],
        ),
        case(
            "conjunction_of_known_halves",
            "the lower half of a conjunction is known where both are",
            "r2 <<= 32
             r3 <<= 32
             r2 |= 13
             r3 |= 7
             r2 &= r3
             w0 = w2",
            &[(1, 1, 5), (u64::MAX, 0, 5)],
        ),
        case(
            "byte_of_the_context",
            "a byte that is loaded has eight bits",
            "r0 = *(u8 *)(r1 +0)",
            &[(0x7f, 0, 0x7f), (0xff, 0, 0xff)],
        ),
        case(
            "sign_of_what_does_not_fit",
            "the sign extension of what does not fit into a byte may be any byte",
            "if r2 > 300 goto out
             r2 = (s8)r2
             r0 = r2",
            &[(0x80, 0, 0xffff_ff80), (300, 0, 44)],
        ),
        case(
            "compared_in_32_bits",
            "a comparison of 32 bits tells nothing of the upper half",
            "if w2 > 5 goto out
             r2 >>= 1
             r0 = r2",
            &[(0x1_0000_0002, 0, 0x8000_0001), (4, 0, 2)],
        ),
        case(
            "equal_in_32_bits",
            "what is equal in 32 bits may have an upper half",
            "if w2 != 5 goto out
             r2 >>= 1
             r0 = r2",
            &[(0x1_0000_0005, 0, 0x8000_0002), (5, 0, 2)],
        ),
        case(
            "one_of_two_bits",
            "a test of two bits may have found one",
            "if r2 & 6 goto found
             exit
         found:
             r0 = r2",
            &[(2, 0, 2), (4, 0, 4), (1, 0, 0)],
        ),
        case(
            "signed_and_equal",
            "what is not greater may be equal",
            "if r2 s> 5 goto out
             r2 += 1
             r0 = r2",
            &[(5, 0, 6), (6, 0, 0)],
        ),
        case(
            "largest_remainder",
            "a remainder may be one less than the divisor",
            "r2 %= 10
             r0 = r2",
            &[(9, 0, 9), (20, 0, 0)],
        ),
        case(
            "bounds_shifted_out",
            "a shift may move bounds out of the register",
            "r4 = 0x4000000000000000 ll
             if r2 > r4 goto out
             r2 <<= 3
             r0 = r2",
            &[(1, 0, 8)],
        ),
        case(
            "bounds_multiplied_out",
            "a product may be larger than the register",
            "r4 = 0x4000000000000000 ll
             if r2 > r4 goto out
             r2 *= 8
             r0 = r2",
            &[(1, 0, 8)],
        ),
        case(
            "sum_of_bits",
            "the sum of two bits may be two",
            "r2 &= 1
             r3 &= 1
             r2 += r3
             r0 = r2",
            &[(1, 1, 2), (0, 1, 1)],
        ),
        case(
            "product_of_bits",
            "each bit of a factor may be zero",
            "r2 &= 3
             r3 &= 3
             r2 *= r3
             r0 = r2",
            &[(1, 3, 3), (0, 3, 0), (3, 3, 9)],
        ),
        case(
            "disjunction_of_bits",
            "a bit of a disjunction is unknown if it is in either operand",
            "r2 &= 3
             r3 &= 12
             r2 |= r3
             r0 = r2",
            &[(1, 4, 5), (0, 0, 0)],
        ),
        case(
            "sum_of_32_bits",
            "a sum of 32 bits has no sign when it is zero-extended",
            "w2 += 1
             r2 >>= 4
             r0 = r2",
            &[(0x7fff_ffff, 0, 0x0800_0000)],
        ),
    ]
}

fn slots() -> Vec<Case> {
    vec![
        case(
            "store_at_a_variable_offset",
            "a store that may hit a slot makes what was spilled there unknown",
            "*(u64 *)(r10 -8) = 5
             *(u64 *)(r10 -16) = 6
             r2 &= 8
             r4 = r10
             r4 += -16
             r4 += r2
             *(u64 *)(r4 +0) = r3
             r0 = *(u64 *)(r10 -8)",
            &[(8, 77, 77), (0, 77, 5)],
        ),
        case(
            "store_into_a_slot",
            "a store to an upper byte of a slot changes what was spilled there",
            "*(u64 *)(r10 -8) = 5
             *(u8 *)(r10 -6) = r3
             r0 = *(u64 *)(r10 -8)",
            &[(0, 0, 5), (0, 1, 0x1_0005)],
        ),
        case(
            "load_of_an_upper_byte",
            "an upper byte of a constant that was spilled is not its lowest",
            "*(u64 *)(r10 -8) = 261
             r0 = *(u8 *)(r10 -7)",
            &[(0, 0, 1)],
        ),
    ]
}

/// Programs where two paths meet with different numbers, of which one is what a word of the frame is
/// selected by. They are verified with as many states as there can be.
fn states() -> Vec<Case> {
    let of = |name: &str, about: &str, other: &str, select: &str| {
        let source = format!(
            "
                r2 = *(u64 *)(r1 +0)
                r3 = *(u64 *)(r1 +8)
                *(u64 *)(r10 -8) = 3
                *(u64 *)(r10 -16) = 4
                *(u64 *)(r10 -24) = 0
                r6 = 0
                if r2 == 0 goto meet
                {other}
            meet:
                {select}
                r4 = r10
                r4 += -16
                r4 += r6
                r0 = *(u64 *)(r4 +0)
                exit
            other:
                r0 = 1
                exit
            "
        );
        accepts(format!("claims/{name}"), about, source)
            .flags(load_flag::TEST_STATE_FREQ)
            .run(ctx_u64s(&[0, 0]), 4)
            .run(ctx_u64s(&[1, 8]), 3)
            .into()
    };
    vec![
        of(
            "numbers_that_meet",
            "a state is as good as another one only if its precise numbers are in the other's",
            "r6 = 8",
            "if r3 s> 99 goto other",
        ),
        of(
            "slots_that_meet",
            "a state is as good as another one only if the numbers that it has spilled are, too",
            "*(u64 *)(r10 -24) = 8",
            "if r3 s> 99 goto other
             r6 = *(u64 *)(r10 -24)",
        ),
        of(
            "compared_with_a_precise_one",
            "what is made precise by a comparison makes the other operand so",
            "r6 = 8",
            "if r3 s> 99 goto other
             if r3 != r6 goto other
             r6 = r3",
        ),
    ]
}
