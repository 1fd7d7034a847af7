//! The register of the jump, and what the jump preserves: other registers and the stack.

use crate::builder::{accepts, ctx_u64s};
use crate::{Case, Feature};

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = (0..10).map(through_register).collect();
    cases.extend([0, 9].map(other_registers_survive));
    cases.extend(stack());
    cases
}

/// `verifier_gotox: jump_table_use_reg_rN`.
fn through_register(reg: u32) -> Case {
    accepts(
        format!("gotox/through_r{reg}"),
        format!("the jump reads r{reg}: each register has an encoding of its own in machine code"),
        format!(
            "
                r{reg} = JT ll
                r{reg} += 8
                r{reg} = *(u64 *)(r{reg} +0)
                gotox r{reg}
            a:
                r0 = 0
                exit
            b:
                r0 = 1
                exit
            .jumptable JT: a, b
            "
        ),
    )
    .run(ctx_u64s(&[0]), 1)
    .into()
}

/// Sets every register but `reg` to a different bit, jumps through `reg`, and adds them up.
fn other_registers_survive(reg: u32) -> Case {
    let others: Vec<u32> = (0..10).filter(|&other| other != reg).collect();
    let set: Vec<String> =
        others.iter().map(|other| format!("r{other} = {}", 1 << other)).collect();
    let add: Vec<String> =
        others.iter().filter(|&&other| other != 0).map(|other| format!("r0 += r{other}")).collect();
    let first = if reg == 0 { "r0 = 0" } else { "" };
    let sum = others.iter().map(|other| 1_u32 << other).sum();
    accepts(
        format!("gotox/registers_survive_jump_through_r{reg}"),
        format!("a jump through r{reg} changes no other register"),
        format!(
            "
                r{reg} = JT ll
                r{reg} = *(u64 *)(r{reg} +0)
                {}
                gotox r{reg}
            target:
                {first}
                {}
                exit
            .jumptable JT: target
            ",
            set.join("\n"),
            add.join("\n")
        ),
    )
    .run(ctx_u64s(&[0]), sum)
    .into()
}

fn stack() -> Vec<Case> {
    vec![
        accepts(
            "gotox/stack_survives",
            "numbers on the stack, of every width, are there after the jump",
            r"
                *(u64 *)(r10 -8) = 1000
                *(u32 *)(r10 -12) = 200
                *(u16 *)(r10 -14) = 30
                *(u8 *)(r10 -15) = 4
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = *(u64 *)(r10 -8)
                r1 = *(u32 *)(r10 -12)
                r0 += r1
                exit
            b:
                r0 = *(u16 *)(r10 -14)
                r1 = *(u8 *)(r10 -15)
                r0 += r1
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 1200), (1, 34)])
        .into(),
        accepts(
            "gotox/deep_stack_survives",
            "the lowest word of a full stack of 512 bytes is alive at one target only \
             (liveness goes through the table)",
            r"
                r2 = *(u64 *)(r1 +0)
                *(u64 *)(r10 -512) = r2
                *(u64 *)(r10 -8) = r2
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 = 1
                exit
            b:
                r0 = *(u64 *)(r10 -512)
                r1 = *(u64 *)(r10 -8)
                r0 += r1
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(4, 1), (21, 42)])
        .into(),
        accepts(
            "gotox/spilled_target",
            "the address of an instruction is spilled and filled \
             (verifier_gotox: spill_fill_ptr_to_insn)",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                *(u64 *)(r10 -8) = r3
                r3 = 0
                r4 = *(u64 *)(r10 -8)
                gotox r4
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .needs(Feature::SpilledTarget)
        .into(),
        accepts(
            "gotox/spilled_target_used_twice",
            "one filled address is jumped through at two places, with the way back on the stack",
            r"
                r3 = JT ll
                r4 = *(u64 *)(r3 +0)
                *(u64 *)(r10 -8) = r4
                r4 = *(u64 *)(r3 +8)
                *(u64 *)(r10 -16) = r4
                r0 = 0
                r4 = *(u64 *)(r10 -8)
                gotox r4
            first:
                r0 += 1
                r4 = *(u64 *)(r10 -16)
                gotox r4
            second:
                r0 += 10
                if r0 > 20 goto out
                r4 = *(u64 *)(r10 -8)
                gotox r4
            out:
                exit
            .jumptable JT: first, second
            ",
        )
        .run(ctx_u64s(&[0]), 22)
        .needs(Feature::SpilledTarget)
        .into(),
        accepts(
            "gotox/copied_target",
            "the address is moved between registers; the copy jumps",
            r"
                r2 = *(u64 *)(r1 +0)
                r2 &= 1
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                r7 = r3
                r3 = 0
                r1 = r7
                gotox r1
            a:
                r0 = 1
                exit
            b:
                r0 = 2
                exit
            .jumptable JT: a, b
            ",
        )
        .runs(&[(0, 1), (1, 2)])
        .into(),
    ]
}
