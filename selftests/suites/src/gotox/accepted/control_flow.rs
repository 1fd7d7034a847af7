//! Positions of jumps and targets: loops, state machines, interpreters, last instructions.

use crate::Case;
use crate::builder::{accepts, ctx_u64s, load_flag};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = ends();
    cases.extend(loops());
    cases.extend(machines());
    cases
}

fn ends() -> Vec<Case> {
    vec![
        accepts(
            "gotox/last_instruction",
            "the jump is the last instruction of the program \
             (verifier_gotox: jump_table_terminal_gotox)",
            r"
                r0 = JT ll
                r0 = *(u64 *)(r0 +0)
                goto end
            target:
                r0 = 3
                exit
            end:
                gotox r0
            .jumptable JT: target
            ",
        )
        .run(ctx_u64s(&[0]), 3)
        .into(),
        accepts(
            "gotox/chain",
            "each target is another jump, three deep",
            r"
                r6 = JT ll
                r0 = 0
                r2 = *(u64 *)(r6 +0)
                gotox r2
            one:
                r2 = *(u64 *)(r6 +16)
                r0 += 1
                gotox r2
            two:
                r0 += 100
                exit
            three:
                r2 = *(u64 *)(r6 +8)
                r0 += 10
                gotox r2
            .jumptable JT: one, two, three
            ",
        )
        .run(ctx_u64s(&[0]), 111)
        .into(),
        accepts(
            "gotox/jump_to_a_jump",
            "a target is itself an indirect jump through another register",
            r"
                r6 = JT ll
                r7 = *(u64 *)(r6 +8)
                r6 = *(u64 *)(r6 +0)
                gotox r6
            next:
                gotox r7
            end:
                r0 = 8
                exit
            .jumptable JT: next, end
            ",
        )
        .run(ctx_u64s(&[0]), 8)
        .into(),
        accepts(
            "gotox/first_instruction_is_a_target",
            "the table leads back to slot 0, in front of which no pass puts anything",
            r"
                r0 = 7
                if r1 == 0 goto out
                r1 = 0
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                exit
            .jumptable JT: 0
            ",
        )
        .run(ctx_u64s(&[0]), 7)
        .into(),
        accepts(
            "gotox/mixed_with_direct_jumps",
            "targets are reached by fall-through, direct and conditional jumps as well",
            r"
                r0 = 0
                r6 = *(u64 *)(r1 +8)
                r2 = *(u64 *)(r1 +0)
                if r2 > 2 goto b
                r2 <<= 3
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            a:
                r0 += 1
            b:
                r0 += 10
                if r6 != 0 goto c
                goto d
            c:
                r0 += 100
            d:
                exit
            .jumptable JT: a, b, c
            ",
        )
        .run(ctx_u64s(&[0, 0]), 11)
        .run(ctx_u64s(&[0, 1]), 111)
        .run(ctx_u64s(&[1, 1]), 110)
        .run(ctx_u64s(&[2, 0]), 100)
        .run(ctx_u64s(&[9, 0]), 10)
        .into(),
    ]
}

