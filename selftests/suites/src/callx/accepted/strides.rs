//! Indices scaled by the element size: they select the same member of each element.

use crate::Case;
use crate::builder::{accepts, ctx_u64s, errno, rejects};
use crate::callx::shape::{elements, selected};

/// What a table of its own text points to.
const TWO_FUNCTIONS: &str = "
    .func good0
        r0 = r1
        exit
    .func good1
        r0 = r1
        r0 += 100
        exit
";

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [24, 40, 56, 80, 96, 360]
        .map(|size| {
            let body = format!("if r6 > 2 goto out\nr6 *= {size}\nr7 = T ll\nr7 += r6");
            accepts(
                format!("callx/stride_{size}"),
                "a member of the elements that an index selects, and no other member",
                selected(&body, "r7 +8") + &elements(size, 8, 3),
            )
            .runs(&[(0, 7), (1, 107), (2, 207), (3, 0)])
            .into()
        })
        .into();
    cases.extend(
        [
            ("remainder", "if r6 > 2 goto out\nr6 *= 24\nr6 += 8\nr7 = T ll\nr7 += r6", "r7 +0"),
            ("pointer_added", "if r6 > 2 goto out\nr6 *= 24\nr7 = T ll\nr6 += r7\nr7 = r6", "r7 +8"),
            ("in_steps", "if r6 > 2 goto out\nr6 *= 3\nr6 <<= 3\nr7 = T ll\nr7 += r6", "r7 +8"),
            ("remainder_scaled", "if r6 > 2 goto out\nr6 *= 3\nr6 += 1\nr6 <<= 3\nr7 = T ll\nr7 += r6", "r7 +0"),
            ("subtracted", "if r6 > 2 goto out\nr6 += 1\nr6 *= 24\nr6 -= 16\nr7 = T ll\nr7 += r6", "r7 +0"),
            ("added_twice", "if r6 > 1 goto out\nr6 *= 24\nr7 = T ll\nr7 += r6\nr7 += -8\nr7 += 16", "r7 +0"),
            ("in_32_bits", "if w6 > 2 goto out\nw6 *= 24\nr7 = T ll\nr7 += r6", "r7 +8"),
            (
                "subtracted_in_32_bits",
                "if w6 > 2 goto out\nw6 += 1\nw6 *= 24\nw6 += -24\nr7 = T ll\nr7 += r6",
                "r7 +8",
            ),
            ("compared_later", "w6 = w6\nr6 *= 24\nif r6 > 55 goto out\nr7 = T ll\nr7 += r6", "r7 +8"),
            (
                "spilled",
                "if r6 > 2 goto out\nr6 *= 24\n*(u64 *)(r10 -8) = r6\nr8 = *(u64 *)(r10 -8)\nr7 = T ll\nr7 += r8",
                "r7 +8",
            ),
            (
                "spilled_in_32_bits",
                "if r6 > 2 goto out\nr6 *= 24\n*(u32 *)(r10 -8) = r6\nr8 = *(u32 *)(r10 -8)\nr7 = T ll\nr7 += r8",
                "r7 +8",
            ),
            (
                "linked",
                "w6 = w6\nr6 *= 24\nr8 = r6\nr8 += 8\nif r6 > 48 goto out\nr7 = T ll\nr7 += r8",
                "r7 +0",
            ),
        ]
        .map(|(name, body, at)| {
            accepts(
                format!("callx/stride_{name}"),
                "an index times the size of an element, computed in other ways",
                selected(body, at) + &elements(24, 8, 3),
            )
            .runs(&[(0, 7), (1, 107)])
            .into()
        }),
    );
    cases.extend([
        accepts(
            "callx/stride_backwards",
            "an index that is subtracted from the last element's address",
            selected("if r6 > 2 goto out\nr6 *= 24\nr7 = T + 48 ll\nr7 -= r6", "r7 +8")
                + &elements(24, 8, 3),
        )
        .runs(&[(0, 207), (1, 107), (2, 7)])
        .into(),
        accepts(
            "callx/stride_of_two_indices",
            "rows of two elements: the sum of two multiples",
            selected(
                "r8 = *(u64 *)(r1 +8)\nif r6 > 1 goto out\nif r8 > 1 goto out\nr6 *= 48\nr8 *= 24\nr6 += r8\nr7 = T ll\nr7 += r6",
                "r7 +8",
            ) + &elements(24, 8, 4),
        )
        .run(ctx_u64s(&[0, 0]), 7)
        .run(ctx_u64s(&[0, 1]), 107)
        .run(ctx_u64s(&[1, 0]), 207)
        .run(ctx_u64s(&[1, 1]), 307)
        .into(),
        accepts(
            "callx/stride_data_beside_pointers",
            "numbers of all sizes beside the pointers are numbers, whatever the index",
            selected(
                "if r6 > 1 goto out\nr6 *= 24\nr7 = T ll\nr7 += r6\nr8 = *(u32 *)(r7 +4)",
                "r7 +8",
            ) + TWO_FUNCTIONS
                + "
                .data T .rodata: u32 10, u32 1, good0, u64 4, u32 20, u32 2, good1, u64 5
            ",
        )
        .runs(&[(0, 7), (1, 107)])
        .into(),
        accepts(
            "callx/stride_above_a_bound",
            "the lowest offset that the bounds allow is no multiple of the element's size",
            selected(
                "w6 = w6\nr6 *= 24\nif r6 > 55 goto out\nif r6 < 5 goto out\nr7 = T ll\nr7 += r6",
                "r7 +8",
            ) + &elements(24, 8, 3),
        )
        .runs(&[(0, 0), (1, 107), (2, 207)])
        .into(),
        accepts(
            "callx/stride_and_known_bits",
            "the second element is not selected: the bits of its offset are known to be clear",
            selected("if r6 > 3 goto out\nr6 &= 2\nr6 *= 24\nr7 = T ll\nr7 += r6", "r7 +8")
                + TWO_FUNCTIONS
                + "
                .data T .rodata: u64 1, good0, u64 2, u64 3, u64 4, u64 5, u64 6, good1, u64 7
            ",
        )
        .runs(&[(0, 7), (1, 7), (2, 107), (3, 107), (4, 0)])
        .into(),
        accepts(
            "callx/stride_of_4080_bytes",
            "the longest element whose size is a multiple of 16 that the verifier keeps",
            selected("if r6 > 1 goto out\nr6 *= 4080\nr7 = T ll\nr7 += r6", "r7 +8")
                + &elements(4080, 8, 2),
        )
        .runs(&[(0, 7), (1, 107)])
        .into(),
        rejects(
            "callx/stride_of_4104_bytes",
            "of longer elements it forgets the size: any member may be selected",
            selected("if r6 > 1 goto out\nr6 *= 4104\nr7 = T ll\nr7 += r6", "r7 +8")
                + &elements(4104, 8, 2),
        )
        .errno(errno::EACCES)
        .log("R1 invalid mem access 'scalar'")
        .into(),
    ]);
    cases
}
