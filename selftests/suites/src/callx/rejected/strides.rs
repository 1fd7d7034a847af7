//! Values that look like multiples of an element's size but need not be: any member may be
//! selected.

use crate::Case;
use crate::builder::{errno, rejects};
use crate::callx::shape::{elements, selected};

/// Adds r6, at most 55, to the table's address.
const ADD: &str = "if r6 > 55 goto out\nr7 = T ll\nr7 += r6";

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        ("wraps_in_64_bits", "r6 *= 24".to_owned()),
        ("wraps_in_32_bits", "w6 *= 24".to_owned()),
        ("shifted_out", "r6 *= 3\nr6 <<= 3".to_owned()),
        ("shifted_out_in_32_bits", "w6 &= 0x3fffffff\nw6 *= 3\nw6 <<= 3".to_owned()),
        ("cut_to_32_bits", "r8 = 0x300000000 ll\nif r6 > r8 goto out\nr6 *= 24\nw6 = w6".to_owned()),
        (
            "cut_by_spill",
            "r8 = 0x300000000 ll\nif r6 > r8 goto out\nr6 *= 24\n*(u64 *)(r10 -8) = r6\n\
             r6 = *(u32 *)(r10 -8)"
                .to_owned(),
        ),
        (
            "cut_by_narrow_spill",
            "if r6 > 15 goto out\nr6 *= 24\n*(u8 *)(r10 -8) = r6\nr6 = *(u8 *)(r10 -8)".to_owned(),
        ),
        ("masked", "if r6 > 15 goto out\nr6 *= 24\nr6 &= 0x38".to_owned()),
        ("exclusive_or", "if r6 > 2 goto out\nr6 *= 24\nr6 ^= 8".to_owned()),
        ("or", "if r6 > 2 goto out\nr6 *= 24\nr6 |= 8".to_owned()),
        ("shifted_right", "if r6 > 5 goto out\nr6 *= 48\nr6 >>= 2\nr6 &= 0x78".to_owned()),
        ("negated", "if r6 > 2 goto out\nr6 *= 24\nr6 = -r6\nr6 += 56".to_owned()),
        (
            "changed_atomically",
            "if r6 > 2 goto out\nr6 *= 24\n*(u64 *)(r10 -8) = r6\nr8 = 8\n\
             lock *(u64 *)(r10 -8) += r8\nr6 = *(u64 *)(r10 -8)\nr6 &= 0x78"
                .to_owned(),
        ),
        ("of_another_index", "r8 = *(u64 *)(r1 +8)\nr8 &= 0x38\nif r6 > 1 goto out\nr6 *= 24\nr6 += r8".to_owned()),
        ("wrong_element", "if r6 > 2 goto out\nr6 *= 16".to_owned()),
        ("wrong_remainder", "if r6 > 1 goto out\nr6 *= 24\nr6 += 8".to_owned()),
        (
            "linked_by_a_constant",
            "w6 = w6\nr6 *= 24\nr8 = r6\nr8 += 8\nif r6 > 24 goto out\nr6 = r8".to_owned(),
        ),
        (
            "known_first",
            "r8 = *(u64 *)(r1 +8)\nif r8 == 0 goto other\nif r6 > 2 goto out\nr6 *= 24\ngoto both\n\
             other:\nr6 &= 0x38\nboth:"
                .to_owned(),
        ),
        (
            "known_second",
            "r8 = *(u64 *)(r1 +8)\nif r8 != 0 goto other\nr6 &= 0x38\ngoto both\n\
             other:\nif r6 > 2 goto out\nr6 *= 24\nboth:"
                .to_owned(),
        ),
        (
            "another_first",
            "r8 = *(u64 *)(r1 +8)\nif r8 == 0 goto other\nif r6 > 2 goto out\nr6 *= 24\ngoto both\n\
             other:\nif r6 > 1 goto out\nr6 *= 40\nboth:"
                .to_owned(),
        ),
    ]
    .map(|(name, body)| {
        rejects(
            format!("callx/stride_{name}"),
            "the value may be no multiple of the element's size, or not plus this remainder",
            selected(&format!("{body}\n{ADD}"), "r7 +8") + &elements(24, 8, 3),
        )
        .errno(errno::EACCES)
        .log("R1 invalid mem access 'scalar'")
        .into()
    })
    .into();
    // Nothing is known about the lowest bits.
    cases.extend(
        [
            ("sign_extended", "if r6 > 15 goto out\nr6 *= 24\nr6 = (s8)r6"),
            ("sign_extended_in_32_bits", "if r6 > 15 goto out\nr6 *= 24\nw6 = (s8)w6"),
            ("divided", "if r6 > 5 goto out\nr6 *= 24\nr6 /= 3"),
            ("remainder_of", "if r6 > 5 goto out\nr6 *= 24\nr6 %= 40"),
        ]
        .map(|(name, body)| {
            rejects(
                format!("callx/stride_{name}"),
                "the value may be no multiple of the element's size, nor of a word",
                selected(&format!("{body}\n{ADD}"), "r7 +8") + &elements(24, 8, 3),
            )
            .errno(errno::EACCES)
            .log("overlaps with a pointer to a function")
            .into()
        }),
    );
    // A state is kept where both ways meet, of a stride of 72 that holds.
    let added = "r7 = T ll\nr7 += r6";
    let pointer_first = format!("if r6 > 7 goto out\nr6 <<= 3\n{added}");
    cases.extend(
        [
            ("longer_first", "", "if r6 > 21 goto out\nr6 *= 24", added),
            ("other_remainder_first", "", "if r6 > 6 goto out\nr6 *= 72\nr6 += 24", added),
            ("constant_second", "", "r6 = 8", added),
            ("pointer_first", added, &pointer_first, ""),
        ]
        .map(|(name, first, other, both)| {
            rejects(
                format!("callx/stride_{name}"),
                "a stride that holds on the first way does not hold on the second",
                selected(
                    &format!(
                        "r9 = 0\nr9 += 1\nr9 += 1\nr8 = *(u64 *)(r1 +8)\nif r8 == 0 goto other\n\
                         if r6 > 7 goto out\nr6 *= 72\n{first}\ngoto both\nother:\n{other}\nboth:\n\
                         {both}"
                    ),
                    "r7 +8",
                ) + &elements(72, 8, 8),
            )
            .errno(errno::EACCES)
            .log("R1 invalid mem access 'scalar'")
            .into()
        }),
    );
    cases.push(
        rejects(
            "callx/stride_12_misaligned",
            "every second element of 12 bytes has its pointer at an odd word",
            selected("if r6 > 1 goto out\nr6 *= 12\nr7 = T ll\nr7 += r6", "r7 +8")
                + &elements(24, 8, 3),
        )
        .errno(errno::EACCES)
        .log("overlaps with a pointer to a function")
        .into(),
    );
    cases
}