fn loops() -> Vec<Case> {
    /// A loop of ten iterations whose back edge goes through the table.
    const TEN_ROUNDS: &str = r"
                r6 = 0
                r0 = 0
            head:
                r6 += 1
                r0 += 5
                r2 = 8
                if r6 > 9 goto jump
                r2 = 0
            jump:
                r3 = JT ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            done:
                exit
            .jumptable JT: head, done
    ";
    vec![
        accepts(
            "gotox/bounded_loop",
            "a loop of ten rounds whose jump back and whose exit both go through the table",
            TEN_ROUNDS,
        )
        .run(ctx_u64s(&[0]), 50)
        .into(),
        accepts(
            "gotox/bounded_loop_with_all_states",
            "the same loop, with a state kept at every pruning point (BPF_F_TEST_STATE_FREQ)",
            TEN_ROUNDS,
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .run(ctx_u64s(&[0]), 50)
        .into(),
        accepts(
            "gotox/loop_left_by_branch",
            "the jump back has one target; a conditional jump leaves the loop after n rounds",
            r"
                r6 = *(u64 *)(r1 +0)
                r6 &= 15
                r0 = 0
                r7 = 0
                r3 = JT ll
                r3 = *(u64 *)(r3 +0)
            head:
                if r7 >= r6 goto out
                if r7 >= 16 goto out
                r7 += 1
                r0 += r7
                gotox r3
            out:
                exit
            .jumptable JT: head
            ",
        )
        .runs(&[(0, 0), (1, 1), (4, 10), (15, 120)])
        .into(),
        accepts(
            "gotox/nested_loops",
            "two counters, two jumps back, one table",
            r"
                r0 = 0
                r6 = 0
                r9 = JT ll
            outer:
                r7 = 0
            inner:
                r0 += 1
                r7 += 1
                if r7 > 2 goto next
                r3 = *(u64 *)(r9 +8)
                gotox r3
            next:
                r6 += 1
                if r6 > 3 goto out
                r3 = *(u64 *)(r9 +0)
                gotox r3
            out:
                exit
            .jumptable JT: outer, inner
            ",
        )
        .run(ctx_u64s(&[0]), 12)
        .into(),
        accepts(
            "gotox/long_loop",
            "300 rounds, more jumps than the verifier keeps in its stack of branches",
            r"
                r6 = 0
                r0 = 0
                r8 = JT ll
            head:
                r6 += 1
                r0 += r6
                r2 = 0
                if r6 < 300 goto jump
                r2 = 8
            jump:
                r3 = r8
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            done:
                exit
            .jumptable JT: head, done
            ",
        )
        .run(ctx_u64s(&[0]), 45_150)
        .into(),
    ]
}

/// Interprets up to eight two-bit opcodes, one in each byte of the context's word.
const INTERPRETER: &str = r"
                r6 = *(u64 *)(r1 +0)
                r0 = 1
                r7 = 0
            next:
                if r7 > 7 goto halt
                r7 += 1
                r2 = r6
                r2 &= 3
                r2 <<= 3
                r6 >>= 8
                r3 = OPS ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            halt:
                exit
            increment:
                r0 += 1
                goto next
            double:
                r0 += r0
                goto next
            square:
                r0 *= r0
                goto next
            .jumptable OPS: halt, increment, double, square
";

fn machines() -> Vec<Case> {
    vec![
        accepts(
            "gotox/bytecode_interpreter",
            "an interpreter with one jump for all opcodes, bounded by its fuel",
            INTERPRETER,
        )
        .run(ctx_u64s(&[0]), 1)
        .run(ctx_u64s(&[0x01]), 2)
        .run(ctx_u64s(&[0x03_02_01]), 16)
        .run(ctx_u64s(&[0x0101_0101_0101_0101]), 9)
        .run(ctx_u64s(&[0x00_03_03_02_01_02_01]), 10_000)
        .into(),
        accepts(
            "gotox/bytecode_interpreter_with_all_states",
            "the same interpreter, with a state kept at every pruning point",
            INTERPRETER,
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .run(ctx_u64s(&[0x03_02_01]), 16)
        .into(),
        accepts(
            "gotox/threaded_interpreter",
            "each opcode ends with a jump of its own (the form that LLVM makes by tail duplication)",
            r"
                r6 = *(u64 *)(r1 +0)
                r0 = 0
                r7 = 0
                r8 = OPS ll
                r2 = r6
                r2 &= 1
                r2 <<= 3
                r3 = r8
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            plus_one:
                r7 += 1
                if r7 > 3 goto out
                r0 += 1
                r6 >>= 1
                r2 = r6
                r2 &= 1
                r2 <<= 3
                r3 = r8
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            plus_ten:
                r7 += 1
                if r7 > 3 goto out
                r0 += 10
                r6 >>= 1
                r2 = r6
                r2 &= 1
                r2 <<= 3
                r3 = r8
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            out:
                exit
            .jumptable OPS: plus_one, plus_ten
            ",
        )
        .runs(&[(0, 3), (1, 12), (0b101, 21), (0b111, 30), (0b1000, 3)])
        .into(),
        accepts(
            "gotox/state_machine",
            "the index is made of state and input: two states, input bits, a table of four. \
             Returns the number of bits 1 that follow a bit 0",
            r"
                r6 = *(u64 *)(r1 +0)
                r0 = 0
                r7 = 0
                r8 = 0
            step:
                if r7 > 5 goto out
                r7 += 1
                r2 = r6
                r2 &= 1
                r6 >>= 1
                r2 += r8
                r2 <<= 3
                r3 = DELTA ll
                r3 += r2
                r3 = *(u64 *)(r3 +0)
                gotox r3
            in_zero_saw_one:
                r0 += 1
            in_one_saw_one:
                r8 = 2
                goto step
            saw_zero:
                r8 = 0
                goto step
            out:
                exit
            .jumptable DELTA: saw_zero, in_zero_saw_one, saw_zero, in_one_saw_one
            ",
        )
        .runs(&[(0, 0), (0b1, 1), (0b111, 1), (0b101, 2), (0b10_1010, 3), (0b11_0110, 2)])
        .into(),
    ]
}
