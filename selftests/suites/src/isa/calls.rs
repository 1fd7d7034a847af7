//! Function calls: arguments, results, preserved registers, the caller's stack, the deepest chain;
//! and a loop with `may_goto`.
//!
//! The JIT saves the callee-saved registers that a function uses (`push_callee_regs`), the
//! interpreter gives each frame its own stack (`__bpf_call_base_args`).

use super::sheet::Sheet;
use super::values::{PAIRS, sentinel};
use crate::Case;

/// Limit for active frames (`MAX_CALL_FRAMES`, `include/linux/bpf_verifier.h`). In the interpreter
/// each takes at least 32 bytes of the 512, so 16 of them use all.
const FRAMES: usize = 16;

/// Registers, frames, stack, loop.
pub(super) fn cases() -> Vec<Case> {
    let guarded = guarded_loop().finish();
    vec![
        registers().into(),
        chain().into(),
        callers_stack().into(),
        guarded.fixed_by("bpf: Do not use timed may_goto in the interpreter").into(),
    ]
}

/// The result of the function in [`registers`].
fn mixed(arguments: [u64; 5]) -> u64 {
    arguments.into_iter().fold(0, |sum: u64, argument| sum.wrapping_mul(31).wrapping_add(argument))
}

/// Five arguments, combined by a function so that their order matters; it overwrites all registers
/// that it must preserve.
fn registers() -> Sheet {
    let mut sheet = Sheet::new("calls_registers", "arguments, the result, and r6 to r9");
    sheet.code(format!("r7 = {:#x} ll\nr9 = {:#x} ll", sentinel(7), sentinel(9)));
    sheet.code("r1 = *(u64 *)(r6 +8)\nr2 = *(u64 *)(r6 +16)\nr3 = r1\nr3 ^= r2\nr4 = -4\nr5 = r2");
    sheet.code("call mix");
    for (reg, column) in [(0, "result"), (7, "r7 afterwards"), (9, "r9 afterwards")] {
        sheet.store(reg);
        sheet.column(column);
    }
    // r6 is the context and r8 the position in the table.
    sheet.code("r1 = *(u64 *)(r6 +8)");
    sheet.store(1);
    sheet.column("what r6 points to afterwards");
    sheet.behind(".func mix\nr6 = r1\nr7 = r2\nr8 = r3\nr9 = r4\nr0 = r6");
    sheet.behind("r0 *= 31\nr0 += r7\nr0 *= 31\nr0 += r8\nr0 *= 31\nr0 += r9\nr0 *= 31\nr0 += r5");
    sheet.behind("exit");
    for (first, second) in PAIRS {
        sheet.run(&[first, second]);
        let result = mixed([first, second, first ^ second, -4_i64 as u64, second]);
        sheet.row(format!("{first:#x}, {second:#x}"), [result, sentinel(7), sentinel(9), first]);
    }
    sheet
}

/// A chain with the maximum number of frames. Each keeps a word on its stack and one in a register
/// across the next call, and returns their sum plus its result.
fn chain() -> Sheet {
    let mut sheet = Sheet::new("calls_chain", "as many frames as there may be");
    sheet.code("r1 = *(u64 *)(r6 +8)\ncall f1");
    sheet.store(0);
    sheet.column("sum");
    for number in 1..FRAMES {
        sheet.behind(format!(".func f{number}\nr6 = r1\nr6 *= {number}\nr2 = r1\nr2 ^= {number}"));
        sheet.behind("*(u64 *)(r10 -8) = r2\nr0 = 1");
        if number + 1 < FRAMES {
            sheet.behind(format!("r1 += 1\ncall f{}", number + 1));
        }
        sheet.behind("r0 += r6\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit");
    }
    for (operand, _) in PAIRS {
        sheet.run(&[operand]);
        let of_frame = |number: u64| {
            let argument = operand.wrapping_add(number - 1);
            argument.wrapping_mul(number).wrapping_add(argument ^ number)
        };
        let sum = (1..FRAMES as u64).fold(1, |sum: u64, number| sum.wrapping_add(of_frame(number)));
        sheet.row(format!("{operand:#x}"), [sum]);
    }
    sheet
}

/// Functions that read and write the stacks of their caller and of its caller.
fn callers_stack() -> Sheet {
    let mut sheet = Sheet::new("calls_stack", "the stack of the caller and of its caller");
    sheet.code("r1 = *(u64 *)(r6 +8)\n*(u64 *)(r10 -8) = r1\n*(u64 *)(r10 -16) = 3");
    sheet.code("r1 = r10\nr1 += -16\ncall outer");
    sheet.store(0);
    sheet.column("result");
    for off in [8, 16] {
        sheet.code(format!("r1 = *(u64 *)(r10 -{off})"));
        sheet.store(1);
        sheet.column(format!("r10 -{off} afterwards"));
    }
    // Its own word at the same offset is separate.
    sheet.behind(".func outer\n*(u64 *)(r10 -8) = 5\nr2 = r10\nr2 += -8\ncall inner");
    sheet.behind("r1 = *(u64 *)(r10 -8)\nr0 += r1\nexit");
    sheet.behind(".func inner\n*(u64 *)(r10 -8) = 9\nr3 = *(u64 *)(r1 +8)\nr4 = *(u64 *)(r2 +0)");
    sheet.behind("r0 = r3\nr3 += r4\n*(u64 *)(r1 +8) = r3\n*(u8 *)(r1 +1) = 7");
    sheet.behind("*(u64 *)(r2 +0) = 11\nr0 *= r4\nexit");
    for (operand, _) in PAIRS {
        sheet.run(&[operand]);
        let result = operand.wrapping_mul(5).wrapping_add(11);
        sheet.row(format!("{operand:#x}"), [result, operand.wrapping_add(5), 0x0703]);
    }
    sheet
}

/// A loop that ends long before `may_goto` would end it, in the program and in a function.
fn guarded_loop() -> Sheet {
    let mut sheet = Sheet::new("may_goto_guard", "loops under may_goto that end by themselves");
    sheet.code("r7 = *(u64 *)(r6 +8)\nr7 &= 63\nr9 = 0\nr2 = 0");
    sheet.code("next: may_goto done\nif r9 >= r7 goto done\nr9 += 1\nr2 += r9\ngoto next\ndone:");
    sheet.store(9);
    sheet.column("rounds");
    sheet.store(2);
    sheet.column("sum");
    sheet.code("r1 = r7\ncall count");
    sheet.store(0);
    sheet.column("rounds of the function");
    sheet.behind(".func count\nr0 = 0\nagain: may_goto out\nif r0 >= r1 goto out\nr0 += 1");
    sheet.behind("goto again\nout: exit");
    for operand in [0, 1, 2, 10, 63] {
        sheet.run(&[operand]);
        let sum = operand * (operand + 1) / 2;
        sheet.row(format!("{operand}"), [operand, sum, operand]);
    }
    sheet
}
